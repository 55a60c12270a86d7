package theirs

import (
	"context"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// full makes a gVisor address, and names its protocol.
func full(a netip.AddrPort) (tcpip.FullAddress, tcpip.NetworkProtocolNumber) {
	protocol := ipv4.ProtocolNumber
	if a.Addr().Is6() {
		protocol = ipv6.ProtocolNumber
	}
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFromSlice(a.Addr().AsSlice()), Port: a.Port()}, protocol
}

// Dial opens a connection.
func Dial(ctx context.Context, s *stack.Stack, to netip.AddrPort) (net.Conn, error) {
	address, protocol := full(to)
	return gonet.DialContextTCP(ctx, s, address, protocol)
}

// DialFrom opens one from a given address.
func DialFrom(ctx context.Context, s *stack.Stack, from, to netip.AddrPort) (net.Conn, error) {
	local, protocol := full(from)
	remote, _ := full(to)
	return gonet.DialTCPWithBind(ctx, s, local, remote, protocol)
}

// Listen opens a listener, whose backlog is 10.
func Listen(s *stack.Stack, at netip.AddrPort) (net.Listener, error) {
	address, protocol := full(at)
	return gonet.ListenTCP(s, address, protocol)
}

// ListenUDP opens a socket for datagrams.
func ListenUDP(s *stack.Stack, at netip.AddrPort) (net.PacketConn, error) {
	address, protocol := full(at)
	return gonet.DialUDP(s, &address, nil, protocol)
}

// DialTuned opens a connection with options. They are the endpoint's, which gonet hides.
func DialTuned(s *stack.Stack, to netip.AddrPort) (net.Conn, error) {
	address, protocol := full(to)
	var wq waiter.Queue
	ep, err := s.NewEndpoint(tcp.ProtocolNumber, protocol, &wq)
	if err != nil {
		return nil, tcpipError(err)
	}
	ep.SocketOptions().SetKeepAlive(true)
	idle, interval := tcpip.KeepaliveIdleOption(30*time.Second), tcpip.KeepaliveIntervalOption(5*time.Second)
	congestion := tcpip.CongestionControlOption("cubic")
	for _, o := range []tcpip.SettableSocketOption{&idle, &interval, &congestion} {
		if err := ep.SetSockOpt(o); err != nil {
			ep.Close()
			return nil, tcpipError(err)
		}
	}
	if err := ep.SetSockOptInt(tcpip.KeepaliveCountOption, 3); err != nil {
		ep.Close()
		return nil, tcpipError(err)
	}
	ep.SocketOptions().SetSendBufferSize(1<<20, true)
	ep.SocketOptions().SetDelayOption(false)
	ep.SocketOptions().SetLinger(tcpip.LingerOption{Enabled: true, Timeout: 0})
	return connect(ep, &wq, address)
}

// connect waits until an endpoint is connected.
func connect(ep tcpip.Endpoint, wq *waiter.Queue, to tcpip.FullAddress) (net.Conn, error) {
	entry, done := waiter.NewChannelEntry(waiter.WritableEvents)
	wq.EventRegister(&entry)
	defer wq.EventUnregister(&entry)
	err := ep.Connect(to)
	if _, started := err.(*tcpip.ErrConnectStarted); started {
		<-done
		err = ep.LastError()
	}
	if err != nil {
		ep.Close()
		return nil, tcpipError(err)
	}
	return gonet.NewTCPConn(wq, ep), nil
}
