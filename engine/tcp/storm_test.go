package tcp

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

var (
	stormRuns = flag.Int("storms", 150, "how many random storms")
	stormSeed = flag.Uint64("storm", 1, "the seed of the first storm")
)

// A storm is one endpoint, and peers that know all its numbers and mean it no
// good: their segments lie at the edges of everything, with any flags, while the
// programs call whatever they like in every state.
//
// After every step each connection is as Audit wants it, what leaves is what was
// written, and what is read is what was sent. When the peers fall silent and the
// programs have left, everything comes to an end by itself.
//
//	go test ./engine/tcp -run TestStorm -storms 100000
//	go test ./engine/tcp -run TestStorm -storms 1 -storm 4711
type storm struct {
	testing.TB
	seed     uint64
	r        *rand.Rand
	fast     *rand.Rand // nil: no Fast Open
	now      clock.Time
	path     Path
	e        *Endpoint
	listener *Listener
	audit    audit
	relation oracle.Relation
	asked    wire.Tuple       // of the last segment that came
	heard    []oracle.Segment // what answers it
	clean    bool             // nothing waits to be sent
	trace    Trace
	progs    []*stormProgram
	known    map[wire.Tuple]isns // the numbers that our side showed last
	blocks   map[*buf.Block]bool
	log      []string
}

// stormProgram is a program and its connection.
type stormProgram struct {
	*Entry
	written, read int
	left          bool
}

func TestStorm(t *testing.T) {
	var rows oracle.Coverage
	for i := range *stormRuns {
		s := newStorm(t, *stormSeed+uint64(i))
		s.play()
		s.finish()
		if t.Failed() {
			return
		}
		seen := s.relation.Coverage()
		rows.Add(&seen)
	}
	t.Logf("%v of the relation; not %q", &rows, rows.Missing())
}

func newStorm(tb testing.TB, seed uint64) *storm {
	r := rand.New(rand.NewPCG(seed, 9))
	cfg := Config{ReceiveBuffer: 1 + r.IntN(1<<(10+r.IntN(9))), SendBuffer: 1 << 16, UserTimeout: time.Minute, MSL: msl, MaxHalfOpen: 8, MaxTimeWait: 4,
		NoSACK: r.IntN(4) == 0, NoTimestamps: r.IntN(2) == 0, NoWindowScale: r.IntN(3) == 0, Cookies: CookieMode(r.IntN(3)), CongestionControl: cc.Names()[seed%uint64(len(cc.Names()))]}
	fast := rand.New(rand.NewPCG(seed, 10))
	if cfg.FastOpen = []fastopen.Mode{0, 0, fastopen.Client | fastopen.Server, fastopen.Client | fastopen.Server, fastopen.All}[fast.IntN(5)]; cfg.FastOpen == 0 {
		fast = nil
	}
	s := &storm{fast: fast, TB: tb, seed: seed, r: r, now: clock.Time(time.Hour), path: Path{MTU: 1500, MaxGSO: 65535 * r.IntN(2)}, e: NewEndpoint(&cfg),
		known: map[wire.Tuple]isns{}, blocks: map[*buf.Block]bool{}}
	s.e.SetTrace(&s.trace)
	s.listener, _ = s.e.Listen(wire.Addr{}, 80, 4, "listener")
	if fast != nil {
		s.listener.FastOpen = 1 + fast.IntN(3)
	}
	return s
}

// fail ends the test, with what came before.
func (s *storm) fail(format string, args ...any) {
	s.Helper()
	text := fmt.Sprintf("-storm %d: ", s.seed) + fmt.Sprintf(format, args...)
	for _, l := range s.log[max(0, len(s.log)-40):] {
		text += "\n\t" + l
	}
	s.Fatal(text)
}

func (s *storm) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%v ", s.now.Sub(clock.Time(time.Hour)))+fmt.Sprintf(format, args...))
}

func (s *storm) play() {
	for range 50 + s.r.IntN(300) {
		s.clean = s.clean && s.r.IntN(2) == 0
		quiet := s.r.IntN(4) > 0
		switch s.r.IntN(10) {
		case 0:
			s.pass(s.r.IntN(3))
		case 1, 2:
			s.call()
		case 3:
			s.connect()
		default:
			s.segment()
		}
		s.watch(false)
		if quiet {
			s.pull()
		}
	}
	s.pull()
}

