package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	gvisorModule  = "gvisor.dev/gvisor"
	gvisorNIC     = 1
	gvisorBacklog = 4096
	// gvisorQueue is deep enough that the link in memory drops nothing.
	gvisorQueue = 8192
)

// gvisorPeer is gVisor netstack as it is shipped. With 64 KiB segments an
// endpoint of ours tells it that the link takes super-segments, and passes
// them unsplit.
func gvisorPeer() *peer {
	return &peer{
		name: "gvisor", module: gvisorModule,
		what: "link/channel in memory; host GSO on it for 64 KiB segments; fdbased on a plain TUN",
		attach: map[path]func() (stack, stack, error){
			mem1500: func() (stack, stack, error) { return gvisorPair(false) },
			mem64k:  func() (stack, stack, error) { return gvisorPair(true) },
			tun:     func() (stack, stack, error) { return gvisorTUN(0, gvisorPlain) },
		},
		attachWire: gvisorWire, // with its default buffers
		privileged: map[path]bool{tun: true},
		packets:    gvisorPackets,
		program:    "gvisor",
	}
}

// gvisorVnetPeer is gVisor on a TUN endpoint of ours with virtio headers: the
// best that it can do on such a device, and not part of it.
func gvisorVnetPeer() *peer {
	return &peer{
		name: "gvisor-vnet", module: gvisorModule,
		what: "an endpoint of ours on a TUN with virtio headers, TSO and checksum offload both ways",
		attach: map[path]func() (stack, stack, error){
			tun: func() (stack, stack, error) { return gvisorTUN(unix.IFF_VNET_HDR, newVnetEndpoint) },
		},
		privileged: map[path]bool{tun: true},
	}
}

// gvisorStack is one gVisor stack with one address.
type gvisorStack struct {
	s       *gstack.Stack
	address netip.Addr
}

// newGvisorStack puts a stack on a link, with SACK, CUBIC and tuning of the
// receive buffer: its best settings.
func newGvisorStack(ep gstack.LinkEndpoint, address netip.Addr) (*gvisorStack, error) {
	s := gstack.New(gstack.Options{
		NetworkProtocols:   []gstack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []gstack.TransportProtocolFactory{tcp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	moderate := tcpip.TCPModerateReceiveBufferOption(true)
	cubic := tcpip.CongestionControlOption("cubic")
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &cubic} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return nil, fmt.Errorf("gvisor: option %T: %v", o, err)
		}
	}
	if err := s.CreateNIC(gvisorNIC, ep); err != nil {
		return nil, fmt.Errorf("gvisor: attach: %v", err)
	}
	a := tcpip.ProtocolAddress{
		Protocol:          ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddrFrom4(address.As4()).WithPrefix(),
	}
	if err := s.AddProtocolAddress(gvisorNIC, a, gstack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("gvisor: address: %v", err)
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: gvisorNIC}})
	return &gvisorStack{s, address}, nil
}

func (g *gvisorStack) addr() netip.Addr { return g.address }

func (g *gvisorStack) listen(port uint16) (net.Listener, error) {
	return g.listenDeep(port, gvisorBacklog)
}

func (g *gvisorStack) dial(to netip.AddrPort) (net.Conn, error) {
	return gonet.DialContextTCP(context.Background(), g.s, g.full(to), ipv4.ProtocolNumber)
}

func (g *gvisorStack) full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: gvisorNIC, Addr: tcpip.AddrFrom4(a.Addr().As4()), Port: a.Port()}
}

// gsoChannel is link/channel for super-segments of up to 64 KiB.
type gsoChannel struct{ *channel.Endpoint }

func (gsoChannel) GSOMaxSize() uint32 { return 65535 }

// gvisorPair joins two stacks in memory, with one goroutine for each way.
func gvisorPair(gso bool) (near, far stack, err error) {
	a, aLink := gvisorChannel(gso)
	b, bLink := gvisorChannel(gso)
	n, err := newGvisorStack(aLink, nearAddr)
	if err != nil {
		return nil, nil, err
	}
	f, err := newGvisorStack(bLink, farAddr)
	if err != nil {
		return nil, nil, err
	}
	go carry(a, b)
	go carry(b, a)
	return n, f, nil
}

func gvisorChannel(gso bool) (*channel.Endpoint, gstack.LinkEndpoint) {
	e := channel.New(gvisorQueue, 1500, "")
	if !gso {
		return e, e
	}
	e.SupportedGSOKind = gstack.HostGSOSupported
	e.LinkEPCapabilities = gstack.CapabilityTXChecksumOffload | gstack.CapabilityRXChecksumOffload
	return e, gsoChannel{e}
}

// carry takes what one stack sends to the other, without a copy.
func carry(from, to *channel.Endpoint) {
	for {
		p := from.ReadContext(context.Background())
		q := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: p.ToBuffer()})
		number := p.NetworkProtocolNumber
		p.DecRef()
		to.InjectInbound(number, q)
		q.DecRef()
	}
}

// gvisorTUN puts a stack on a TUN device whose other end is the kernel.
func gvisorTUN(flags uint16, link func(fd int) (gstack.LinkEndpoint, error)) (near, far stack, err error) {
	fd, err := openTUN(flags)
	if err != nil {
		return nil, nil, err
	}
	ep, err := link(fd)
	if err != nil {
		return nil, nil, err
	}
	if far, err = kernelOnTUN(); err != nil {
		return nil, nil, err
	}
	near, err = newGvisorStack(ep, nearAddr)
	return near, far, err
}

// gvisorPlain is the link that gVisor has for such a descriptor.
func gvisorPlain(fd int) (gstack.LinkEndpoint, error) {
	return fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: 1500})
}
