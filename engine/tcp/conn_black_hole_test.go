package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// swallow drops what is larger than *most bytes of text, and says nothing.
func swallow(p *pair, most *int) {
	p.fate = func(_ int, o *Output) (bool, time.Duration) { return o.Len > *most, 0 }
}

// carry has end 0 write n bytes and waits until end 1 has read them. It returns how long
// that took.
func (p *pair) carry(client, server *Entry, n int) time.Duration {
	begun, got, left := p.now, 0, n
	p.until("all has come", func() bool {
		for left > 0 && client.SendSpace() > 0 {
			p.write(0, client, make([]byte, min(left, 10_000)))
			left -= min(left, 10_000)
		}
		got += len(p.read(1, server))
		return got == n
	})
	return p.now.Sub(begun)
}

// A path that swallows full segments without a word carries data all the same, from the
// beginning and when it becomes one later, with and without timestamps; the host does
// not hear that it is narrower, since the peer may only have been away.
func TestBlackHole(t *testing.T) {
	for _, cfg := range []Config{{}, {NoTimestamps: true}, {NoSACK: true}, {CongestionControl: "bbr"}} {
		for _, hole := range []int{1400, 1100, 540} {
			p := newPair(t, cfg)
			client, server := p.connect()
			most := 1 << 16
			swallow(p, &most)
			p.carry(client, server, 50_000)
			most = hole
			if took := p.carry(client, server, 50_000); took > 20*time.Second {
				t.Errorf("%+v, %d: it took %v", cfg, hole, took)
			}
			if mss := int(client.path.mss); mss > hole {
				t.Errorf("%+v, %d: segments have %d bytes", cfg, hole, mss)
			}
			if remote, mtu, ok := p.ends[0].NextNarrowed(); ok {
				t.Errorf("the path to %v is told to take %d", remote, mtu)
			}
			if took := p.carry(client, server, 200_000); took > 10*time.Second {
				t.Errorf("%+v, %d: afterwards it took %v", cfg, hole, took)
			}
		}
	}
}

// After ten minutes the path's size is tried again where the peer has no SACK: it stays when it
// comes through, and when it does not, one timeout is enough to know.
func TestBlackHoleIsTriedAgain(t *testing.T) {
	for _, mended := range []bool{true, false} {
		p := newPair(t, Config{NoSACK: true})
		client, server := p.connect()
		most := 1200
		swallow(p, &most)
		p.carry(client, server, 50_000)
		if mended {
			most = 1 << 16
		}
		p.run(mtuAge + time.Second)
		took := p.carry(client, server, 50_000)
		n := p.ends[0].Counters()
		switch {
		case mended && (client.path.mtu != 1500 || n.TCPMTUPSuccess != 1 || n.TCPMTUPFail != 0):
			t.Errorf("mended: MTU %d, %d tries were good, %d bad", client.path.mtu, n.TCPMTUPSuccess, n.TCPMTUPFail)
		case !mended && (client.path.mss > 1200 || n.TCPMTUPSuccess != 0 || n.TCPMTUPFail != 1 || took > time.Second):
			t.Errorf("as before: segments of %d, %d tries were good, %d bad, in %v", client.path.mss, n.TCPMTUPSuccess, n.TCPMTUPFail, took)
		}
	}
}

// A single text of any size gets through a hole that is smaller, also where it does not
// fill a segment; after it the connection closes.
func TestBlackHoleOfAnySize(t *testing.T) {
	for _, cfg := range []Config{{}, {NoTimestamps: true}} {
		least := 576 - 40 // what every host takes
		if !cfg.NoTimestamps {
			least -= timestampSize
		}
		for size := least + 1; size < 1600; size += 23 {
			for _, hole := range []int{least, 1000, size - 1} {
				if hole >= size {
					continue
				}
				p := newPair(t, cfg)
				client, server := p.connect()
				swallow(p, &hole)
				if took := p.carry(client, server, size); took > 20*time.Second {
					t.Errorf("%+v: %d bytes through a hole of %d took %v", cfg, size, hole, took)
				}
			}
		}
	}
}

// Timeouts of text that would be in no smaller segments say nothing of the size.
func TestSmallTextSuspectsNoSize(t *testing.T) {
	p := newPair(t, Config{})
	client, server := p.connect()
	p.fate = func(from int, _ *Output) (bool, time.Duration) { return from == 0, 0 }
	p.write(0, client, make([]byte, 500))
	p.run(30 * time.Second)
	p.fate = func(int, *Output) (bool, time.Duration) { return false, 0 }
	p.until("it comes", func() bool { return len(p.read(1, server)) > 0 })
	if client.path.mtu != 1500 {
		t.Errorf("the MTU is %d", client.path.mtu)
	}
}

// Behind a black hole the largest size that passes is found, among the steps, with nothing lost
// for it: no timeout, no smaller window. When the hole is gone the path's own size comes back,
// ten minutes later, the same way.
func TestSizeIsSearched(t *testing.T) {
	for _, cfg := range []Config{{}, {NoTimestamps: true}, {CongestionControl: "bbr"}, {ECN: cc.ECNOn}, {ECN: cc.ECNAccurate}} {
		for _, carries := range []int{1063, 1064, 1279, 1280, 1399, 1420, 1480, 1492, 1499, 8999} {
			p := newPair(t, cfg)
			p.path.MTU = 9000
			client, server := p.connect()
			p.carry(client, server, 20_000)
			most, probes := carries, 0
			p.fate = func(_ int, o *Output) (bool, time.Duration) {
				n := o.Len + headerSize(o.Tuple.Local) - wire.TCPSize + o.TCP.HeaderLen()
				if o.GSOSize == 0 && o.Len > int(client.path.mss) {
					probes++
				}
				return n > most, 0
			}
			p.carry(client, server, 100_000)
			timeouts, reductions := p.ends[0].Counters().TCPTimeouts, client.loss.undo
			more := func() { // some round trips, of which each has room for a probe
				for range 25 {
					p.carry(client, server, 50_000)
				}
			}
			more()
			want := 576
			for _, step := range sizeSteps {
				if int(step) <= carries {
					want = int(step)
				}
			}
			n := p.ends[0].Counters()
			if int(client.path.mtu) != want || n.TCPTimeouts != timeouts || client.loss.undo != reductions || client.flight != nil && client.loss.phase != noLoss || client.Info(p.now).CAState != "open" {
				t.Errorf("%s, ECN %v, timestamps %v, %d: an MTU of %d, want %d; %d timeouts, %s", cfg.CongestionControl, cfg.ECN, !cfg.NoTimestamps, carries, client.path.mtu, want, n.TCPTimeouts-timeouts, client.Info(p.now).CAState)
			}
			before := probes
			if more(); probes != before {
				t.Errorf("%s, ECN %v, timestamps %v, %d: %d probes more, within ten minutes", cfg.CongestionControl, cfg.ECN, !cfg.NoTimestamps, carries, probes-before)
			}
			most = 1 << 16
			p.run(mtuAge + time.Second)
			if more(); client.path.mtu != 9000 || client.is(sizeSuspect) {
				t.Errorf("%s, ECN %v, timestamps %v, %d: afterwards an MTU of %d", cfg.CongestionControl, cfg.ECN, !cfg.NoTimestamps, carries, client.path.mtu)
			}
		}
	}
}
