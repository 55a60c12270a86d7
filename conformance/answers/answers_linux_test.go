package answers

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/internal/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// Both stacks give the same answers, or those that the tables of differences have.
//
//	go test ./answers -all -probes 100000 -seed 4711 -v
func TestAnswers(t *testing.T) {
	b := &bench{kernel: newKernel(t)}
	t.Run("segments", func(t *testing.T) { b.check(t, segmentGrid()) })
	t.Run("packets", func(t *testing.T) { b.check(t, packetGrid()) })
	t.Run("random", b.checkRandom)
}

// asked counts conversations, of all tests.
var asked int

// bench asks both stacks.
type bench struct {
	kernel      *kernel
	here, there netip.AddrPort // of the last conversation
}

// ports returns the ends of a conversation that there was never before.
func (b *bench) ports(v6 bool) (here, there netip.AddrPort) {
	asked++
	const perPeer = 40000
	port := uint16(2000 + asked%perPeer)
	return netip.AddrPortFrom(peerAddr(v6, asked/perPeer%250), port), netip.AddrPortFrom(stackAddr(v6), port)
}

// compare asks both. A difference that nothing explains has to show six times:
// the kernel lives in a busy machine's time.
func (b *bench) compare(q probe) (c comparison, why string) {
	c.probe = q
	for range 6 {
		c.kernels = b.askKernel(q)
		p := newPeer(newOurs(), b.here, b.there, q.irs, q.offer)
		c.ours = q.ask(p)
		c.was, c.orphan = p.was, p.orphan
		if c.same() {
			return c, ""
		}
		if why = c.explain(); why != "" {
			return c, why
		}
	}
	return c, ""
}

// askKernel asks the kernel until it could not be late.
func (b *bench) askKernel(q probe) (o outcome) {
	for {
		b.here, b.there = b.ports(q.v6)
		b.kernel.begin()
		o = q.ask(newPeer(b.kernel, b.here, b.there, q.irs, q.offer))
		late := b.kernel.late()
		b.kernel.end()
		if !late {
			return o
		}
	}
}

// mostReports is how many differences are worth printing.
const mostReports = 20

// check asks many questions.
func (b *bench) check(t *testing.T, all []probe) {
	var sum tally
	for _, q := range all {
		c, why := b.compare(q)
		sum.note(t, &c, why)
	}
	sum.log(t)
}

// tally counts what comparisons show.
type tally struct {
	asked, unexplained int
	explained          map[string]int
}

func (s *tally) note(t *testing.T, c *comparison, why string) {
	t.Helper()
	s.asked++
	switch {
	case c.same():
	case why == "":
		if s.unexplained++; s.unexplained <= mostReports {
			t.Error(c)
		}
	default:
		if s.explained == nil {
			s.explained = map[string]int{}
		}
		s.explained[why]++
	}
}

func (s *tally) log(t *testing.T) {
	t.Helper()
	t.Logf("%d questions, %d answers that differ and nothing says why", s.asked, s.unexplained)
	for _, d := range slices.Concat(segmentDifferences, packetDifferences) {
		if n := s.explained[d.why]; n > 0 {
			t.Logf("%6d: %s", n, d.why)
		}
	}
}
