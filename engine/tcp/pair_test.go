package tcp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

var (
	addrA = wire.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 1})
	addrB = wire.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 10, 15: 2})
)

// pair is two endpoints and the wire between them, in virtual time.
type pair struct {
	t     *testing.T
	now   clock.Time
	path  Path
	ends  [2]*Endpoint
	wire  []flying
	delay time.Duration
	// fate decides about a segment: lost, or delivered after the extra delay.
	fate    func(from int, o *Output) (lost bool, extra time.Duration)
	arrives func(to int, s *Segment) // set by the test: sees what arrives, before it does
	events  [2]*Trace
	steps   int
	listen  func(*Listener) // set by the test: what its listener is like
}

type flying struct {
	at   clock.Time
	to   int
	t    wire.Tuple
	s    Segment
	data []byte
}

// few returns most, or with -short, which the emulators run with, a quarter of it.
func few(most uint64) uint64 {
	if testing.Short() {
		return (most + 3) / 4
	}
	return most
}

func newPair(t *testing.T, cfg Config) *pair {
	p := &pair{t: t, now: clock.Time(time.Hour), path: Path{MTU: 1500}, delay: 5 * time.Millisecond,
		fate: func(int, *Output) (bool, time.Duration) { return false, 0 }}
	for i := range p.ends {
		c := cfg
		c.Secret[0] ^= byte(i + 1)
		p.ends[i] = NewEndpoint(&c)
		p.events[i] = &Trace{}
		p.ends[i].SetTrace(p.events[i])
	}
	return p
}

// pump moves all segments that the endpoints want to send onto the wire.
func (p *pair) pump() {
	for i, e := range p.ends {
		for {
			var out Output
			if !e.Output(p.now, &out) {
				break
			}
			var data []byte
			for _, v := range out.Views {
				data = append(data, v.Bytes()...)
				v.Release()
			}
			if len(data) != out.Len {
				p.t.Fatalf("segment says %d bytes and has %d", out.Len, len(data))
			}
			lost, extra := p.fate(i, &out)
			if lost {
				continue
			}
			f := flying{at: p.now.Add(p.delay + extra), to: 1 - i, t: out.Tuple.Reverse(), s: out.Segment, data: data}
			p.wire = append(p.wire, f)
		}
	}
}

// step goes to the next thing that happens, up to limit.
func (p *pair) step(limit clock.Time) bool {
	p.pump()
	next := min(p.ends[0].Deadline(), p.ends[1].Deadline())
	first := -1
	for i, f := range p.wire {
		if f.at < next {
			next, first = f.at, i
		}
	}
	if next > limit {
		p.now = limit
		return false
	}
	p.steps++
	p.now = max(p.now, next)
	if first < 0 {
		p.ends[0].Advance(p.now)
		p.ends[1].Advance(p.now)
		return true
	}
	f := p.wire[first]
	p.wire = append(p.wire[:first], p.wire[first+1:]...)
	p.deliver(f)
	return true
}

func (p *pair) deliver(f flying) {
	b := buf.Get(max(len(f.data), 1))
	copy(b.Bytes(), f.data)
	f.s.Views = nil
	if f.s.Len > 0 {
		f.s.Views = []buf.View{buf.MakeView(b, 0, f.s.Len)}
	}
	if p.arrives != nil {
		p.arrives(f.to, &f.s)
	}
	p.ends[f.to].Receive(p.now, p.path, &f.t, &f.s)
	b.Release()
}

// run lets d pass.
func (p *pair) run(d time.Duration) {
	limit := p.now.Add(d)
	for p.step(limit) {
	}
}

func (p *pair) until(what string, ok func() bool) {
	p.t.Helper()
	limit := p.now.Add(24 * time.Hour)
	for !ok() {
		if !p.step(limit) && !ok() { // what was sent at last may have been it
			p.t.Fatalf("never: %s", what)
		}
	}
}

