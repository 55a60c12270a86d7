package answers

import (
	"net/netip"
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// pause is the time from one packet to the next, for our stack. It is long
// enough for all that is limited by rate. No timer fires in it, because no test
// calls Advance: in the kernel none fires either, because the conversations are short.
const pause = time.Second

// ours is a fresh host of ours in virtual time.
type ours struct {
	host *host.Host
	now  clock.Time
}

// everyAck has our stack acknowledge at once, as the kernel is told by its route.
const everyAck = 255

func newOurs() *ours {
	o := &ours{host: host.New(host.Config{TCP: tcp.Config{QuickAcks: everyAck}}), now: clock.Time(time.Hour)}
	iface := o.host.AddLink(host.LinkConfig{Name: "wire", MTU: mtu})
	for _, p := range []netip.Prefix{networkV4, networkV6} {
		if err := o.host.AddAddress(iface, p); err != nil {
			panic(err)
		}
	}
	return o
}

func (o *ours) exchange(packets ...[]byte) (answers [][]byte) {
	answers = o.output(answers)
	for _, b := range packets {
		p := buf.NewPacket()
		p.Data = p.ReceiveInto(max(len(b), 1))[:copy(p.Block.Bytes(), b)]
		o.host.Receive(o.now, 0, p)
		answers = o.output(answers)
	}
	o.now = o.now.Add(pause)
	return answers
}

func (o *ours) output(answers [][]byte) [][]byte {
	for {
		p, _ := o.host.Output(o.now)
		if p == nil {
			return answers
		}
		p.Flatten()
		answers = append(answers, append([]byte(nil), p.Data...))
		p.Release()
	}
}

func (o *ours) end() {}

// state returns the state of a connection, which its program may have closed.
func (o *ours) state(local, remote netip.AddrPort) tcp.State {
	t := wire.Tuple{
		Local: wire.AddrFrom(local.Addr()), Remote: wire.AddrFrom(remote.Addr()),
		LocalPort: local.Port(), RemotePort: remote.Port(),
	}
	for e := range o.host.TCP().All {
		if e.Tuple() == t {
			return e.State()
		}
	}
	for c, i := range o.host.TCP().Compact(o.now) {
		if c == t {
			return i.State
		}
	}
	return tcp.Closed
}

func (o *ours) listen(at netip.AddrPort) listener {
	l, err := o.host.TCP().Listen(wire.AddrFrom(at.Addr()), at.Port(), 16, "listener")
	if err != nil {
		panic(err)
	}
	return &ourListener{o, l}
}

func (o *ours) connect(from, to netip.AddrPort) socket {
	e, err := o.host.Connect(o.now, wire.AddrFrom(from.Addr()), from.Port(), wire.AddrFrom(to.Addr()), to.Port(), "client")
	if err != nil {
		panic(err)
	}
	o.host.TCP().SetNoDelay(o.now, e, true)
	return &ourSocket{o, e}
}

type ourListener struct {
	*ours
	listener *tcp.Listener
}

func (l *ourListener) accept() socket {
	e := l.host.TCP().Accept(l.listener)
	if e == nil {
		return nil
	}
	e.Owner = "server"
	l.host.TCP().SetNoDelay(l.now, e, true)
	return &ourSocket{l.ours, e}
}

type ourSocket struct {
	*ours
	entry *tcp.Entry
}

func (s *ourSocket) write(b []byte) bool { return s.host.TCP().SendCopy(s.now, s.entry, b) }
func (s *ourSocket) shutdown()           { s.host.TCP().CloseWrite(s.now, s.entry) }
func (s *ourSocket) close()              { s.host.TCP().Close(s.now, s.entry) }
func (s *ourSocket) abort()              { s.host.TCP().Abort(s.now, s.entry) }
func (s *ourSocket) state() string       { return s.entry.State().String() }

func (s *ourSocket) read(n int) (r received) {
	for _, v := range s.host.TCP().Take(s.now, s.entry, n, nil) {
		r.text = append(r.text, v.Bytes()...)
		v.Release()
	}
	switch f := s.entry.Failure(); {
	case len(r.text) == n:
		r.end = "open"
	case f != tcp.NoFailure:
		r.end = failureNames[f]
	case s.entry.EOF():
		r.end = "EOF"
	default:
		r.end = "open"
	}
	return r
}

var failureNames = map[tcp.Failure]string{
	tcp.Reset:              "reset",
	tcp.Refused:            "refused",
	tcp.TimedOut:           "timed out",
	tcp.HostUnreachable:    "host unreachable",
	tcp.NetworkUnreachable: "network unreachable",
	tcp.ProtocolError:      "protocol error",
	tcp.Aborted:            "aborted",
}

func (o *ours) openUDP(at netip.AddrPort) datagrams {
	s, err := o.host.OpenUDP(wire.AddrFrom(at.Addr()), at.Port(), wire.Addr{}, 0, "udp")
	if err != nil {
		panic(err)
	}
	return ourDatagrams{s}
}

type ourDatagrams struct{ socket *host.UDPSocket }

func (d ourDatagrams) received() (all []datagramFrom) {
	for {
		g, ok := d.socket.Receive()
		if !ok {
			return all
		}
		all = append(all, datagramFrom{netip.AddrPortFrom(g.Src.Netip(), g.SrcPort), slices.Clone(g.Payload.Bytes())})
		g.Payload.Release()
	}
}
