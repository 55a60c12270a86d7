package tcp

import (
	"testing"
	"time"
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

// After ten minutes the path's size is tried again: it stays when it comes through, and
// when it does not, one timeout is enough to know.
func TestBlackHoleIsTriedAgain(t *testing.T) {
	for _, mended := range []bool{true, false} {
		p := newPair(t, Config{})
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