// watch audits all connections.
func (s *storm) watch(quiet bool) {
	s.Helper()
	if err := s.audit.check(s.e, quiet); err != nil {
		s.fail("%v", err)
	}
	for en := range s.e.All {
		en.eachBlock(func(b *buf.Block) { s.blocks[b] = true })
	}
	sawMoves(s.trace.Take())
}

// pull takes all that the endpoint sends, and accepts who has come.
func (s *storm) pull() {
	s.output()
	for en := s.e.Accept(s.listener); en != nil; en = s.e.Accept(s.listener) {
		s.adopt(en)
		s.output()
	}
	for _, _, ok := s.e.NextReady(); ok; _, _, ok = s.e.NextReady() {
	}
	s.watch(true)
	s.clean = true
}

func (s *storm) output() {
	var out Output
	for n := 0; s.e.Output(s.now, &out); n++ {
		if n > 5000 {
			s.fail("it does not stop sending")
		}
		s.note("> %d %s +%d", out.Tuple.RemotePort, out.TCP.String(), out.Len)
		if out.Tuple == s.asked {
			s.heard = append(s.heard, judged(&out.Segment))
		}
		s.known[out.Tuple] = isns{own: out.Seq.Add(out.SeqLen()), peer: out.Ack}
		if en := s.e.conns.find(&out.Tuple); en != nil && (en.state >= Established || en.early()) && !out.Flags.Has(wire.SYN) && !out.Flags.Has(wire.RST) {
			if err := checkReport(&en.Conn, &out); err != nil {
				s.fail("%v", err)
			}
			s.checkText(en, &out)
		}
		for _, v := range out.Views {
			v.Release()
		}
	}
}

// checkText: what leaves is what the program has written there.
func (s *storm) checkText(en *Entry, out *Output) {
	at := out.Seq - en.snd.iss
	for _, v := range out.Views {
		if !bytes.Equal(v.Bytes(), patternBytes(int64(at), v.Len())) {
			s.fail("what leaves at %d is not what was written", at)
		}
		at += seq.Num(v.Len())
	}
}

func (s *storm) adopt(en *Entry) {
	p := &stormProgram{Entry: en}
	en.Owner = p
	s.progs = append(s.progs, p)
	if s.r.IntN(3) == 0 {
		s.e.SetKeepAlive(s.now, en, KeepAlive{Idle: 10 * time.Second, Interval: time.Second, Count: 3})
	}
}

func (s *storm) tuple() wire.Tuple {
	return wire.Tuple{Local: addrA, Remote: addrB, LocalPort: []uint16{80, 80, 5000}[s.r.IntN(3)], RemotePort: 1000 + uint16(s.r.IntN(3))}
}

func (s *storm) connect() {
	s.clean = false
	t := s.tuple()
	if en, err := s.e.Connect(s.now, s.path, t, "active"); err == nil {
		s.note("connect to %d", t.RemotePort)
		if s.fast != nil && s.fast.IntN(4) > 0 {
			k := fastopen.Hint{MSS: uint16(s.fast.IntN(2000))}
			if s.fast.IntN(3) > 0 {
				k.Cookie = wire.FastOpenCookieOf(1)
			}
			s.e.FastOpen(s.now, en, k)
		}
		s.adopt(en)
	}
}

// pass lets time pass: to the next deadline, a little, or much.
func (s *storm) pass(how int) {
	d := time.Duration(s.r.IntN(100)) * time.Millisecond
	switch {
	case how == 1 && s.e.Deadline() != clock.Never:
		d = max(s.e.Deadline().Sub(s.now), 0)
	case how == 2:
		d = time.Duration(s.r.IntN(100)) * time.Second
	}
	s.note("+%v", d)
	for limit := s.now.Add(d); ; {
		due := s.e.Deadline()
		if due > limit {
			s.now = limit
			return
		}
		s.now = max(s.now, due)
		s.e.Advance(s.now)
		s.pull()
		if s.e.Deadline() <= due && due < s.now {
			s.fail("firing its timers does not move its deadline")
		}
	}
}
