package explore

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// unit is how much a program writes at once: a full segment of a path with the
// smallest MTU that IPv4 hosts have to take.
const (
	mtu  = 576
	unit = mtu - 40
)

// start is when every world begins.
const start = clock.Time(time.Hour)

// world is one state: two endpoints with their programs, and what is under way between
// them. A step makes a new world from it; of the ends it copies only those which the
// step touches.
type world struct {
	now   clock.Time
	ends  []*end
	own   []bool   // ends that are this world's alone
	made  []copied // what they were made of: see recycle
	wire  []packet
	left  Budget
	batch batch

	sent  int  // packets so far: their names
	bent  bool // a packet was changed: what follows is an attacker's doing
	wrong error
}

// end is one endpoint, and the program that uses it.
type end struct {
	tcp      *tcp.Endpoint
	listener *tcp.Listener
	conn     *tcp.Entry // nil: none, or the program has closed it
	trace    *tcp.Trace // nil: nobody asks

	at      int        // the next line of its script
	until   clock.Time // it sleeps; 0: it does not
	life    int        // connections before this one
	iss     seq.Num    // of the last SYN that it sent
	written int
	read    int
	ended   bool // the end of the stream was read
	failure tcp.Failure

	printed print
}

// print is the fingerprint of an end. Most steps touch one end, and no time: then that of
// the other one is what it was.
type print struct {
	h    uint64
	at   clock.Time // 0: there is none
	peer seq.Num    // the peer's first number
}

// packet is a segment under way. Its payload is not kept: what an octet is follows from
// its number, and whether the sender sent that was looked at when it left.
type packet struct {
	id      int
	from    int
	to      int
	sent    clock.Time
	tuple   wire.Tuple // from the receiver's side
	segment tcp.Segment
	life    int // of the sender: whose stream its payload is
	offset  int // of the payload in the stream
}

// streams is what programs write, over and over: with the first connection of an end, and
// with the second. The segments of all worlds have their payload in them.
var streams = [2]*buf.Block{makeStream(0), makeStream(1)}

// period is after how many bytes a stream begins again: whole units of a small block, so
// that a unit is kept as it came (a quarter of its block), and no bytes move.
const period = buf.SmallSize / unit * unit

func makeStream(n int) *buf.Block {
	b := buf.Get(buf.SmallSize)
	for i := range b.Bytes() {
		b.Bytes()[i] = byte(i*7 + i>>8 + 101*n)
	}
	for range 1 << 20 { // so that no world gives it back to others, who would write to it
		b.Retain()
	}
	return b
}

// appendStream appends views of n bytes of a stream.
func appendStream(vs []buf.View, life, at, n int) []buf.View {
	for n > 0 {
		from := at % period
		part := min(n, period-from)
		vs = append(vs, buf.MakeView(streams[life], from, part))
		at, n = at+part, n-part
	}
	return vs
}

// isStream reports whether b is what a stream has at some place.
func isStream(life, at int, b []byte) bool {
	for len(b) > 0 {
		from := at % period
		part := min(len(b), period-from)
		if string(b[:part]) != string(streams[life].Bytes()[from:from+part]) {
			return false
		}
		at, b = at+part, b[part:]
	}
	return true
}

func newWorld(r *Rung, traced bool) *world {
	w := &world{now: start, left: r.Budget}
	for i := range r.Hosts {
		e := &end{}
		cfg := r.Config
		cfg.Secret = [16]byte{0: byte(i + 1), 5: 77}
		e.tcp = tcp.NewEndpoint(&cfg)
		if traced {
			e.trace = new(tcp.Trace)
			e.tcp.SetTrace(e.trace)
		}
		w.ends = append(w.ends, e)
		w.own = append(w.own, true)
	}
	for i, l := range r.Listens {
		if l > 0 {
			w.ends[i].listener, w.wrong = w.ends[i].tcp.Listen(wire.Addr{}, port, l, nil)
		}
	}
	return w
}

