package handfast_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// collect takes what a watch gives until done says so.
func collect(t *testing.T, w *handfast.EventWatch, done func(*handfast.EventBatch) bool) (all handfast.EventBatch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for !done(&all) {
		b, err := w.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all.Events, all.Flows, all.Skipped = append(all.Events, b.Events...), append(all.Flows, b.Flows...), all.Skipped+b.Skipped
	}
	return all
}

func endsClosed(b *handfast.EventBatch) bool {
	return slices.ContainsFunc(b.Events, func(e tcp.Event) bool { return e.Kind == tcp.StateChanged && e.State == tcp.Closed })
}

// A watch sees connections that there were before it, and those that it is for; one that
// nobody reads holds nobody up.
func TestWatchEvents(t *testing.T) {
	a, b := newNet(t, handfast.Config{}, pipe.Options{})
	l := listen(t, b, ":80")
	old, oldServer := connect(t, a, l)
	own := old.LocalAddr().(*net.TCPAddr).AddrPort()
	one := a.WatchEvents(handfast.EventFilter{Local: own, Remote: netip.MustParseAddrPort("10.0.0.2:80")})
	states := b.WatchEvents(handfast.EventFilter{States: true, Local: netip.AddrPortFrom(netip.Addr{}, 80)})
	stalled := a.WatchEvents(handfast.EventFilter{Queue: 3})
	other, otherServer := connect(t, a, l)
	for range 20 {
		io.WriteString(other, "not watched")
		io.WriteString(old, "x")
		io.ReadFull(oldServer, make([]byte, 1))
	}
	other.SetLinger(0)
	other.Close()
	io.ReadAll(otherServer)
	old.SetLinger(0)
	old.Close()
	got := collect(t, one, endsClosed)
	text := 0
	for _, e := range got.Events {
		if e.Tuple.LocalPort != own.Port() {
			t.Fatalf("%v is another connection", e.Tuple)
		}
		if e.Kind == tcp.SegmentSent {
			text += e.Len
		}
	}
	if text != 20 || got.Skipped != 0 {
		t.Errorf("%d bytes sent, %d events skipped", text, got.Skipped)
	}
	for _, e := range collect(t, states, func(b *handfast.EventBatch) bool { return len(b.Events) >= 4 }).Events {
		if e.Kind != tcp.StateChanged {
			t.Errorf("a %v of a watch for changes of state", e.Kind)
		}
	}
	if s := collect(t, stalled, func(b *handfast.EventBatch) bool { return len(b.Events) > 0 }); len(s.Events) != 3 || s.Skipped < 20 {
		t.Errorf("a queue of 3 had %d events, and skipped %d", len(s.Events), s.Skipped)
	}
	one.Close()
	for {
		if _, err := one.Next(context.Background()); errors.Is(err, net.ErrClosed) { // after what was left
			break
		} else if err != nil {
			t.Fatalf("of a closed watch: %v", err)
		}
	}
	a.Close()
	if _, err := a.WatchEvents(handfast.EventFilter{}).Next(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("of a closed host: %v", err)
	}
}

// What a host accounts for is what its programs have done, to the byte, also of
// connections that Close resets.
func TestAccounts(t *testing.T) {
	a, b := newNet(t, handfast.Config{Account: true}, pipe.Options{})
	l := listen(t, b, ":80")
	w := b.WatchEvents(handfast.EventFilter{Flows: true})
	const conns, size = 50, 30000
	var wg sync.WaitGroup
	wg.Go(func() {
		for range conns {
			c, err := l.AcceptTCP()
			if err != nil {
				t.Error(err)
				return
			}
			wg.Go(func() {
				n, _ := io.Copy(c, io.LimitReader(c, size))
				if n != size {
					t.Errorf("%d bytes were echoed", n)
				}
				c.Close()
			})
		}
	})
	for range conns {
		c, err := a.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			wg.Go(func() { c.Write(make([]byte, size)) })
			io.ReadAll(c)
			c.Close()
		})
	}
	wg.Wait()
	got := collect(t, w, func(b *handfast.EventBatch) bool { return len(b.Flows) == conns })
	for _, f := range got.Flows {
		if f.Ending != account.Closed || !f.Passive || f.Sent.Text != size || f.Received.Text != size {
			t.Fatalf("%+v", f)
		}
		if f.Sent.Octets < size+40*f.Sent.Packets || f.Received.Octets < size+40*f.Received.Packets || f.Received.Packets < 4 {
			t.Errorf("%+v", f)
		}
	}
	if n := b.Totals(); n.Ends[account.Closed] != conns || n.Life.Count() != conns || n.Handshake.Count() != conns {
		t.Errorf("%+v", n)
	}
	connect(t, a, l)
	a.Close()
	if n := a.Totals(); n.Ends[account.Aborted] != 1 || n.Life.Count() != conns+1 {
		t.Errorf("%+v", n.Ends)
	}
}

// What is kept tells how a connection ended, and a watch tells when.
func TestHistories(t *testing.T) {
	a, b := newNet(t, handfast.Config{Events: account.Keep{Connections: 16}}, pipe.Options{})
	l := listen(t, b, ":80")
	failed := b.WatchEvents(handfast.EventFilter{Failed: true})
	c, _ := connect(t, a, l)
	c.SetLinger(0)
	c.Close()
	if got := collect(t, failed, endsClosed); !slices.ContainsFunc(got.Events, func(e tcp.Event) bool { return e.Cause == tcp.CauseReset }) {
		t.Errorf("%+v", got.Events)
	}
	if all := a.Histories(handfast.EventFilter{Remote: netip.MustParseAddrPort("10.0.0.2:80")}); len(all) != 1 || !endsClosed(&all[0]) {
		t.Errorf("%+v", all)
	}
	if all := a.Histories(handfast.EventFilter{Remote: netip.MustParseAddrPort("10.0.0.2:81")}); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// Watches come and go while connections do, and while the host is closed.
func TestWatchDuringEverything(t *testing.T) {
	a, b := newNet(t, handfast.Config{Account: true, Events: account.Keep{Connections: 4, OneIn: 2}}, pipe.Options{})
	l := listen(t, b, ":80")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 30 {
				w := b.WatchEvents(handfast.EventFilter{States: i == 1, Flows: i == 2, Failed: i == 3, Queue: 8})
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				w.Next(ctx)
				cancel()
				b.Histories(handfast.EventFilter{})
				w.Close()
			}
		})
	}
	last := a.WatchEvents(handfast.EventFilter{})
	wg.Go(func() {
		for {
			if _, err := last.Next(context.Background()); err != nil {
				return
			}
		}
	})
	for range 20 {
		c, s := connect(t, a, l)
		io.WriteString(c, "hello")
		io.ReadFull(s, make([]byte, 5))
		c.Close()
		s.Close()
	}
	a.Close()
	wg.Wait()
}
