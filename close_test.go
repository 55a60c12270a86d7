package handfast_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A listener is closed while its host is closed.
func TestListenerAndHostClose(t *testing.T) {
	for range closings() {
		h, err := handfast.New(handfast.Config{Shards: 1})
		if err != nil {
			t.Fatal(err)
		}
		l := listen(t, h, ":80")
		var wg sync.WaitGroup
		wg.Go(func() { l.Close() })
		wg.Go(func() { h.Close() })
		wg.Wait()
	}
}

// gate is where a goroutine of a host is held.
type gate struct {
	shut, held chan struct{}
	once       sync.Once
}

func newGate() *gate { return &gate{shut: make(chan struct{}), held: make(chan struct{})} }

// pass holds the first who comes until the gate is opened, and whoever comes
// while it is.
func (g *gate) pass() {
	g.once.Do(func() { close(g.held) })
	<-g.shut
}

// gatedLink writes through a gate, but for the first packets.
type gatedLink struct {
	link.Link
	gate *gate
	used atomic.Bool
}

func (l *gatedLink) Write(queue int, batch []*buf.Packet) error {
	if l.used.Swap(true) {
		l.gate.pass()
	}
	return l.Link.Write(queue, batch)
}

// gatedKeys are asked through a gate from the second time on.
type gatedKeys struct {
	*gate
	asked bool
}

func (k *gatedKeys) Keys(time.Time) (tcp.CookieKeys, error) {
	if k.asked {
		k.pass()
	}
	k.asked = true
	return tcp.CookieKeys{}, nil
}

// What a timer of the host's has begun ends before Close returns, whatever it
// hangs in.
func TestCloseWaitsForTimers(t *testing.T) {
	for name, start := range map[string]func(t *testing.T, g *gate) *handfast.Host{
		"a shard's, in the link's Write": func(t *testing.T, g *gate) *handfast.Host {
			a, _ := pipe.New(pipe.Options{})
			h := newTestHost(t, handfast.Config{}, &gatedLink{Link: a, gate: g}, clientIP+"/24")
			go h.Dial("tcp", serverIP+":80") // the SYN goes out again after a second
			return h
		},
		"that of the cookie keys": func(t *testing.T, g *gate) *handfast.Host {
			a, _ := pipe.New(pipe.Options{})
			return newTestHost(t, handfast.Config{CookieKeys: &gatedKeys{gate: g}}, a, clientIP+"/24")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate()
				h := start(t, g)
				<-g.held
				closed := make(chan struct{})
				for range 2 {
					go func() { h.Close(); closed <- struct{}{} }()
				}
				time.Sleep(time.Minute)
				select {
				case <-closed:
					t.Error("Close has returned before the timer's goroutine")
				default:
				}
				close(g.shut)
				<-closed
				<-closed
			})
		})
	}
}
