package handfast

import (
	"errors"
	"net"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// ErrRequestGone is what a Request's methods return when it is no longer
// pending: it was decided already, the peer gave up, tcp.Config.VerdictTimeout has
// passed, or it had to make room for others.
var ErrRequestGone = errors.New("handfast: the request is no longer pending")

// Forward accepts the connections to every address and every port that no listener
// has: what a VPN, tun2socks or the network of a virtual machine needs.
// An accepted connection's LocalAddr is the address that was asked for. It goes
// through the same accept path as a listener: SYN floods find the same defence.
// A Dialer's LocalAddr may be such an address, too.
//
// The host needs routes back, LinkOptions.Gateway or Routes; on a TUN a route
// to 0.0.0.0/0 without gateway will do. ListenOptions.Prefix leaves other addresses
// alone; several forwarders have different ones, and the longest counts.
func (h *Host) Forward(o ListenOptions) (*TCPListener, error) {
	l := &TCPListener{owner: h, network: netTCP, options: o, all: true, inbox: inbox{deadline: clock.Never}}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: h.err}
	}
	if err := h.bindPort(l); err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	h.setForwarded()
	return l, nil
}

var allPrefixes = []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}

// setForwarded tells the shards whose traffic ends here. The caller holds h.mu.
func (h *Host) setForwarded() {
	var f host.Forwarded
	for _, l := range h.listeners[0] {
		f.TCP = append(f.TCP, prefixes(l.options.Prefix)...)
	}
	for u := range h.sockets {
		u.forwards(&f)
	}
	for _, s := range h.shards {
		s.mu.Lock()
		s.host.SetForwarded(f)
		s.mu.Unlock()
	}
}

// prefixes returns what a forwarder's prefix means: the zero one is all addresses.
func prefixes(p netip.Prefix) []netip.Prefix {
	if !p.IsValid() {
		return allPrefixes
	}
	return []netip.Prefix{p}
}

// ForwardPacket opens a socket that gets the UDP datagrams to every port that no
// other socket has, of the addresses of a prefix; the zero prefix has all addresses.
// ReadFromTo says what was asked for, WriteFromTo answers from there, and Refuse
// says that nobody is there. Of several sockets the longest prefix counts.
func (h *Host) ForwardPacket(p netip.Prefix) (*UDPConn, error) {
	u := &UDPConn{owner: h, network: netUDP, inbox: inbox{deadline: clock.Never}, writeDeadline: clock.Never, all: true, prefix: p}
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.err
	if err == nil {
		err = u.open("bind")
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "udp", Err: err}
	}
	h.setForwarded()
	return u, nil
}

// Request is a connection that a client wants to open and that was not answered
// yet.
type Request struct {
	shard *shard
	syn   tcp.Syn
}

// Local returns the address that was asked for.
func (r *Request) Local() netip.AddrPort { return addrPort(r.syn.Tuple.Local, r.syn.Tuple.LocalPort) }

// Remote returns who asks, as far as one can believe a SYN.
func (r *Request) Remote() netip.AddrPort {
	return addrPort(r.syn.Tuple.Remote, r.syn.Tuple.RemotePort)
}

// Accept answers with a SYN-ACK. The connection comes out of the listener's
// Accept when its handshake is complete.
func (r *Request) Accept() error {
	return r.inShard(func(now clock.Time) bool { return r.shard.tcp.AcceptSyn(now, r.syn) })
}

// AcceptWith is Accept for a program that has prepared something for the
// connection, such as the one that it has dialled to the other side:
// AcceptPrepared returns what with the connection. When the handshake is not
// completed, ListenOptions.Lost gets it. What is nil is Accept's.
func (r *Request) AcceptWith(what any) error {
	if what == nil {
		return r.Accept()
	}
	l, _ := r.syn.Listener.Owner.(*TCPListener)
	return r.inShard(func(now clock.Time) bool {
		return r.shard.tcp.AcceptSynWith(now, r.syn, &prepared{l, what})
	})
}

// prepared is the owner of a connection that its listener has not accepted yet.
type prepared struct {
	listener *TCPListener
	what     any
}

// becomeReady has nothing to wake: nobody has the connection.
func (*prepared) becomeReady(int, tcp.Ready) {}

// lost tells the program that what it prepared is not needed. The caller holds no lock.
func (p *prepared) lost() {
	if f := p.listener.options.Lost; f != nil {
		f(p.what)
	}
}

// Reset answers with a RST: connection refused.
func (r *Request) Reset() error {
	return r.inShard(func(now clock.Time) bool { return r.shard.tcp.ResetSyn(now, r.syn) })
}

// Ignore answers nothing; the peer will try again.
func (r *Request) Ignore() error {
	return r.inShard(func(clock.Time) bool { return r.shard.tcp.IgnoreSyn(r.syn) })
}

// Refuse answers with an ICMP error.
func (r *Request) Refuse(why host.Unreachable) error {
	return r.inShard(func(now clock.Time) bool { return r.shard.host.RefuseSyn(now, r.syn, why) })
}

// inShard carries a verdict out. It may come from any goroutine and at any time: by
// then the peer may have given up.
func (r *Request) inShard(decide func(clock.Time) bool) error {
	s := r.shard
	now := s.lock()
	ok := s.err == nil && decide(now)
	s.flushAndUnlock(now)
	if !ok {
		return ErrRequestGone
	}
	return nil
}

func tellLost(owner any) { owner.(*prepared).lost() }

// askListener asks the program that listens about a SYN. The caller does not hold
// the shard's lock.
func askListener(s *shard, y tcp.Syn) {
	if l, ok := y.Listener.Owner.(*TCPListener); ok {
		l.decide(&Request{s, y})
	}
}
