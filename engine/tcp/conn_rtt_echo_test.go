package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// After a timeout an ACK that echoes a timestamp is a sample (RFC 7323 §4.1):
// it ends the back-off. An echo that cannot be true is none.
func TestEchoEndsBackOff(t *testing.T) {
	for _, lie := range []bool{false, true} {
		p := newPair(t, Config{})
		client, server := p.connect()
		lost := 0
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if from == 0 && o.Len > 0 && lost < 3 {
				lost++
				return true, 0
			}
			if lie && from == 1 {
				o.Options.TSEcr = 0x12345678
			}
			return false, 0
		}
		p.write(0, client, []byte("hello"))
		p.until("arrived", func() bool { return server.Buffered() == 5 })
		p.until("acknowledged", func() bool { return client.Unsent() == 0 })
		if got := client.rtt.backoff; (got == 0) == lie {
			t.Errorf("lie %v: back-off %d after the ACK", lie, got)
		}
		if !lie && (client.rtt.smoothed > 100*time.Millisecond) {
			t.Errorf("smoothed RTT %v on a way of 10 ms", client.rtt.smoothed)
		}
	}
}

// So does each that moves on, however much was out when the timer fired first: where a
// timeout brings one segment across and no more, the next is not twice as far away.
func TestEchoEndsBackOffOfAnyFlight(t *testing.T) {
	for segments := 2; segments <= 12; segments++ {
		p := newPair(t, Config{})
		client, _ := p.connect()
		open := false
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			open = open || client.rtt.backoff == 3
			return from == 0 && (!open || o.Seq != client.snd.una), 0
		}
		p.write(0, client, make([]byte, segments*int(client.path.mss)))
		p.until("three timeouts", func() bool { return open })
		for begin, una := p.now, client.snd.una; client.Unsent() > 0; begin, una = p.now, client.snd.una {
			p.until("acknowledged", func() bool { return client.snd.una != una })
			if client.rtt.backoff != 0 || p.now.Sub(begin) > time.Second {
				t.Fatalf("%d segments, %d bytes left: back-off %d, %v after the last", segments, client.Unsent(), client.rtt.backoff, p.now.Sub(begin))
			}
		}
	}
}

// So it is when our timestamps come round on the way.
func TestEchoAtTheWrap(t *testing.T) {
	first := newPair(t, Config{})
	client, _ := first.connect()
	begin := -(first.now.Milliseconds() + client.ts.offset) // milliseconds until the timestamps of the pair come round
	for before := uint32(0); before < 1500; before += uint32(1500 / few(500)) {
		p := newPair(t, Config{})
		p.now = p.now.Add(time.Duration(begin-before) * time.Millisecond)
		client, server := p.connect()
		lost := 0
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if from == 0 && o.Len > 0 && lost < 3 {
				lost++
				return true, 0
			}
			return false, 0
		}
		p.write(0, client, []byte("hello"))
		p.until("acknowledged", func() bool { return server.Buffered() == 5 && client.Unsent() == 0 })
		if client.rtt.backoff != 0 || client.rtt.smoothed > 100*time.Millisecond {
			t.Fatalf("%d ms before the wrap: back-off %d, round trip %v", before, client.rtt.backoff, client.rtt.smoothed)
		}
	}
}

// The round trip of a SYN-ACK that was sent more than once is right, or is not known: its
// timestamp is up to half a second older than the segment.
func TestEchoOfRepeatedSynAck(t *testing.T) {
	known := 0
	for millisecond := range time.Duration(few(600)) {
		for losses := range 3 {
			p := newPair(t, Config{})
			p.now = p.now.Add(millisecond * time.Millisecond)
			lost := 0
			p.fate = func(from int, o *Output) (bool, time.Duration) {
				if from == 1 && o.Flags.Has(wire.SYN) && lost < losses {
					lost++
					return true, 0
				}
				return false, 0
			}
			_, server := p.connect()
			switch trip := server.rtt.smoothed; {
			case trip != 0 && (trip < 9*time.Millisecond || trip > 12*time.Millisecond):
				t.Fatalf("%d SYN-ACKs lost: the round trip is taken for %v, and is 10 ms", losses, trip)
			case trip != 0:
				known++
			}
		}
	}
	if known < 3*int(few(600))/2 {
		t.Errorf("only %d round trips are known", known)
	}
}

// A listener on every IPv6 address refuses IPv4.
func TestIPv6Only(t *testing.T) {
	e, l := server(t, Config{})
	l.IPv6Only = true
	tuple := wire.Tuple{Local: addrB, Remote: addrA, LocalPort: 80, RemotePort: 4000}
	s := synSegment(tuple, 7, true)
	e.Receive(clock.Time(time.Hour), path1500, &tuple, &s)
	if out, _ := drain(e, clock.Time(time.Hour)); out.Flags != wire.RST|wire.ACK || out.Ack != 8 {
		t.Errorf("a SYN by IPv4 is answered with %v", out.Flags)
	}
}
