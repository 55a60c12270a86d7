package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	benchPort  = 7777
	writeSize  = 64 << 10
	readSize   = 256 << 10
	warmUp     = 300 * time.Millisecond
	dialWait   = 10 * time.Second
	maxCRR     = 12000 // connections of one case: below every range of ports
	crrWarmUp  = 256
	maxRounds  = 20000 // round trips of one case
	pingWarmUp = 500
)

// result is what one run of one case found.
type result struct {
	Row   string `json:"row"`
	Peer  string `json:"peer"`
	Round int    `json:"round"`

	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Between float64 `json:"between,omitempty"` // of it, of what carries
	Others  float64 `json:"others"`            // processors busy elsewhere
	Mallocs uint64  `json:"mallocs"`           // heap objects
	Bytes   int64   `json:"bytes,omitempty"`   // payload; heap; size of a binary
	Ops     int     `json:"ops,omitempty"`     // connections, round trips, entries, SYNs
	P50     float64 `json:"p50_us,omitempty"`
	P99     float64 `json:"p99_us,omitempty"`

	Failed   int   `json:"failed,omitempty"`   // connections that failed, not among Ops
	Resident int64 `json:"resident,omitempty"` // memory rows: bytes in RAM, outside the heap too
	Answered int   `json:"answered,omitempty"` // SYN-ACKs for Ops spoofed SYNs
	Honest   int   `json:"honest,omitempty"`   // connections that were made during the flood, of floodHonest
	Full     int   `json:"full,omitempty"`     // those with SACK and window scale
	Sums     int   `json:"sums,omitempty"`     // lines of go.sum
	Modules  int   `json:"modules,omitempty"`  // modules in the module graph that are linked

	Skipped string `json:"skipped,omitempty"`
	Err     string `json:"error,omitempty"`
}

func (r *result) spend(s spent) {
	r.Seconds, r.CPU, r.Others, r.Mallocs = s.wall.Seconds(), s.cpu.Seconds(), s.others, s.mallocs
}

// measure runs r's kind of measurement between two stacks.
func measure(r row, near, far stack, window time.Duration) (result, error) {
	dialer, listener := near, far
	if r.fromFar && r.kind == crr {
		dialer, listener = far, near
	}
	l, err := listener.listen(benchPort)
	if err != nil {
		return result{}, fmt.Errorf("listen: %w", err)
	}
	to := netip.AddrPortFrom(listener.addr(), benchPort)
	dial := func() (net.Conn, error) { return dialer.dial(to) }
	switch r.kind {
	case bulk:
		return measureBulk(r, l, dial, window)
	case crr:
		return measureCRR(r, l, dial, window)
	default:
		return measurePingPong(r.count, l, dial, window)
	}
}

// pairUp makes n connections and returns both ends of each.
func pairUp(n int, l net.Listener, dial func() (net.Conn, error)) (dialled, accepted []net.Conn, err error) {
	for range n {
		c, err := dial()
		if err != nil {
			return nil, nil, fmt.Errorf("dial: %w", err)
		}
		a, err := l.Accept()
		if err != nil {
			return nil, nil, fmt.Errorf("accept: %w", err)
		}
		dialled, accepted = append(dialled, c), append(accepted, a)
	}
	return dialled, accepted, nil
}

// closeAll ends what pairUp began, so that nothing goes on behind the next
// measurement. An error here says nothing about what was measured.
func closeAll(ends ...[]net.Conn) {
	for _, conns := range ends {
		for _, c := range conns {
			c.Close()
		}
	}
}

// measureBulk pushes bytes one way over r.streams connections and counts what
// the readers get within the window.
func measureBulk(r row, l net.Listener, dial func() (net.Conn, error), window time.Duration) (result, error) {
	senders, receivers, err := pairUp(r.streams, l, dial)
	if err != nil {
		return result{}, err
	}
	defer closeAll(senders, receivers)
	if r.fromFar {
		senders, receivers = receivers, senders
	}
	var got atomic.Int64
	failed := make(chan error, 2*r.streams)
	for i := range senders {
		go func() { failed <- push(senders[i]) }()
		go func() { failed <- drain(receivers[i], &got) }()
	}
	if err := waitOr(warmUp, failed); err != nil {
		return result{}, err
	}
	from, err := readUsage()
	if err != nil {
		return result{}, err
	}
	before := got.Load()
	after := before
	for begun := time.Now(); after == before && time.Since(begun) < longestWindow; after = got.Load() {
		if err := waitOr(window, failed); err != nil {
			return result{}, err
		}
	}
	to, err := readUsage()
	if err != nil {
		return result{}, err
	}
	if after == before {
		return result{}, errors.New("not one byte arrived in the window")
	}
	res := result{Bytes: after - before}
	res.spend(to.since(from))
	return res, nil
}

