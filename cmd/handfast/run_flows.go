package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/handfast-tcp/handfast/gateway"
)

// maxFlows is how many flows are listed. What more there were is counted.
const maxFlows = 200

// flowLog keeps what became of flows.
type flowLog struct {
	noPing sync.Once
	stderr io.Writer
	ended  chan struct{} // has a token when a flow has ended since it was looked at

	mu   sync.Mutex
	ends []gateway.End
	more int
}

func (l *flowLog) add(e gateway.End) {
	if isRefusedPing(&e) {
		l.noPing.Do(func() {
			fmt.Fprintf(l.stderr, "handfast: pings to other machines do not leave this one: %v\n", e.Err)
		})
	}
	defer l.tell()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ends) >= maxFlows {
		l.more++
		return
	}
	l.ends = append(l.ends, e)
}

// tell wakes who waits for flows to end. One token stands for any number of them.
func (l *flowLog) tell() {
	select {
	case l.ended <- struct{}{}:
	default:
	}
}

// isRefusedPing reports whether the system lets no ping out at all.
func isRefusedPing(e *gateway.End) bool {
	return e.Flow.Network == "icmp" && (errors.Is(e.Err, syscall.EACCES) || errors.Is(e.Err, syscall.EPROTONOSUPPORT))
}

// destination is where a flow went to. A ping has no port; what was published came
// from outside.
func destination(f gateway.Flow) string {
	switch {
	case f.Network == "icmp":
		return f.Destination.Addr().String()
	case f.Destination.Addr() == insideAddrs[0].Addr():
		return fmt.Sprintf(":%d from %v", f.Destination.Port(), f.Source)
	}
	return f.Destination.String()
}

// write prints a line for each flow, in the order in which they began.
func (l *flowLog) write(w io.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ends) == 0 {
		return
	}
	slices.SortStableFunc(l.ends, func(a, b gateway.End) int { return a.Began.Compare(b.Began) })
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nNetid\tDestination\tSent\tReceived\tRTT\tRetrans\tTime\tEnd")
	for i := range l.ends {
		e := &l.ends[i]
		rtt, retrans := "", ""
		if e.Info.RTT > 0 {
			rtt, retrans = shortTime(e.Info.RTT), fmt.Sprint(e.Info.TotalRetrans)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Flow.Network, destination(e.Flow), formatSize(e.Sent), formatSize(e.Received),
			rtt, retrans, shortTime(e.Took), endOf(e))
	}
	t.Flush()
	if l.more > 0 {
		fmt.Fprintf(w, "and %d more\n", l.more)
	}
}

// shortTime has three digits or so.
func shortTime(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// endOf says how a flow ended.
func endOf(e *gateway.End) string {
	var dns *net.DNSError
	switch {
	case e.Err == nil && e.Flow.Network != "tcp":
		return "idle"
	case e.Err == nil:
		return "closed"
	case errors.Is(e.Err, gateway.ErrPolicy), isRefusedPing(e):
		return "not allowed"
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(e.Err, syscall.ECONNRESET), errors.Is(e.Err, syscall.EPIPE):
		return "reset"
	case errors.Is(e.Err, syscall.EHOSTUNREACH), errors.Is(e.Err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, syscall.ETIMEDOUT):
		return "timed out"
	case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, net.ErrClosed):
		return "cut off at the end" // of run or vm
	case errors.As(e.Err, &dns):
		return dns.Error()
	}
	return e.Err.Error()
}
