package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
	hftun "github.com/handfast-tcp/handfast/link/tun"
)

// maxSegment is the largest packet that goes down whole where a link allows it.
const maxSegment = 65535

// handfastPeer is the code of this repository, with its defaults.
func handfastPeer() *peer {
	return &peer{
		name: "handfast", module: "github.com/handfast-tcp/handfast",
		what: "link/pipe in memory; link/tun with virtio headers",
		attach: map[path]func() (stack, stack, error){
			mem1500: func() (stack, stack, error) { return handfastPair(pipe.Options{}) },
			mem64k: func() (stack, stack, error) {
				return handfastPair(pipe.Options{MaxGSO: maxSegment, ChecksumOffload: true})
			},
			tun: handfastTUN,
		},
		attachWire: handfastWire(tcp.Config{}),
		privileged: map[path]bool{tun: true},
		packets:    handfastPackets,
		program:    "handfast",
	}
}

// handfastStack is one host with one address.
type handfastStack struct {
	*handfast.Host
	address netip.Addr
}

func newHandfastStack(l link.Link, address netip.Addr, c tcp.Config) (stack, error) {
	h, err := handfast.New(handfast.Config{TCP: c, FirstPort: 16384, LastPort: 65535})
	if err != nil {
		return nil, err
	}
	o := handfast.LinkOptions{Addresses: []netip.Prefix{netip.PrefixFrom(address, prefixBits)}}
	if err := h.Attach(l, o); err != nil {
		return nil, err
	}
	return handfastStack{h, address}, nil
}

func (h handfastStack) addr() netip.Addr { return h.address }

func (h handfastStack) listen(port uint16) (net.Listener, error) {
	return h.Listen("tcp", netip.AddrPortFrom(h.address, port).String())
}

func (h handfastStack) dial(to netip.AddrPort) (net.Conn, error) {
	return h.Dial("tcp", to.String())
}

// handfastPair joins two hosts in memory.
func handfastPair(o pipe.Options) (near, far stack, err error) {
	a, b := pipe.New(o)
	return handfastWire(tcp.Config{})(a, b, 0)
}

// handfastBBRPeer is the same with the other controller for bad wires.
func handfastBBRPeer() *peer {
	return &peer{
		name: "handfast-bbr", module: "github.com/handfast-tcp/handfast", what: "over an emulated wire only, with BBR in place of CUBIC",
		attachWire: handfastWire(tcp.Config{CongestionControl: "bbr"}),
	}
}

// handfastWire puts a host on each end of a wire.
func handfastWire(c tcp.Config) func(a, b link.Link, buffers int) (near, far stack, err error) {
	return func(a, b link.Link, buffers int) (near, far stack, err error) {
		c.SendBuffer, c.ReceiveBuffer = buffers, buffers
		if near, err = newHandfastStack(a, nearAddr, c); err != nil {
			return nil, nil, fmt.Errorf("near: %w", err)
		}
		if far, err = newHandfastStack(b, farAddr, c); err != nil {
			return nil, nil, fmt.Errorf("far: %w", err)
		}
		return near, far, nil
	}
}

// handfastTUN puts a host on a TUN device whose other end is the kernel.
func handfastTUN() (near, far stack, err error) {
	l, err := hftun.Open(hftun.Options{Name: tunName})
	if err != nil {
		return nil, nil, err
	}
	if far, err = kernelOnTUN(); err != nil {
		return nil, nil, err
	}
	near, err = newHandfastStack(l, nearAddr, tcp.Config{})
	return near, far, err
}
