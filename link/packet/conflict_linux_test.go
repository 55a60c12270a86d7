package packet_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link/packet"
)

// lostAddresses passes on what a host says of addresses that it has lost.
type lostAddresses struct {
	handfast.Logger
	lines chan string
}

func (l lostAddresses) Info(string, ...any)            {}
func (l lostAddresses) Error(message string, _ ...any) { l.lines <- message }

// The kernel has two of our addresses, one of each family: it says so when we
// probe, and we let them go. Of the other two it says nothing.
func TestKernelHasOurAddresses(t *testing.T) {
	taken := []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}
	free := []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")}
	cable(t, taken[0])
	testnet.Address(t, "hk0", taken[1])
	d := open(t, packet.Options{Name: "hf0", HardwareAddr: ours})
	said := lostAddresses{lines: make(chan string, 8)}
	h, err := handfast.New(handfast.Config{Logger: said})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Attach(d, handfast.LinkOptions{Addresses: append(taken[:2:2], free...)}); err != nil {
		t.Fatal(err)
	}
	for range taken {
		select {
		case <-said.lines:
		case <-time.After(time.Minute):
			t.Fatalf("only %v are lost", h.Links()[0].Lost)
		}
	}
	info := h.Links()[0]
	for _, e := range info.Lost {
		if e.HardwareAddr != hardware(t, "hk0") {
			t.Errorf("%v, want the kernel's", e)
		}
	}
	if len(info.Lost) != 2 || len(info.Addresses) != 2 || info.Addresses[0] != free[0] || info.Addresses[1] != free[1] {
		t.Errorf("lost %v, have %v", info.Lost, info.Addresses)
	}
}