const (
	port  = 80    // that of listeners
	local = 40000 // that of who opens
)

func address(i int) wire.Addr {
	return wire.AddrFrom16([16]byte{10: 0xff, 0xff, 10, 0, 0, byte(i + 1)})
}

// next returns a world that will make one step more. Its ends are w's until touched.
func (w *world) next() *world {
	n := *w
	n.made = nil
	n.ends = append(make([]*end, 0, len(w.ends)), w.ends...)
	n.own = make([]bool, len(w.ends))
	n.wire = append(make([]packet, 0, len(w.wire)+4), w.wire...)
	return &n
}

// keep takes over from the world before what w's ends share with it, for recycle.
func (w *world) keep(before *world) { w.made = append(w.made, before.made...) }

// touch returns an end that may be changed.
func (w *world) touch(c *copier, i int) *end {
	if !w.own[i] {
		w.ends[i], w.made = copyOf(c, w.ends[i], w.made)
		w.own[i] = true
	}
	w.ends[i].printed = print{}
	return w.ends[i]
}

// peer is the other end; that of the only one is itself.
func (w *world) peer(i int) int { return (i + 1) % len(w.ends) }

// deadline is the earliest of all ends, or when a program wakes up.
func (w *world) deadline() clock.Time {
	at := clock.Never
	for _, e := range w.ends {
		at = min(at, e.tcp.Deadline())
		if e.until > w.now {
			at = min(at, e.until)
		}
	}
	return at
}

// print returns the fingerprint of the world.
func (w *world) print(p *printer) uint64 {
	if w.batch.open {
		return w.batch.print
	}
	h := [2]uint64{}
	for i, e := range w.ends {
		h[i] = e.print(p, w.now, w.ends[w.peer(i)].iss)
	}
	p.h, p.now = 0, w.now
	p.feed(h[0])
	p.feed(h[1])
	for i := range w.wire {
		w.wire[i].print(p, w)
	}
	b := w.left
	p.feed(uint64(b.Drop) | uint64(b.Duplicate)<<8 | uint64(b.Early)<<16 | uint64(b.Mutate)<<24 | uint64(b.Together)<<32)
	return p.h
}

func (e *end) print(p *printer, now clock.Time, peer seq.Num) uint64 {
	if e.printed.at == now && e.printed.peer == peer {
		return e.printed.h
	}
	p.h, p.now, p.iss, p.irs = 0, now, e.iss, peer
	for part := range e.tcp.Parts {
		p.part(part)
	}
	if e.until > now {
		p.time(e.until)
	}
	if e.listener != nil { // one that was reset meanwhile waits still, and is no part any more
		p.feed(uint64(e.listener.Waiting()))
	}
	p.feed(uint64(e.at)<<32 | uint64(e.written)<<16 | uint64(e.read))
	p.feed(uint64(e.failure)<<8 | uint64(e.life)<<4 | bit(e.conn != nil)<<1 | bit(e.ended))
	e.printed = print{p.h, now, peer}
	return p.h
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (k *packet) print(p *printer, w *world) {
	s := &k.segment
	p.feed(uint64(k.to)<<32 | uint64(s.Flags)<<16 | uint64(s.Window))
	p.number(s.Seq, w.ends[k.from].iss)
	if s.Flags.Has(wire.ACK) {
		p.number(s.Ack, w.ends[k.to].iss)
	}
	p.feed(uint64(s.Len) | uint64(k.life)<<24 | uint64(k.offset)<<32)
	for _, b := range s.Options.SACK[:s.Options.SACKBlocks] {
		p.number(b.Left, w.ends[k.to].iss)
		p.number(b.Right, w.ends[k.to].iss)
	}
	p.feed(uint64(k.tuple.LocalPort)<<48 | uint64(k.tuple.RemotePort)<<32 | uint64(s.Options.Set))
	if s.Options.Has(wire.OptTimestamps) {
		p.millis(s.Options.TSVal)
		p.millis(s.Options.TSEcr)
	}
	p.time(k.sent)
}
