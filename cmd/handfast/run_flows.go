package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/lab/story"
)

// maxFlows is how many flows are listed. What more there were is counted.
const maxFlows = 200

// flowLog keeps what became of flows.
type flowLog struct {
	noPing sync.Once
	stderr terminal
	ended  chan struct{} // has a token when a flow has ended since it was looked at

	mu   sync.Mutex
	ends []gateway.End
	more int
}

var pingsStay = say.Text{"handfast: pings to other machines do not leave this one: %v\n", "handfast: 发往其他机器的 ping 无法离开本机：%v\n"}

func (l *flowLog) add(e gateway.End) {
	if isRefusedPing(&e) {
		l.noPing.Do(func() {
			fmt.Fprintf(l.stderr, pingsStay[l.stderr.lang], e.Err)
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
func destination(f gateway.Flow, lang story.Lang) string {
	switch {
	case f.Network == "icmp":
		return f.Destination.Addr().String()
	case f.Destination.Addr() == insideAddrs[0].Addr():
		return fmt.Sprintf(say.Text{":%d from %v", ":%d 来自 %v"}[lang], f.Destination.Port(), f.Source)
	}
	return f.Destination.String()
}

// write prints a line for each flow, in the order in which they began.
func (l *flowLog) write(w terminal) {
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
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Flow.Network, destination(e.Flow, w.lang), formatSize(e.Sent), formatSize(e.Received),
			rtt, retrans, shortTime(e.Took), endOf(e)[w.lang])
	}
	t.Flush()
	if l.more > 0 {
		fmt.Fprintf(w, say.Text{"and %d more\n", "另有 %d 条\n"}[w.lang], l.more)
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
func endOf(e *gateway.End) say.Text {
	var dns *net.DNSError
	switch {
	case e.Err == nil && e.Flow.Network != "tcp":
		return say.Text{"idle", "空闲"}
	case e.Err == nil:
		return say.Text{"closed", "已关闭"}
	case errors.Is(e.Err, gateway.ErrPolicy), isRefusedPing(e):
		return say.Text{"not allowed", "不允许"}
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return say.Text{"refused", "被拒绝"}
	case errors.Is(e.Err, syscall.ECONNRESET), errors.Is(e.Err, syscall.EPIPE):
		return say.Text{"reset", "被复位"}
	case errors.Is(e.Err, syscall.EHOSTUNREACH), errors.Is(e.Err, syscall.ENETUNREACH):
		return say.Text{"unreachable", "不可达"}
	case errors.Is(e.Err, context.DeadlineExceeded), errors.Is(e.Err, syscall.ETIMEDOUT):
		return say.Text{"timed out", "超时"}
	case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, net.ErrClosed):
		return say.Text{"cut off at the end", "结束时被切断"} // of run or vm
	case errors.As(e.Err, &dns):
		return say.All(dns.Error())
	}
	return say.Text{e.Err.Error(), say.Error(e.Err, story.Chinese)}
}
