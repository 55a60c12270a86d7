package lab

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// A clock shows a time as soon as, and not before, the world has the time that it says.
func TestClock(t *testing.T) {
	for _, c := range []Clock{{}, {Offset: 7 * time.Hour}, {Tick: 15 * time.Millisecond}, {Offset: 12345678 * time.Nanosecond, Tick: 500 * time.Microsecond}} {
		for _, shown := range []clock.Time{1e9, 1e9 + 1, 3e10 + 123456789, 7e13} {
			at := c.world(shown)
			if c.at(at) < shown || c.at(at-1) >= shown {
				t.Errorf("%+v: %v is shown at %v: %v, and before %v", c, shown, at, c.at(at), c.at(at-1))
			}
		}
		if c.world(clock.Never) != clock.Never {
			t.Errorf("%+v: never comes", c)
		}
	}
}

// meet lets a client open a connection and a server answer what it gets, and returns all
// packets; configure may change the world before.
func meet(t *testing.T, hosts [2]HostConfig, bytes int, configure func(*World)) *Result {
	t.Helper()
	w := NewWorld(7)
	for i := range hosts {
		hosts[i].Name, hosts[i].Address = []string{"client", "server"}[i], netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
		if err := w.AddHost(hosts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if configure != nil {
		configure(w)
	}
	got := 0
	w.Go("client", "client", func(p *Proc) {
		p.Sleep(time.Second)
		c, err := p.Dial("server", 80, 40000)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write(make([]byte, bytes))
		c.Close()
	})
	w.Go("server", "server", func(p *Proc) {
		l, _ := p.Listen(80, 1)
		c, _ := l.Accept(clock.Never)
		l.Close()
		for b := make([]byte, 1<<16); ; {
			n, err := c.Read(b)
			if got += n; err != nil {
				break
			}
		}
		c.Close()
	})
	if err := w.Run(w.Now().Add(time.Hour)); err != nil || got != bytes {
		t.Errorf("%v, %d bytes of %d", err, got, bytes)
	}
	return w.Result("meeting")
}

// headers are those of the TCP segments that a host has sent.
func headers(t *testing.T, r *Result, from string) (all []wire.TCP, largest int) {
	t.Helper()
	for i := range r.Packets {
		p := &r.Packets[i]
		var ip wire.IP
		var h wire.TCP
		if p.From != from {
			continue
		}
		if d := wire.ParseIP(p.Data, &ip); d != wire.None {
			t.Fatal(d)
		}
		b := p.Data[ip.HeaderLen:]
		if _, d := wire.ParseTCP(b, &h); d != wire.None {
			t.Fatal(d)
		}
		if wire.Fold(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(b)))) != 0xffff {
			t.Errorf("packet %d has a wrong checksum", p.ID)
		}
		all, largest = append(all, h), max(largest, len(p.Data))
	}
	return all, largest
}

// Streams begin where they are aimed at: the client's to the number, the server's close
// behind it.
func TestAim(t *testing.T) {
	for _, want := range []seq.Num{0, 1, 1<<31 - 1, 1 << 31, 1<<32 - 1} {
		r := meet(t, [2]HostConfig{{Clock: Clock{Offset: time.Minute}}, {}}, 100, func(w *World) {
			w.AimISN("client", "server", [2]uint16{40000, 80}, time.Second, want)
			w.AimCookies("server", want, 1<<24, 10_000)
		})
		if h, _ := headers(t, r, "client"); !(want - 15).LessEq(h[0].Seq) || !h[0].Seq.LessEq(want) {
			t.Errorf("the client begins with %d, want %d or up to 15 less", h[0].Seq, want)
		}
		if h, _ := headers(t, r, "server"); !h[0].Seq.In(want, 1<<24) {
			t.Errorf("the server begins with %d, want %d or a little more", h[0].Seq, want)
		}
	}
}

// A link that cuts super-segments up sends the segments that the host would send.
func TestOffload(t *testing.T) {
	plain := host.Config{TCP: tcp.Config{NoTimestamps: true}}
	one, _ := headers(t, meet(t, [2]HostConfig{{Host: plain}, {Host: plain}}, 300_000, nil), "client")
	two, largest := headers(t, meet(t, [2]HostConfig{{Host: plain, Batches: true, Supers: true, Offload: true}, {Host: plain}}, 300_000, nil), "client")
	if largest > 1500 {
		t.Errorf("a packet of %d bytes", largest)
	}
	seqs := func(all []wire.TCP) (s []seq.Num) {
		for _, h := range all {
			s = append(s, h.Seq)
		}
		return s
	}
	if !slices.Equal(seqs(one), seqs(two)) {
		t.Errorf("other segments: %v, %v", seqs(one), seqs(two))
	}
}