// connect opens a connection from end 0 to a listener of end 1.
func (p *pair) connect() (client, server *Entry) {
	p.t.Helper()
	client, l := p.begin()
	p.until("accept", func() bool {
		server = p.ends[1].Accept(l)
		return server != nil
	})
	server.Owner = "server"
	p.until("connected", func() bool { return client.state == Established })
	return client, server
}

// begin is connect before anything is sent.
func (p *pair) begin() (client *Entry, l *Listener) {
	p.t.Helper()
	l, err := p.ends[1].Listen(wire.Addr{}, 80, 16, "listener")
	if err != nil {
		p.t.Fatal(err)
	}
	if p.listen != nil {
		p.listen(l)
	}
	t := wire.Tuple{Local: addrA, Remote: addrB, LocalPort: 40000, RemotePort: 80}
	client, err = p.ends[0].Connect(p.now, p.path, t, "client")
	if err != nil {
		p.t.Fatal(err)
	}
	return client, l
}

func (p *pair) write(end int, en *Entry, b []byte) {
	p.t.Helper()
	if !p.ends[end].SendCopy(p.now, en, b) {
		p.t.Fatal("the connection takes no data")
	}
}

func (p *pair) read(end int, en *Entry) []byte {
	var got []byte
	for _, v := range p.ends[end].Take(p.now, en, 1<<30, nil) {
		got = append(got, v.Bytes()...)
		v.Release()
	}
	return got
}

func TestTransferOverBadWire(t *testing.T) {
	seeds := uint64(60)
	if alike.Raced || testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { transferOverBadWire(t, seed) })
	}
}

func transferOverBadWire(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	p := newPair(t, Config{ReceiveBuffer: 3000 + r.IntN(1<<18), NoTimestamps: r.IntN(3) == 0, NoWindowScale: r.IntN(3) == 0,
		CongestionControl: cc.Names()[seed%uint64(len(cc.Names()))], UserTimeout: 12 * time.Hour, BufferMemory: []int64{0, 20_000, 200_000}[seed/2%3]}) // on the worst of these wires a quarter of an hour without an ACK is bad luck
	if r.IntN(2) == 0 {
		p.path.MaxGSO = 65535
	}
	loss, late := r.Float64()*0.3, r.Float64()*0.3
	p.fate = func(int, *Output) (bool, time.Duration) {
		if r.Float64() < late {
			return false, time.Duration(r.IntN(30)) * time.Millisecond
		}
		return r.Float64() < loss, 0
	}
	client, server := p.connect()
	ends := [2]*Entry{client, server}
	var sent, got [2][]byte
	want := 1 + r.IntN(400000)
	p.until("everything closed", func() bool {
		for i, en := range ends {
			for len(sent[i]) < want && en.SendSpace() > 0 && en.takesData() {
				b := make([]byte, 1+r.IntN(20000))
				for j := range b {
					b[j] = byte(r.Uint32())
				}
				sent[i] = append(sent[i], b...)
				p.write(i, en, b)
			}
			if len(sent[i]) >= want && !en.WriteClosed() {
				p.ends[i].CloseWrite(p.now, en)
			}
			got[i] = append(got[i], p.read(i, en)...)
			if en.EOF() && !en.is(orphan) {
				p.ends[i].Close(p.now, en)
			}
		}
		return p.ends[0].Len() == 0 && p.ends[1].Len() == 0
	})
	for i := range ends {
		// All came, but when the ACKs of the last text are lost for 2MSL nobody is
		// left to say so.
		lastAckLost := ends[i].Failure() == Reset && ends[1-i].Failure() == NoFailure && bytes.Equal(got[1-i], sent[i])
		if ends[i].Failure() != NoFailure && !lastAckLost {
			t.Errorf("end %d failed: %v", i, ends[i].Failure())
		}
		if !bytes.Equal(got[1-i], sent[i]) {
			t.Errorf("end %d sent %d bytes, %d came", i, len(sent[i]), len(got[1-i]))
		}
	}
}
