package gateway_test

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// mirror is a far side that answers each request as its first byte says.
type mirror struct {
	mu       sync.Mutex
	came     chan struct{}
	pongs    []gateway.Pong
	payloads [][]byte
	deadline time.Time
	closed   bool
}

func (m *mirror) Send(seq uint16, ttl uint8, payload []byte) error {
	p := gateway.Pong{Seq: seq, Bytes: len(payload)}
	switch payload[0] {
	case 'n':
		return syscall.ENETUNREACH
	case 't':
		p.Failed, p.Why, p.By = true, host.TimeExceeded, netip.AddrFrom4([4]byte{192, 0, 2, ttl})
	case 's':
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return os.ErrClosed
	}
	m.pongs, m.payloads = append(m.pongs, p), append(m.payloads, append([]byte(nil), payload...))
	select {
	case m.came <- struct{}{}:
	default:
	}
	return nil
}

func (m *mirror) Receive(p []byte) (gateway.Pong, error) {
	for {
		m.mu.Lock()
		if m.closed {
			m.mu.Unlock()
			return gateway.Pong{}, os.ErrClosed
		}
		if len(m.pongs) > 0 {
			pong := m.pongs[0]
			copy(p, m.payloads[0])
			m.pongs, m.payloads = m.pongs[1:], m.payloads[1:]
			m.mu.Unlock()
			return pong, nil
		}
		wait := time.Until(m.deadline)
		m.mu.Unlock()
		select {
		case <-m.came:
		case <-time.After(wait):
			return gateway.Pong{}, os.ErrDeadlineExceeded
		}
	}
}

func (m *mirror) SetReadDeadline(t time.Time) error { m.deadline = t; return nil }

func (m *mirror) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.came)
	}
	return nil
}

// pinger is a client that sends raw echo requests to the gateway.
type pinger struct {
	*testing.T
	end *pipe.End
}

// ask sends a request of 10.0.0.9's and returns the kind of the answer, who it comes
// from, and its payload; kind 255: none came.
func (p *pinger) ask(to string, id, seq uint16, ttl uint8, payload string) (kind uint8, from netip.Addr, body []byte) {
	p.Helper()
	ip := wire.IP{Version: 4, TTL: ttl, Proto: wire.ProtoICMP, Src: wire.AddrFrom(netip.MustParseAddr("10.0.0.9")), Dst: wire.AddrFrom(netip.MustParseAddr(to))}
	c := wire.ICMP{Type: wire.ICMPv4EchoRequest}
	binary.BigEndian.PutUint16(c.Rest[:], id)
	binary.BigEndian.PutUint16(c.Rest[2:], seq)
	c.Checksum = wire.Checksum(wire.Sum(append(c.Append(nil), payload...), 0))
	q := buf.NewPacket()
	q.Data = append(c.Append(ip.Append(q.Data, wire.ICMPSize+len(payload))), payload...)
	if err := p.end.Write(0, []*buf.Packet{q}); err != nil {
		p.Fatal(err)
	}
	synctest.Wait()
	answers := make(chan *buf.Packet, 1)
	go func() {
		batch := make([]*buf.Packet, 1)
		if n, _ := p.end.Read(0, batch); n == 1 {
			answers <- batch[0]
		}
	}()
	synctest.Wait()
	select {
	case q = <-answers:
	default:
		return 255, from, nil
	}
	defer q.Release()
	q.Flatten()
	if d := wire.ParseIP(q.Data, &ip); d != wire.None {
		p.Fatal(d)
	}
	b := q.Data[ip.HeaderLen:]
	wire.ParseICMP(b, &c)
	if c.Type == wire.ICMPv4EchoReply && (binary.BigEndian.Uint16(c.Rest[:]) != id || binary.BigEndian.Uint16(c.Rest[2:]) != seq) {
		p.Errorf("a reply to %v, asked %d %d", c.Rest, id, seq)
	}
	return c.Type, ip.Src.Netip(), append([]byte(nil), b[wire.ICMPSize:]...)
}

// inPingWorld has a gateway of pings with a raw client.
func inPingWorld(t *testing.T, cfg gateway.Config, f func(w *world, p *pinger)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t}
		a, b := pipe.New(pipe.Options{})
		w.gate = w.host(b, "10.0.2.2/32")
		cfg.Host = w.gate
		if cfg.Ping == nil {
			cfg.Ping = func(netip.Addr) (gateway.Pinger, error) { return &mirror{came: make(chan struct{}, 1)}, nil }
		}
		var err error
		if w.gateway, err = gateway.New(cfg); err != nil {
			t.Fatal(err)
		}
		f(w, &pinger{t, a})
		w.gateway.Close()
		w.wantStats("closed", gateway.Stats{})
		w.gate.Close()
		a.Close()
	})
}