// longestWindow is for how long the window is open on a machine so busy that not
// one byte arrives in it.
const longestWindow = time.Minute

// waitOr waits for d, or less when a stream fails.
func waitOr(d time.Duration, failed <-chan error) error {
	select {
	case err := <-failed:
		return fmt.Errorf("stream ended: %w", err)
	case <-time.After(d):
		return nil
	}
}

func push(c net.Conn) error {
	b := make([]byte, writeSize)
	for i := range b {
		b[i] = byte(i * 7)
	}
	for {
		if _, err := c.Write(b); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

func drain(c net.Conn, got *atomic.Int64) error {
	b := make([]byte, readSize)
	for {
		n, err := c.Read(b)
		got.Add(int64(n))
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}

// measureCRR makes connections, r.streams at a time, each with one byte to and
// fro, and closes them from the dialler's side.
func measureCRR(r row, l net.Listener, dial func() (net.Conn, error), window time.Duration) (result, error) {
	defer l.Close()
	go acceptAndEcho(l)
	if took, failed := connectMany(r.streams, crrWarmUp, time.Now().Add(window+dialWait), dial); len(took) == 0 {
		return result{}, errors.Join(failed...)
	}
	from, err := readUsage()
	if err != nil {
		return result{}, err
	}
	took, failed := connectMany(r.streams, maxCRR, time.Now().Add(window), dial)
	to, err := readUsage()
	if err != nil {
		return result{}, err
	}
	if len(failed)*mostFailures > len(took) {
		return result{}, fmt.Errorf("%d connections failed, %d did not: %w", len(failed), len(took), failed[0])
	}
	res := summarize(took, to.since(from))
	res.Failed = len(failed)
	return res, nil
}

// mostFailures is for how many connections that work one may fail.
const mostFailures = 2

// connectMany makes up to n connections with that many workers, of which each
// begins one and none after until, and returns how long each took, and why others failed.
func connectMany(workers, n int, until time.Time, dial func() (net.Conn, error)) (took []time.Duration, failed []error) {
	var mu sync.Mutex
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			b := make([]byte, 1)
			for first := true; next.Add(1) <= int64(n) && (first || time.Now().Before(until)); first = false {
				from := time.Now()
				err := connectOnce(dial, b)
				d := time.Since(from)
				mu.Lock()
				if err != nil {
					failed = append(failed, err)
				} else {
					took = append(took, d)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return took, failed
}

func connectOnce(dial func() (net.Conn, error), b []byte) error {
	c, err := dial()
	if err != nil {
		return fmt.Errorf("dial: %w", err)
	}
	return errors.Join(roundTrip(c, b), c.Close())
}

func roundTrip(c net.Conn, b []byte) error {
	if _, err := c.Write(b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := io.ReadFull(c, b); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

func acceptAndEcho(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go echo(c, 1)
	}
}

// echo sends back what arrives until the other side closes.
func echo(c net.Conn, most int) {
	defer c.Close()
	b := make([]byte, most)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:n]); err != nil {
			return
		}
	}
}

// measurePingPong sends that many bytes back and forth and times each round trip.
func measurePingPong(bytes int, l net.Listener, dial func() (net.Conn, error), window time.Duration) (result, error) {
	dialled, accepted, err := pairUp(1, l, dial)
	if err != nil {
		return result{}, err
	}
	defer closeAll(dialled, accepted)
	go echo(accepted[0], bytes)
	took, b := make([]time.Duration, maxRounds), make([]byte, bytes)
	if _, err := pingMany(dialled[0], b, took[:pingWarmUp], time.Now().Add(dialWait)); err != nil {
		return result{}, err
	}
	from, err := readUsage()
	if err != nil {
		return result{}, err
	}
	n, err := pingMany(dialled[0], b, took, time.Now().Add(window))
	if err != nil {
		return result{}, err
	}
	to, err := readUsage()
	if err != nil {
		return result{}, err
	}
	return summarize(took[:n], to.since(from)), nil
}

// pingMany fills took with the times of round trips and returns how many it
// made before until.
func pingMany(c net.Conn, b []byte, took []time.Duration, until time.Time) (int, error) {
	from := time.Now()
	for i := range took {
		if err := roundTrip(c, b); err != nil {
			return i, err
		}
		now := time.Now()
		took[i], from = now.Sub(from), now
		if now.After(until) {
			return i + 1, nil
		}
	}
	return len(took), nil
}

// summarize turns the times of single operations into a result. It sorts took.
func summarize(took []time.Duration, s spent) result {
	slices.Sort(took)
	r := result{Ops: len(took)}
	if len(took) > 0 {
		r.P50 = microseconds(took[len(took)/2])
		r.P99 = microseconds(took[len(took)*99/100])
	}
	r.spend(s)
	return r
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
