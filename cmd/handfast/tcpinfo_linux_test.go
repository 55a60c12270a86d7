package main

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/inspect"
)

// bothEnds returns what the two ends of a connection say, the kernel's first.
func bothEnds(t *testing.T, a *stage.Stage, client netip.AddrPort) (theirs, ours *inspect.Details) {
	t.Helper()
	find := func(rows []inspect.Row, end func(*inspect.Row) inspect.Endpoint) *inspect.Details {
		for i := range rows {
			if e := end(&rows[i]); e.Addr == client.Addr() && e.Port == client.Port() {
				return rows[i].Details
			}
		}
		t.Fatal("one end does not know of the connection")
		return nil
	}
	r, err := kernel.Report(false)
	if err != nil {
		t.Fatal(err)
	}
	theirs = find(r.Rows, func(r *inspect.Row) inspect.Endpoint { return r.Local })
	return theirs, find(inspect.Collect(a.Server, "", 0).Rows, func(r *inspect.Row) inspect.Endpoint { return r.Remote })
}

// transferBothWays opens a connection of the kernel's, sends n bytes each way, and
// returns the client's end.
func transferBothWays(t *testing.T, a *stage.Stage, n int64) net.Conn {
	t.Helper()
	l, err := a.Server.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			t.Cleanup(func() { c.Close() })
			if _, err = io.CopyN(io.Discard, c, n); err == nil {
				_, err = c.Write(make([]byte, n))
			}
		}
		served <- err
	}()
	c, err := a.Dial(context.Background(), "tcp", "10.77.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := c.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, c, n); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	return c
}

// Of one connection the kernel at one end and we at the other say the same, where both
// must know it.
func TestInfoBesideKernel(t *testing.T) {
	if os.Getenv(isolatedVariable) == "" {
		t.Skip("no network namespace here")
	}
	a, err := stage.NewKernel("tun", live.New(live.Options{Host: stage.OurName}))
	if err != nil {
		t.Skip(err)
	}
	defer a.Close()
	const n = 3 << 20
	client := transferBothWays(t, a, n).LocalAddr().(*net.TCPAddr).AddrPort()
	var theirs, ours *inspect.Details
	for end := time.Now().Add(untilLimit); ; time.Sleep(10 * time.Millisecond) { // until the last ACK has come
		if theirs, ours = bothEnds(t, a, client); ours.Unacked == 0 && theirs.Unacked == 0 && ours.BytesAcked == n && uint64(theirs.SegsOut) == uint64(ours.SegsIn)+1 || time.Now().After(end) {
			break
		}
	}
	for _, f := range []struct {
		name         string
		theirs, ours uint64
	}{
		{"sent by the kernel", theirs.BytesSent - theirs.BytesRetrans, ours.BytesReceived},
		{"acknowledged to the kernel", theirs.BytesAcked - 1, ours.BytesReceived}, // its SYN counts
		{"received by the kernel", theirs.BytesReceived, ours.BytesAcked},
		{"sent by us", n, ours.BytesSent - ours.BytesRetrans},
		{"segments from the kernel, but its SYN", uint64(theirs.SegsOut) - 1, uint64(ours.SegsIn)},
		{"segments with text from the kernel", uint64(theirs.DataSegsOut), uint64(ours.DataSegsIn)},
		{"delivered, of ours", 1 + uint64(ours.DataSegsOut-ours.TotalRetrans+ours.DsackDups), uint64(ours.Delivered)},
		{"segment size", uint64(theirs.MSS), uint64(ours.MSS)},
		{"path MTU", uint64(theirs.PMTU), uint64(ours.PMTU)},
		{"the kernel's window scale", uint64(theirs.Wscale[1]), uint64(ours.Wscale[0])},
		{"our window scale", uint64(theirs.Wscale[0]), uint64(ours.Wscale[1])},
	} {
		if f.theirs != f.ours {
			t.Errorf("%s: the kernel says %d, and we %d", f.name, f.theirs, f.ours)
		}
	}
	// What it sends again it may cut into other segments, and counts those.
	delivered := 1 + int(theirs.DataSegsOut-theirs.TotalRetrans+theirs.DsackDups)
	if off := int(theirs.Delivered) - delivered; max(off, -off) > int(theirs.TotalRetrans) {
		t.Errorf("the kernel says that %d of its segments were delivered, not %d; %d were sent again", theirs.Delivered, delivered, theirs.TotalRetrans)
	}
	if theirs.SegsIn > ours.SegsOut+1 || theirs.DataSegsIn > ours.DataSegsOut { // super-segments count once there
		t.Errorf("the kernel got %d segments, %d with text, of %d and %d", theirs.SegsIn, theirs.DataSegsIn, ours.SegsOut, ours.DataSegsOut)
	}
	if !slices.Equal(theirs.Options, ours.Options) {
		t.Errorf("options %v, and ours %v", theirs.Options, ours.Options)
	}
	for name, d := range map[string]*inspect.Details{"kernel": theirs, "ours": ours} {
		if d.RTT <= 0 || d.RTT > inspect.Seconds(untilLimit) || d.MinRTT <= 0 || d.MinRTT > d.RTT+4*d.RTTVar+inspect.Seconds(time.Millisecond) ||
			d.DeliveryRate == 0 || d.CAState != "open" || d.Lost+d.Sacked+d.Retrans != 0 {
			t.Errorf("%s: %+v", name, *d)
		}
	}
}
