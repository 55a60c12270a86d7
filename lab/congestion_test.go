package lab_test

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/netem"
)

// goodput is what part of a path's rate a flow has in some seconds, 20 Mbit/s and 50
// ms, with a queue of what is under way in a round trip.
func goodput(t *testing.T, control string, loss float64) float64 {
	const rate, delay, lasting = 20e6, 25 * time.Millisecond, 5 * time.Second
	w := lab.NewWorld(1)
	for i, name := range []string{"a", "b"} {
		cfg := tcp.Config{CongestionControl: control, SendBuffer: 4 << 20, ReceiveBuffer: 4 << 20}
		err := w.AddHost(lab.HostConfig{Name: name, Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), Host: host.Config{TCP: cfg}})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.SetWireBetween("a", "b", lab.WireConfig{Config: netem.Config{Delay: delay, Loss: loss, Rate: rate, QueueBytes: int(rate / 8 * 2 * delay.Seconds())}})
	w.SetWireBetween("b", "a", lab.WireConfig{Config: netem.Config{Delay: delay}})
	got := 0
	w.Go("b", "listens", func(p *lab.Proc) {
		l, _ := p.Listen(80, 1)
		c, _ := l.Accept(clock.Never)
		b := make([]byte, 1<<20)
		for end := p.Now().Add(lasting); p.Now() < end; {
			n, err := c.ReadUntil(b, end)
			if got += n; errors.Is(err, io.EOF) {
				break
			}
		}
		c.Abort()
	})
	w.Go("a", "calls", func(p *lab.Proc) {
		c, _ := p.Dial("b", 80, 0)
		for b := make([]byte, 1<<18); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	})
	w.Run(clock.Time(time.Minute))
	return float64(got) * 8 / (rate * lasting.Seconds())
}

// A connection does on a path what its congestion control does in tests of its own:
// without loss it has the rate, and BBR has it with 1 % of random loss too.
func TestCongestionControlOnAPath(t *testing.T) {
	for _, k := range []struct {
		control string
		loss    float64
		least   float64
	}{{"reno", 0, 0.75}, {"cubic", 0, 0.85}, {"bbr", 0, 0.85}, {"bbr", 0.01, 0.75}} {
		if got := goodput(t, k.control, k.loss); got < k.least {
			t.Errorf("%s, loss %v: %.2f of the rate", k.control, k.loss, got)
		}
	}
}
