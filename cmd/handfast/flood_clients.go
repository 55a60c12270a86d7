package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// honest are clients that do what curl does: connect, ask for a page, read it,
// close. They come one after the other, evenly over a time.
type honest struct {
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	url      string
	count    int
	over     time.Duration // the last one comes then
	patience time.Duration // of each

	mu       sync.Mutex
	started  int
	took     []time.Duration // of those that were answered
	failed   int
	lastFail error
}

const page = "hello, honest client\n"

// run returns when all have an answer or have given up.
func (c *honest) run(ctx context.Context) {
	// A connection for each: what is tried is whether one can be opened.
	t := &http.Transport{DialContext: c.connect, DisableKeepAlives: true}
	var all sync.WaitGroup
	began := time.Now()
	for i := range c.count {
		due := began.Add(c.over * time.Duration(i) / time.Duration(c.count))
		select {
		case <-ctx.Done():
			all.Wait()
			return
		case <-time.After(time.Until(due)):
		}
		all.Go(func() { c.one(ctx, t) })
	}
	all.Wait()
}

// connect gives up in time: a Transport goes on with it when the request is over.
func (c *honest) connect(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	return c.dial(ctx, network, address)
}

func (c *honest) one(ctx context.Context, t *http.Transport) {
	c.mu.Lock()
	c.started++
	c.mu.Unlock()
	began := time.Now()
	err := c.ask(ctx, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed++
		c.lastFail = err
		return
	}
	c.took = append(c.took, time.Since(began))
}

func (c *honest) ask(ctx context.Context, t *http.Transport) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return say.Errorf(say.Text{"nothing came within %v", "%v 之内没有收到任何数据"}, c.patience)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && string(b) != page {
		err = say.Errorf(say.Text{"the answer is %q", "应答是 %q"}, b)
	}
	return err
}

// state says how it stands.
func (c *honest) state() (answered, failed, waiting int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.took), c.failed, c.started - len(c.took) - c.failed
}

// waits are the times that those who were answered have waited; 0 where nobody was.
type waits struct {
	median, p99, longest time.Duration // p99: 99 of 100 had their answer by then
}

// times returns how long the answers took.
func (c *honest) times() waits {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.took)
	if n == 0 {
		return waits{}
	}
	slices.Sort(c.took)
	return waits{median: c.took[n/2], p99: c.took[(99*n+99)/100-1], longest: c.took[n-1]}
}
