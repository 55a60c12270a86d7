package main

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

// The kernel's own listener is flooded over a TUN, and the detector says so
// from what sock_diag and the counters tell.
func TestKernelFlood(t *testing.T) {
	if os.Getenv(isolatedVariable) == "" {
		t.Skip("no network namespace here")
	}
	d := openFloodLink(t)
	l, err := net.Listen("tcp4", "10.99.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// What another test has left behind is over soon.
	quiet, err := kernel.Flood(context.Background(), time.Second)
	for try := 0; try < 90 && err == nil && quiet.Level != "quiet"; try++ {
		quiet, err = kernel.Flood(context.Background(), time.Second)
	}
	if err != nil || quiet.Level != "quiet" {
		t.Fatalf("%+v, %v", quiet, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	p := &pump{to: tunWriter{d}, syns: newSynMaker("few", netip.MustParseAddrPort("10.99.0.1:8080"), 1), fixed: 3000}
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	// How fast the flood gets going is the machine's affair.
	v := quiet
	for try := 0; try < 30 && (v.Level != "flood" || v.Numbers["half_open"] < 100); try++ {
		if v, err = kernel.Flood(context.Background(), 4*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if v.Level != "flood" || v.Numbers["half_open"] < 100 {
		t.Errorf("%+v", v)
	}
	// The queue has room for about a third: the sources of the rest are unknown.
	if _, known := v.Numbers["sources"]; known || !strings.Contains(v.Text, "sources unknown: only ") {
		t.Errorf("sources that cannot be known: %s", v.Text)
	}
	t.Log(v.Text)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// openFloodLink makes a TUN that sources of a flood may be behind.
func openFloodLink(t *testing.T) link.Link {
	t.Helper()
	d, err := tun.Open(tun.Options{Name: "hfkflood"})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { d.Close() })
	address := netip.MustParsePrefix("10.99.0.1/24")
	if err := stage.Configure("hfkflood", prefixes{address}); err != nil {
		t.Fatal(err)
	}
	dev, err := netlink.LinkByName("hfkflood")
	if err != nil {
		t.Fatal(err)
	}
	_, sources, _ := net.ParseCIDR("198.51.100.0/24")
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: dev.Attrs().Index, Dst: sources, Scope: unix.RT_SCOPE_LINK}); err != nil {
		t.Fatal(err)
	}
	return d
}

// tunWriter floods the kernel from our side of a TUN.
type tunWriter struct{ link.Link }

func (w tunWriter) inject(n int, m *synMaker) (int, error) {
	batch := make([]*buf.Packet, n)
	for i := range batch {
		batch[i] = buf.NewPacket()
		batch[i].Data = m.next(batch[i].Data)
	}
	return n, w.Write(0, batch)
}

func (w tunWriter) close() {}
