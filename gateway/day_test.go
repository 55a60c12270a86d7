package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// many is n, and less where tests are to be short, or each step takes ten times as long.
func many(n int) int {
	if testing.Short() || alike.Raced {
		return n / 20
	}
	return n
}

// dayFlows are what clients do in a day, and how each ends.
var dayFlows = []struct {
	address string
	do      func(c *handfast.TCPConn)
	want    error // of the flow's end
}{
	{serverIP + ":1", func(c *handfast.TCPConn) { // half-closes, and hears all
		io.WriteString(c, "hello")
		c.CloseWrite()
		io.Copy(io.Discard, c)
	}, nil},
	{serverIP + ":1", func(c *handfast.TCPConn) { // goes with a reset
		io.WriteString(c, "hello")
		c.SetLinger(0)
	}, syscall.ECONNRESET},
	{serverIP + ":2", func(c *handfast.TCPConn) { // is reset
		io.WriteString(c, "hello")
		io.Copy(io.Discard, c)
	}, syscall.ECONNRESET},
	{serverIP + ":3", func(c *handfast.TCPConn) { io.Copy(io.Discard, c) }, nil}, // the server goes first
	{serverIP + ":9", nil, syscall.ECONNREFUSED},
	{"203.0.113.1:80", nil, syscall.EHOSTUNREACH},
	{deadIP + ":80", nil, context.DeadlineExceeded}, // silence
}

// A day of ten thousand connections of all kinds leaves nothing, and each is told of
// once, with why it ended.
func TestADayOfConnections(t *testing.T) {
	ended := map[string]map[error]int{}
	var mu sync.Mutex
	count := func(e gateway.End) {
		mu.Lock()
		defer mu.Unlock()
		why := e.Err
		for _, f := range dayFlows {
			if f.want != nil && errors.Is(e.Err, f.want) {
				why = f.want
			}
		}
		to := e.Flow.Destination.String()
		if ended[to] == nil {
			ended[to] = map[error]int{}
		}
		ended[to][why]++
	}
	inWorld(t, gateway.Config{Ended: count, DialTimeout: 5 * time.Second}, func(w *world) {
		w.gateway.Close()
		d := dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == "203.0.113.1:80" {
				return nil, syscall.EHOSTUNREACH
			}
			return w.out.DialContext(ctx, network, address)
		})
		w.gateway, _ = gateway.New(gateway.Config{Host: w.gate, Dialer: d, Ended: count, DialTimeout: 5 * time.Second})
		w.serve(1, func(c *handfast.TCPConn) { io.Copy(c, c); c.Close() })
		w.serve(2, func(c *handfast.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0); c.Close() })
		w.serve(3, func(c *handfast.TCPConn) { io.WriteString(c, "bye"); c.Close() })
		n := many(10_000) / len(dayFlows) * len(dayFlows)
		for i := range n {
			f := dayFlows[i%len(dayFlows)]
			patience := 6 * time.Second
			if f.want == syscall.EHOSTUNREACH { // which tells nobody to stop: the next SYN would be another flow
				patience = time.Second / 2
			}
			ctx, cancel := context.WithTimeout(w.Context(), patience)
			c, err := w.client.DialContext(ctx, "tcp", f.address)
			cancel()
			if (err == nil) != (f.do != nil) {
				t.Fatalf("flow %d to %s: %v", i, f.address, err)
			}
			if err == nil {
				f.do(c.(*handfast.TCPConn))
				c.Close()
			}
			time.Sleep(24*time.Hour/time.Duration(n) - time.Second)
		}
		time.Sleep(5 * time.Minute)
		w.wantStats("a day", gateway.Stats{})
		for _, h := range []*handfast.Host{w.client, w.gate, w.out, w.server} {
			for c := range h.Connections() {
				if c.State.String() != "LISTEN" {
					t.Errorf("there is still %+v", c)
				}
			}
		}
		each := n / len(dayFlows)
		want := map[string]map[error]int{}
		for _, f := range dayFlows {
			if want[f.address] == nil {
				want[f.address] = map[error]int{}
			}
			want[f.address][f.want] += each
		}
		if got := fmt.Sprint(ended); got != fmt.Sprint(want) {
			t.Errorf("flows ended\n%v, want\n%v", got, want)
		}
	})
}

// A hundred thousand sessions go through a table of a thousand: none is told of twice,
// none stays.
func TestManySessions(t *testing.T) {
	const limit = 1000
	var ended atomic.Int64
	inWorld(t, gateway.Config{MaxSessions: limit, Ended: func(gateway.End) { ended.Add(1) }}, func(w *world) {
		n := many(100_000)
		for i := range n {
			to := fmt.Sprintf("%s:%d", []string{serverIP, deadIP}[i%2], 1+i/2)
			c := w.dial("udp", to)
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(i, err)
			}
			c.Close()
			if i%100 == 99 {
				w.wantStats("on the way", gateway.Stats{Sessions: min(i+1, limit)})
			}
		}
		if got := int(ended.Load()); got != n-limit {
			t.Errorf("%d sessions of %d have ended", got, n)
		}
		time.Sleep(31 * time.Second)
		w.wantStats("idle", gateway.Stats{})
		if got := int(ended.Load()); got != n {
			t.Errorf("%d sessions of %d were told of", got, n)
		}
	})
}
