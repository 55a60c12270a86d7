package ring_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/ring"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
)

func TestMain(m *testing.M) {
	if os.Getenv("HANDFAST_RING_TEST") == "" {
		if code, err := stage.RunIsolated("HANDFAST_RING_TEST"); err == nil {
			os.Exit(code)
		}
	} else if lo, err := netlink.LinkByName("lo"); err == nil {
		_ = netlink.LinkSetUp(lo)
	}
	os.Exit(m.Run())
}

// Every packet of the loopback device is captured once, whole, with its number and in its
// order, and the kernel's own count says the same.
func TestRingSeesEachPacketOnce(t *testing.T) {
	r, err := ring.Open("lo", 1<<18)
	if errors.Is(err, ring.ErrRights) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	to, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Skip(err)
	}
	defer to.Close()
	from, err := net.DialUDP("udp4", nil, to.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	const packets = 20_000
	next := 0
	for i := range packets {
		if _, err := fmt.Fprintf(from, "%08d", i); err != nil {
			t.Fatal(err)
		}
		if i%1000 == 999 {
			next = read(t, r, next, i+1)
		}
	}
	s, err := r.Statistics()
	if err != nil || s.Dropped != 0 || s.Packets < 2*packets {
		t.Errorf("%+v, %v: each passes the loopback device twice", s, err)
	}
}

// read reads the packets of the test up to a number.
func read(t *testing.T, r *ring.Ring, next, until int) int {
	t.Helper()
	for next < until {
		p, err := r.Next(10 * time.Second)
		if err != nil || p == nil {
			t.Fatalf("after %d packets: %v, %v", next, p, err)
		}
		if len(p.Data) != 36 || p.Data[9] != 17 || p.Size != 36 { // another's
			continue
		}
		if want := fmt.Sprintf("%08d", next); string(p.Data[28:]) != want {
			t.Fatalf("packet %q, want %q", p.Data[28:], want)
		}
		if age := time.Since(time.Unix(0, int64(p.Time))); age < -time.Minute || age > time.Hour || p.Number <= next {
			t.Fatalf("packet %d is %v old", p.Number, age)
		}
		next++
	}
	return next
}

// Who waits for nothing is told so, and an interface that is not there has an error of
// its own.
func TestRingErrors(t *testing.T) {
	if _, err := ring.Open("nothing0", 1500); !errors.Is(err, ring.ErrNoInterface) {
		t.Errorf("%v", err)
	}
	r, err := ring.Open(ring.Any, 64)
	if errors.Is(err, ring.ErrRights) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 100 { // what the system sends by itself
		if p, err := r.Next(0); p == nil {
			if err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Error("packets without end")
}
