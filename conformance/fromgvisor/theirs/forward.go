package theirs

import (
	"context"
	"io"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// Dialer opens the other side of a flow.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// ForwardAll lets the stack take packets to, and send from, every address.
func ForwardAll(s *stack.Stack) error {
	if err := s.SetPromiscuousMode(nic, true); err != nil {
		return tcpipError(err)
	}
	if err := s.SetSpoofing(nic, true); err != nil {
		return tcpipError(err)
	}
	return nil
}

// ForwardTCP carries connections to every address on by a dialer. The other
// side is asked first; when it fails the client gets a RST.
func ForwardTCP(s *stack.Stack, d Dialer) {
	f := tcp.NewForwarder(s, 0, 1024, func(r *tcp.ForwarderRequest) {
		up, err := d.DialContext(context.Background(), "tcp", asked(r.ID()).String())
		if err != nil {
			r.Complete(true)
			return
		}
		var wq waiter.Queue
		ep, failed := r.CreateEndpoint(&wq)
		r.Complete(failed != nil)
		if failed != nil {
			up.Close()
			return
		}
		carry(gonet.NewTCPConn(&wq, ep), up)
	})
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, f.HandlePacket)
}

// ForwardUDP does so with datagrams; a session ends after 30 s of silence.
func ForwardUDP(s *stack.Stack, d Dialer) {
	f := udp.NewForwarder(s, func(r *udp.ForwarderRequest) bool {
		var wq waiter.Queue
		ep, err := r.CreateEndpoint(&wq)
		if err != nil {
			return false
		}
		down := gonet.NewUDPConn(&wq, ep)
		go func() {
			up, err := d.DialContext(context.Background(), "udp", asked(r.ID()).String())
			if err != nil {
				down.Close()
				return
			}
			go datagrams(down, up)
			datagrams(up, down)
		}()
		return true
	})
	s.SetTransportProtocolHandler(udp.ProtocolNumber, f.HandlePacket)
}

// asked is where a flow wants to go.
func asked(id stack.TransportEndpointID) netip.AddrPort {
	return netip.AddrPortFrom(address(id.LocalAddress), id.LocalPort)
}

func address(a tcpip.Address) netip.Addr {
	b, _ := netip.AddrFromSlice(a.AsSlice())
	return b
}

// carry copies both ways until both have ended.
func carry(down *gonet.TCPConn, up net.Conn) {
	done := make(chan struct{})
	go func() {
		io.Copy(up, down)
		if half, ok := up.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
		close(done)
	}()
	io.Copy(down, up)
	down.CloseWrite()
	<-done
	down.Close()
	up.Close()
}

// datagrams copies one way until it is silent for too long.
func datagrams(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	p := make([]byte, 65535)
	for {
		from.SetReadDeadline(time.Now().Add(30 * time.Second))
		n, err := from.Read(p)
		if err != nil {
			return
		}
		to.Write(p[:n])
	}
}
