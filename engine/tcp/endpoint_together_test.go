package tcp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Segments that come in one batch are all taken before anything leaves. What becomes of
// the connection must be what becomes of it when they come one by one.
func TestSegmentsThatComeTogether(t *testing.T) {
	for _, s := range []State{SynSent, SynReceived, Established, FinWait1, FinWait2, Closing, TimeWait, CloseWait, LastAck} {
		for _, held := range []bool{true, false} {
			if !held && (s == SynSent || s == SynReceived || s == Established || s == CloseWait) {
				continue // a program that lets go has left the state
			}
			for _, first := range togetherKinds(s) {
				for _, second := range togetherKinds(s) {
					t.Run(fmt.Sprintf("%v/held=%v/%s/%s", s, held, first, second), func(t *testing.T) {
						apart := comeTogether(t, s, held, false, first, second)
						together := comeTogether(t, s, held, true, first, second)
						// A RST that has not left when the SYN comes is for nobody any more.
						if s != SynReceived && apart.compact == "SYN-RECEIVED " {
							apart.rst = false
						}
						if apart != together {
							t.Errorf("one by one: %v, together: %v", apart, together)
						}
					})
				}
			}
		}
	}
}

// A half-open connection was forgotten, and the ACK of its SYN-ACK comes together with a SYN
// that the network has delayed. The cookie is the same again, so the ACK completes the
// handshake, though the SYN-ACK of this SYN has not left. Any other number is refused.
func TestAckBehindItsSyn(t *testing.T) {
	for _, mode := range []CookieMode{CookiesOff, CookiesAuto, CookiesAlways} {
		for _, last := range []string{". 1:1(0) ack 1", "P. 1:11(10) ack 1", "F. 1:1(0) ack 1", ". 1:1(0) ack 2", ". 1:1(0) ack 0"} {
			p := serving(t, Config{Cookies: mode}, 5).from(1000, 0)
			p.receive("S 0:0(0)")
			p.want("SYN-ACK", "S. 0:0(0) ack 1")
			p.receive("R 1:1(0)")
			p.arrive("S 0:0(0)")
			p.arrive(last)
			completes := strings.HasSuffix(last, "ack 1")
			for out, ok := p.pull(); ok; out, ok = p.pull() {
				if out.Flags.Has(wire.RST) == completes && out.Flags&wire.SYN == 0 {
					t.Errorf("cookies %v, %s: it is answered by %v", mode, last, out.Flags)
				}
			}
			if en := p.e.Accept(p.listener); (en != nil) != completes {
				t.Errorf("cookies %v, %s: accepted %v, want %v", mode, last, en != nil, completes)
			}
		}
	}
}

// togetherKinds are segments that may come in a state, and the SYNs of a peer that opens
// another connection from the same port.
func togetherKinds(s State) (all []string) {
	for _, c := range arrivals[s] {
		if !slices.Contains(all, c.segment) {
			all = append(all, c.segment)
		}
	}
	return append(all, "S 100000:100000(0)")
}

// togetherEnd is what there is of a connection at the end, and which kinds of segment have left.
type togetherEnd struct {
	whole, compact string
	syn, rst       bool
}

func comeTogether(t *testing.T, s State, held, together bool, segments ...string) (end togetherEnd) {
	p := serving(t, Config{}, 5).from(1000, 0)
	if s == SynSent {
		if _, err := p.e.Connect(p.now, p.path, p.tuple, p); err != nil {
			t.Fatal(err)
		}
		p.wantAny("SYN", wire.SYN)
	} else {
		p.reaches(s, held)
	}
	leaves := func() {
		for {
			out, ok := p.pull()
			if !ok {
				return
			}
			end.syn = end.syn || out.Flags.Has(wire.SYN)
			end.rst = end.rst || out.Flags.Has(wire.RST)
		}
	}
	for _, text := range segments {
		p.arrive(text)
		if !together {
			leaves()
		}
	}
	leaves()
	for en := range p.e.All {
		i := p.e.Look(p.tuple)
		end.whole += fmt.Sprint(en.State(), " una ", i.SndUna-uint32(p.own), " next ", i.SndNxt-uint32(p.own), " rcv ", i.RcvNxt, "+", i.RcvWnd, " in ", en.Buffered(), " ")
	}
	for _, i := range p.e.Compact(p.now) {
		end.compact += i.State.String() + " "
	}
	// A SYN-ACK is not repeated when the ACK of the first one has come in the meantime.
	end.syn = end.syn && end.compact != ""
	// What it holds unread may lie in a block that the other host has had: it goes, before that
	// looks whether its blocks are free.
	for _, en := range slices.Collect(p.e.All) {
		p.e.Abort(p.now, en)
	}
	p.drain()
	return end
}

// reaches brings a connection into a state, which its program holds, or has let go of.
func (p *testPeer) reaches(s State, held bool) {
	if s == SynReceived {
		p.receive("S 0:0(0)")
		p.want("SYN-ACK", "S. 0:0(0) ack 1")
		return
	}
	en := p.handshake("S 0:0(0)", ". 1:1(0) ack 1")
	if s == CloseWait || s == LastAck {
		p.receive("F. 1:1(0) ack 1")
		p.want("ACK", ". 1:1(0) ack 2")
	}
	if s == Established || s == CloseWait {
		return
	}
	if held {
		p.e.CloseWrite(p.now, en)
	} else {
		p.e.Close(p.now, en)
	}
	p.wantAny("FIN", wire.FIN|wire.ACK)
	switch s {
	case FinWait2:
		p.receive(". 1:1(0) ack 2")
	case Closing:
		p.receive("F. 1:1(0) ack 1")
		p.wantAny("ACK", wire.ACK)
	case TimeWait:
		p.receive("F. 1:1(0) ack 2")
		p.wantAny("ACK", wire.ACK)
	}
	p.wantNothing(s.String())
}

// A four-tuple is free when its connection has ended, also before the RST has left that says so. The
// RST then leaves before the SYN, or it would end the new connection.
func TestConnectBehindAbort(t *testing.T) {
	p := newTestHost(t, Config{}).from(1000, 0)
	for range 3 {
		en, err := p.e.Connect(p.now, p.path, p.tuple, p)
		if err != nil {
			t.Fatal(err)
		}
		p.wantAny("SYN", wire.SYN)
		p.arrive("S. 0:0(0) ack 1")
		p.wantAny("ACK", wire.ACK)
		p.e.Abort(p.now, en)
		next, err := p.e.Connect(p.now, p.path, p.tuple, p)
		if err != nil {
			t.Fatal(err)
		}
		p.wantAny("RST first", wire.RST|wire.ACK)
		p.wantAny("then the SYN", wire.SYN)
		p.e.Abort(p.now, next)
		p.wantLen("none", 0)
	}
}
