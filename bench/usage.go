package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what the process and the machine have spent up to a moment.
type usage struct {
	at      time.Time
	cpu     time.Duration // user and system time of this process
	busy    time.Duration // the same of the whole machine
	mallocs uint64        // heap objects allocated
}

// readUsage reads the counters. It stops the world for some microseconds.
func readUsage() (usage, error) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return usage{}, fmt.Errorf("getrusage: %w", err)
	}
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	return usage{
		at:      time.Now(),
		cpu:     time.Duration(ru.Utime.Nano() + ru.Stime.Nano()),
		busy:    machineBusy(),
		mallocs: ms.Mallocs,
	}, nil
}

// userTicks is how many ticks of /proc/stat make a second, on every
// architecture that Go runs on.
const userTicks = 100

// machineBusy returns the time that all processors were not idle, or 0 where
// /proc/stat cannot be read.
func machineBusy() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var ticks int64
	for i, f := range strings.Fields(string(line)) {
		// cpu user nice system idle iowait irq softirq steal guest guest_nice
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userTicks
}

// spent is the difference of two usages.
type spent struct {
	wall, cpu time.Duration
	mallocs   uint64
	others    float64 // processors kept busy by everybody else
}

func (u usage) since(from usage) spent {
	s := spent{wall: u.at.Sub(from.at), cpu: u.cpu - from.cpu, mallocs: u.mallocs - from.mallocs}
	s.others = max(0, (u.busy-from.busy-s.cpu).Seconds()/s.wall.Seconds())
	return s
}

// systemVersion names the running kernel.
func systemVersion() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:])
}

// cpuModel names the processor.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return runtime.GOARCH
}
