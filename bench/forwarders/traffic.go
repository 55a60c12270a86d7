package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// row is what is measured.
type row struct {
	name    string
	mtu     int
	kind    byte // up, down, connect, ping-pong
	streams int
}

var rows = []row{
	{"1500 up 1", 1500, 'u', 1}, {"1500 up 8", 1500, 'u', 8}, {"1500 down 1", 1500, 'd', 1}, {"1500 down 8", 1500, 'd', 8},
	{"65520 up 1", 65520, 'u', 1}, {"65520 up 8", 65520, 'u', 8}, {"65520 down 1", 65520, 'd', 1}, {"65520 down 8", 65520, 'd', 8},
	{"connect", 1500, 'c', 16}, {"ping-pong", 1500, 'p', 1},
}

// connects and roundTrips are how many are measured.
const connects, roundTrips = 2000, 5000

// figure makes units of a client's report, given the processor time of the client and
// the peer, and that of the server.
func (r *row) figure(c clientReport, between, server float64) figure {
	f := figure{total: between + server, peer: between - c.CPU}
	f.raw = raw{Amount: c.Amount, Seconds: c.Seconds, P50: c.P50, CPU: f.total, Between: f.peer}
	per := c.Amount
	switch r.kind {
	case 'c':
		f.rate, f.rateUnit, f.cpuUnit = c.Amount/c.Seconds, "/s", "µs each"
		per /= 1e6
	case 'p':
		f.rate, f.rateUnit, f.cpuUnit = c.P50, "µs p50", "µs each"
		per /= 1e6
	default:
		f.rate, f.rateUnit, f.cpuUnit = c.Amount*8/1e9/c.Seconds, "Gbit/s", "s/GB"
		per /= 1e9
	}
	f.total, f.peer = f.total/per, f.peer/per
	return f
}

// serve does what the first byte of each connection says, until SIGTERM.
func serve() error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() { <-signals; os.Exit(0) }()
	l, err := net.Listen("tcp", serverAddr)
	if err != nil {
		return err
	}
	fmt.Print("+")
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answer(c)
	}
}

const bufferSize = 128 << 10

func answer(c net.Conn) {
	defer c.Close()
	p := make([]byte, bufferSize)
	if _, err := io.ReadFull(c, p[:1]); err != nil {
		return
	}
	switch p[0] {
	case 'u':
		for err := error(nil); err == nil; {
			_, err = c.Read(p)
		}
	case 'd':
		for err := error(nil); err == nil; {
			_, err = c.Write(p)
		}
	case 'c':
		c.Write(p[:1])
	case 'p':
		for err := error(nil); err == nil; {
			if _, err = io.ReadFull(c, p[:64]); err == nil {
				_, err = c.Write(p[:64])
			}
		}
	}
}

// beClient does a row and prints a report.
func (o *options) beClient() error {
	i := slices.IndexFunc(rows, func(r row) bool { return r.name == o.client })
	if i < 0 {
		return fmt.Errorf("no row %q", o.client)
	}
	var c clientReport
	began := time.Now()
	err := rows[i].do(&c, time.Duration(o.seconds*float64(time.Second)))
	if err != nil {
		return err
	}
	c.Seconds = time.Since(began).Seconds()
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	c.CPU = time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
	return json.NewEncoder(os.Stdout).Encode(c)
}

func (r *row) do(c *clientReport, d time.Duration) error {
	switch r.kind {
	case 'p':
		return r.pingPong(c)
	case 'c':
		return r.connect(c)
	}
	var amount atomic.Int64
	err := r.together(func() error {
		n, err := r.transfer(d)
		amount.Add(n)
		return err
	})
	c.Amount = float64(amount.Load())
	return err
}

// together runs f once for each stream.
func (r *row) together(f func() error) error {
	errs := make([]error, r.streams)
	var running sync.WaitGroup
	for i := range errs {
		running.Go(func() { errs[i] = f() })
	}
	running.Wait()
	return errors.Join(errs...)
}

func (r *row) dial() (net.Conn, error) {
	c, err := net.Dial("tcp", serverAddr)
	if err == nil {
		_, err = c.Write([]byte{r.kind})
	}
	return c, err
}

// transfer sends or receives for some time.
func (r *row) transfer(d time.Duration) (n int64, err error) {
	c, err := r.dial()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	p := make([]byte, bufferSize)
	for end := time.Now().Add(d); time.Now().Before(end); {
		m := 0
		if r.kind == 'u' {
			m, err = c.Write(p)
		} else {
			m, err = c.Read(p)
		}
		if n += int64(m); err != nil {
			return n, err
		}
	}
	return n, nil
}

// connect opens a connection, hears a byte and closes, again and again.
func (r *row) connect(report *clientReport) error {
	report.Amount = connects
	return r.together(func() error {
		for range connects / r.streams {
			c, err := r.dial()
			if err != nil {
				return err
			}
			if _, err := io.ReadAll(c); err != nil {
				return err
			}
			c.Close()
		}
		return nil
	})
}

func (r *row) pingPong(report *clientReport) error {
	c, err := r.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	p := make([]byte, 64)
	took := make([]float64, roundTrips)
	for i := range took {
		began := time.Now()
		if _, err = c.Write(p); err == nil {
			_, err = io.ReadFull(c, p)
		}
		if err != nil {
			return err
		}
		took[i] = float64(time.Since(began)) / 1e3
	}
	slices.Sort(took)
	report.Amount, report.P50 = roundTrips, took[len(took)/2]
	return nil
}
