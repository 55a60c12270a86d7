package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// footprint is the memory of this process.
type footprint struct{ heap, resident int64 }

// readFootprint collects garbage and gives free pages back first. Resident
// memory also shows what lies outside the heap.
func readFootprint() (footprint, error) {
	for range 3 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return footprint{}, err
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return footprint{}, errors.New("/proc/self/statm has no second field")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return footprint{int64(ms.HeapAlloc), pages * int64(os.Getpagesize())}, err
}

func (f footprint) minus(g footprint) footprint {
	return footprint{f.heap - g.heap, f.resident - g.resident}
}

// grown returns by how much f makes memory grow.
func grown(f func() error) (footprint, error) {
	before, err := readFootprint()
	if err != nil {
		return footprint{}, err
	}
	if err := f(); err != nil {
		return footprint{}, err
	}
	after, err := readFootprint()
	return after.minus(before), err
}

// measureMemory says what count entries take in a stack, beyond what the same
// stack takes without them.
func measureMemory(r row, p *peer) (result, error) {
	if p.objects[r.kind] != nil {
		return slabs(r.count, p.objects[r.kind])
	}
	var empty, full *packetStack // kept to the end
	bare, err := grown(func() (err error) {
		empty, err = p.packets(packetOptions{capacity: 1})
		return err
	})
	if err != nil {
		return result{}, err
	}
	c := newCrowd(r.kind, r.count)
	begun := time.Now()
	all, err := grown(func() (err error) {
		if full, err = p.packets(packetOptions{capacity: r.count}); err != nil {
			return err
		}
		return c.fill(full)
	})
	if err != nil {
		return result{}, err
	}
	if err := c.check(); err != nil {
		return result{}, err
	}
	runtime.KeepAlive(empty)
	return memoryResult(r.count, all.minus(bare), begun), nil
}

func memoryResult(n int, f footprint, begun time.Time) result {
	return result{Ops: n, Bytes: f.heap, Resident: f.resident, Seconds: time.Since(begun).Seconds()}
}

// check counts the entries where the stack can tell.
func (c *crowd) check() error {
	runtime.KeepAlive(c.conns)
	if c.s.entries == nil {
		return nil
	}
	if n := c.s.entries(); n < len(c.seen)*99/100 {
		return fmt.Errorf("only %d of %d entries are there", n, len(c.seen))
	}
	return nil
}

// measureBoth makes count connections between two stacks of one kind.
func measureBoth(r row, attach func() (stack, stack, error)) (result, error) {
	var kept []any
	pair := func() (near, far stack, err error) {
		near, far, err = attach()
		kept = append(kept, near, far)
		return near, far, err
	}
	bare, err := grown(func() error {
		_, _, err := pair()
		return err
	})
	if err != nil {
		return result{}, err
	}
	ends := make([]net.Conn, 0, 2*r.count)
	begun := time.Now()
	all, err := grown(func() (err error) {
		near, far, err := pair()
		if err == nil {
			ends, err = connectAll(r.count, near, far, ends)
		}
		return err
	})
	if err != nil {
		return result{}, err
	}
	runtime.KeepAlive(ends)
	runtime.KeepAlive(kept)
	return memoryResult(r.count, all.minus(bare), begun), nil
}

// perPort is how many connections go to one port: fewer than the dialler has
// ports.
const perPort = 10_000

// connectAll makes n connections and appends both ends of each.
func connectAll(n int, near, far stack, ends []net.Conn) ([]net.Conn, error) {
	for first := 0; first < n; first += perPort {
		port := uint16(benchPort + first/perPort)
		l, err := far.listen(port)
		if err != nil {
			return ends, fmt.Errorf("listen: %w", err)
		}
		to := netip.AddrPortFrom(far.addr(), port)
		dialled, accepted, err := pairUp(min(perPort, n-first), l, func() (net.Conn, error) { return near.dial(to) })
		if err != nil {
			return ends, err
		}
		ends = append(append(ends, dialled...), accepted...)
	}
	return ends, nil
}

// slabs reads from /proc/slabinfo how many bytes n of each of the objects
// take.
func slabs(n int, objects []string) (result, error) {
	f, err := os.Open("/proc/slabinfo")
	if err != nil {
		return result{}, err
	}
	defer f.Close()
	sizes := make(map[string]int64)
	for s := bufio.NewScanner(f); s.Scan(); {
		// name active total size ...
		if w := strings.Fields(s.Text()); len(w) > 3 {
			sizes[w[0]], _ = strconv.ParseInt(w[3], 10, 64)
		}
	}
	var sum int64
	for _, o := range objects {
		if sizes[o] == 0 {
			return result{Skipped: "/proc/slabinfo has no " + o}, nil
		}
		sum += sizes[o]
	}
	return result{Ops: n, Bytes: sum * int64(n), Resident: sum * int64(n)}, nil
}