// Pings go by sessions: one for each client's identifier and destination. What comes
// back is a reply from there, or an error from the router that has it.
func TestPings(t *testing.T) {
	var ends []gateway.End
	cfg := gateway.Config{Ended: func(e gateway.End) { ends = append(ends, e) }}
	inPingWorld(t, cfg, func(w *world, p *pinger) {
		for seq := range uint16(3) {
			if kind, from, body := p.ask("1.2.3.4", 7, seq, 64, "hello"); kind != wire.ICMPv4EchoReply || from.String() != "1.2.3.4" || string(body) != "hello" {
				t.Errorf("type %d from %v: %q", kind, from, body)
			}
		}
		w.wantStats("one client", gateway.Stats{Pings: 1})
		for _, c := range []struct {
			payload string
			ttl     uint8
			kind    uint8
			from    string
		}{
			{"a reply", 2, wire.ICMPv4EchoReply, "1.2.3.4"},
			{"t: a router", 6, wire.ICMPv4TimeExceeded, "192.0.2.5"},
			{"we are the router", 1, wire.ICMPv4TimeExceeded, "10.0.2.2"},
			{"n: no network", 64, wire.ICMPv4Unreachable, "1.2.3.4"},
		} {
			if kind, from, _ := p.ask("1.2.3.4", 7, 9, c.ttl, c.payload); kind != c.kind || from.String() != c.from {
				t.Errorf("%s: type %d from %v", c.payload, kind, from)
			}
		}
		time.Sleep(30*time.Second + time.Millisecond)
		w.wantStats("idle", gateway.Stats{})
		if len(ends) != 1 || ends[0].Flow.Network != "icmp" || ends[0].Flow.Source.Port() != 7 || ends[0].Received != 15+7 || ends[0].Err != nil {
			t.Errorf("%+v", ends)
		}
	})
}

// The policy says what becomes of pings, and a system without ping sockets is told as
// prohibited.
func TestPingPolicy(t *testing.T) {
	policy := func(f gateway.Flow) gateway.Route {
		return map[string]gateway.Route{
			"9.9.9.1": {Verdict: gateway.Refuse}, "9.9.9.2": {Verdict: gateway.Prohibit}, "9.9.9.3": {Verdict: gateway.Drop},
			"9.9.9.4": {Address: "1.1.1.1:0"}, "9.9.9.5": {}, "9.9.9.6": {Address: "a name:0"},
		}[f.Destination.Addr().String()]
	}
	var ends []gateway.End
	cfg := gateway.Config{Policy: policy, Ended: func(e gateway.End) { ends = append(ends, e) }}
	cfg.Ping = func(to netip.Addr) (gateway.Pinger, error) {
		if to.String() == "9.9.9.5" {
			return nil, syscall.EPROTONOSUPPORT
		}
		return &mirror{came: make(chan struct{}, 1)}, nil
	}
	inPingWorld(t, cfg, func(w *world, p *pinger) {
		for to, want := range map[string]uint8{
			"9.9.9.1": wire.ICMPv4Unreachable, "9.9.9.2": wire.ICMPv4Unreachable, "9.9.9.3": 255,
			"9.9.9.5": wire.ICMPv4Unreachable, "9.9.9.6": wire.ICMPv4Unreachable,
		} {
			if to == "9.9.9.3" {
				continue // below, since who waits for an answer takes the next one's
			}
			if kind, from, _ := p.ask(to, 1, 1, 64, "hello"); kind != want || from.String() != to {
				t.Errorf("%s: type %d from %v, want %d", to, kind, from, want)
			}
		}
		if kind, from, _ := p.ask("9.9.9.4", 1, 1, 64, "hello"); kind != wire.ICMPv4EchoReply || from.String() != "9.9.9.4" {
			t.Errorf("led elsewhere: type %d from %v", kind, from)
		}
		if kind, _, _ := p.ask("9.9.9.3", 1, 1, 64, "hello"); kind != 255 {
			t.Errorf("dropped: type %d", kind)
		}
		if len(ends) != 5 {
			t.Errorf("%+v", ends)
		}
	})
}

// The table is bounded, and the oldest session makes room.
func TestPingsAreBounded(t *testing.T) {
	inPingWorld(t, gateway.Config{MaxSessions: 10}, func(w *world, p *pinger) {
		for id := range uint16(1000) {
			if kind, _, _ := p.ask("1.2.3.4", id, 1, 64, "hello"); kind != wire.ICMPv4EchoReply {
				t.Fatalf("%d: type %d", id, kind)
			}
		}
		w.wantStats("a thousand clients", gateway.Stats{Pings: 10})
	})
}
