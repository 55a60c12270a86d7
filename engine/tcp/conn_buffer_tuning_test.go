package tcp

import (
	"testing"
	"time"
)

// stream writes at most n bytes every so often, reads them at the other end if
// that is wanted, for some time.
func stream(p *pair, client, server *Entry, n int, every, length time.Duration, reads bool) {
	b := make([]byte, n)
	for end := p.now.Add(length); p.now < end; {
		if n := min(n, client.SendSpace()); n > 0 {
			p.write(0, client, b[:n])
		}
		if reads {
			p.read(1, server)
		}
		p.run(every)
	}
}

// TestReceiveBufferFollowsNeed: the buffer grows for a program that keeps up with
// a peer who could send more, far away or near, and for no other.
func TestReceiveBufferFollowsNeed(t *testing.T) {
	const most = 4 << 20
	for _, c := range []struct {
		name  string
		cfg   Config
		delay time.Duration
		n     int // bytes written every millisecond
		reads bool
		least int
		most  int
	}{
		{"far and fast", Config{}, 25 * time.Millisecond, 1 << 20, true, most, most},
		{"far and slow", Config{}, 25 * time.Millisecond, 1 << 10, true, initialReceive, initialReceive},
		{"near", Config{}, 10 * time.Microsecond, 100 << 10, true, initialReceive, initialReceive},
		{"near, as much as it takes", Config{}, 10 * time.Microsecond, 4 << 20, true, initialReceive, nearbyMost},
		{"nobody reads", Config{}, 25 * time.Millisecond, 1 << 20, false, initialReceive, initialReceive},
		{"no timestamps, fast", Config{NoTimestamps: true}, 25 * time.Millisecond, 1 << 20, true, most, most},
		{"no timestamps, slow", Config{NoTimestamps: true}, 25 * time.Millisecond, 1 << 10, true, initialReceive, initialReceive},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.ReceiveBuffer, c.cfg.SendBuffer = most, most
			p := newPair(t, c.cfg)
			p.delay, p.path.MaxGSO = c.delay, 65535
			client, server := p.connect()
			stream(p, client, server, c.n, time.Millisecond, time.Second, c.reads)
			if n := int(server.rcv.limit); n < c.least || n > c.most {
				t.Errorf("the receive buffer is %d, want %d to %d", n, c.least, c.most)
			}
		})
	}
}

// TestReceiveBufferAfterALostHandshake: what the handshake lost does not slow it down.
func TestReceiveBufferAfterALostHandshake(t *testing.T) {
	p := newPair(t, Config{SendBuffer: 4 << 20, ReceiveBuffer: 4 << 20})
	p.delay, p.path.MaxGSO = 25*time.Millisecond, 65535
	acks := 0
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		if from == 0 && o.Len == 0 {
			acks++
		}
		return from == 0 && acks == 2, 0 // the ACK of the SYN-ACK
	}
	client, server := p.connect()
	stream(p, client, server, 1<<20, time.Millisecond, time.Second, true)
	if n := int(server.rcv.limit); n < 4<<20 {
		t.Errorf("the receive buffer is %d after a second; the handshake took %v", n, server.rtt.smoothed)
	}
}

// TestReceiveBufferThatIsSet stays as the program has set it.
func TestReceiveBufferThatIsSet(t *testing.T) {
	p := newPair(t, Config{})
	p.delay = 25 * time.Millisecond
	client, server := p.connect()
	p.ends[1].SetReceiveBuffer(p.now, server, 100000)
	stream(p, client, server, 1<<20, time.Millisecond, time.Second, true)
	if server.rcv.limit != 100000 {
		t.Errorf("the receive buffer is %d", server.rcv.limit)
	}
}

// TestUnsentIsBounded: a program waits when much is queued that could not be
// sent yet, but may fill the whole buffer when the peer does not read.
func TestUnsentIsBounded(t *testing.T) {
	p := newPair(t, Config{})
	client, server := p.connect()
	p.write(0, client, make([]byte, 300<<10)) // more than the congestion window
	p.pump()
	if n := client.SendSpace(); n > 0 {
		t.Errorf("room for %d bytes beside %d that were never sent", n, client.out.end().Sub(client.snd.nxt))
	}
	p.until("the window is shut", func() bool { return client.snd.una == client.snd.nxt && client.snd.wnd == 0 })
	if n, want := client.SendSpace(), 1<<20-client.out.len(); n != want {
		t.Errorf("room for %d bytes, want %d", n, want)
	}
	p.read(1, server)
	p.until("all has gone", func() bool { return client.out.len() == 0 })
	if n := client.SendSpace(); n != minUnsent {
		t.Errorf("room for %d bytes, want %d", n, minUnsent)
	}
}
