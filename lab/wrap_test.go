package lab

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// firstSyn is the first SYN that a host of a run has sent itself.
func firstSyn(r *Result) (p *trace.Packet, ports [2]uint16) {
	for i := range r.Packets {
		var ip wire.IP
		var h wire.TCP
		p := &r.Packets[i]
		if p.Forged || wire.ParseIP(p.Data, &ip) != wire.None || ip.Proto != wire.ProtoTCP {
			continue
		}
		if _, d := wire.ParseTCP(p.Data[ip.HeaderLen:], &h); d == wire.None && h.Flags&(wire.SYN|wire.ACK) == wire.SYN {
			return p, [2]uint16{h.SrcPort, h.DstPort}
		}
	}
	return nil, ports
}

// aimedRun is Run where the connection of the first SYN begins by a number from want on, from both sides.
func (s *Scenario) aimedRun(t *testing.T, base *Result, client, server seq.Num) *Result {
	t.Helper()
	p, ports := firstSyn(base)
	r := &Result{Scenario: s}
	w, err := s.world(Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.AimISN(p.From, p.To, ports, p.Time.Sub(start), client)
	w.AimCookies(p.To, server, 1<<25, 2000)
	if err := s.cast(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Run(start.Add(s.lifetime(Options{}))); err != nil {
		t.Fatal(err)
	}
	s.finish(w, r)
	return r
}

// Every scenario comes out the same where the numbers of its first connection come to a
// wrap, of 2^31 or 2^32, in its SYN, right behind it, or in the middle of its text.
func TestScenariosAtTheWrap(t *testing.T) {
	aimed := 0
	for _, info := range Scenarios() {
		s, err := Find(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		base, err := s.Run(Options{})
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := firstSyn(base); p == nil || p.To == "" {
			continue // a script plays it
		}
		for _, numbers := range [][2]seq.Num{{0xffffffff, 0x7ffffff0}, {0x7fffffff, 0xfffffff0}, {0xfffff800, 0}, {0x7ffff800, 0xff000000}} {
			r := s.aimedRun(t, base, numbers[0], numbers[1])
			if r.Text() != base.Text() || len(r.Failed) > 0 {
				t.Errorf("%s, from %#x and %#x: %v\n%s\nwant\n%s", info.Name, numbers[0], numbers[1], r.Failed, r.Text(), base.Text())
			}
			p, _ := firstSyn(r)
			var h wire.TCP
			wire.ParseTCP(p.Data[20:], &h)
			if h.Seq.In(numbers[0]-15, 16) {
				aimed++
			}
		}
	}
	if aimed < 100 {
		t.Errorf("only %d runs begin where they are aimed at", aimed)
	}
}
