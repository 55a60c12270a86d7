package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/ring"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/clock"
)

const (
	// headerSnap is as much of a packet as its headers take, with those that ICMP quotes.
	headerSnap = 320
	wholeSnap  = 1 << 18
	// drains is how long after the end packets are waited for that are in the ring: the
	// kernel hands a block over after less.
	drains = 100 * time.Millisecond
	// looks is how often it is seen whether to go on.
	looks = 100 * time.Millisecond
)

var (
	liveListens = say.Text{"capturing from %s; Ctrl-C ends it and tells what was seen\n", "正在从 %s 抓包；按 Ctrl-C 结束并显示结果\n"}
	liveNow     = say.Text{"%s packets, %s connections, %s of them open", "%s 个包，%s 条连接，其中 %s 条仍打开"}
	liveDropped = say.Text{"%s of %s packets were dropped, as the ring was full: what is told of gaps and missing answers may be due to that\n",
		"环形缓冲区已满，丢弃了 %[2]s 个包中的 %[1]s 个：所报告的缺口和缺失的回应可能由此而来\n"}
)

// live follows the packets of an interface until it is told to end.
func (o *analyzeOptions) live(ctx context.Context) error {
	snap := headerSnap
	if o.followed >= 0 {
		snap = wholeSnap
	}
	r, err := ring.Open(o.device, snap)
	if err != nil {
		return liveError(o.device, err)
	}
	defer r.Close()
	if o.lasts > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.lasts)
		defer stop()
	}
	o.stderr.printf(liveListens, o.device)
	a, err := newAnalysis(ctx, o)
	if err != nil {
		return err
	}
	gone := a.listen(ctx, r)
	if err := a.finish(); err != nil {
		return err
	}
	s, err := r.Statistics()
	if err == nil && s.Dropped > 0 {
		o.stderr.printf(liveDropped, formatCount(s.Dropped), formatCount(s.Packets))
	}
	if gone != nil {
		return liveError(o.device, gone)
	}
	return err
}

// listen takes packets until the context ends, and then those that are in the ring.
func (a *analysis) listen(ctx context.Context, r *ring.Ring) error {
	progress := a.progress()
	defer progress("")
	var told, end clock.Time // end: of what is taken, once it is known
	for wait := looks; ; {
		p, err := r.Next(wait)
		now := clock.Time(time.Now().UnixNano())
		switch {
		case err != nil:
			return err
		case end > 0 && (p == nil || p.Time > end):
			return nil
		case end == 0 && ctx.Err() != nil:
			wait, end = drains, now
		}
		if p != nil {
			if a.tracker.Packet(p); a.failed != nil {
				return nil // finish tells
			}
		}
		if now.Sub(told) >= time.Second/2 {
			told = now
			n := &a.tracker.Counts
			progress(fmt.Sprintf(liveNow[a.stderr.lang], formatCount(n.Packets), formatCount(a.tracker.Streams()), formatCount(a.tracker.Open())))
		}
	}
}

// progress returns what writes one line of a terminal again and again, and takes it away.
func (a *analysis) progress() func(line string) {
	if !a.stderr.interactive {
		return func(string) {}
	}
	return func(line string) { fmt.Fprintf(a.stderr, "\r%s\x1b[K", a.stderr.oneLine(line)) }
}

// liveError says why there is no capture, and what to do.
func liveError(device string, err error) error {
	switch {
	case errors.Is(err, ring.ErrRights):
		return say.Errorf(say.Text{"-i %s: capturing needs root, or CAP_NET_RAW: sudo handfast analyze -i %s", "-i %s：抓包需要 root 或 CAP_NET_RAW：sudo handfast analyze -i %s"}, device, device)
	case errors.Is(err, ring.ErrNoInterface):
		names := interfaceNames()
		if like := closest(device, names); len(like) > 0 {
			names = like
		}
		return say.Errorf(say.Text{"-i %s: there is no such interface; there are %s", "-i %s：没有这个网络接口；现有 %s"}, device, strings.Join(names, ", "))
	case errors.Is(err, ring.ErrGone):
		return say.Errorf(say.Text{"-i %s: the interface is down or gone", "-i %s：网络接口已停用或已不存在"}, device)
	case errors.Is(err, ring.ErrUnsupported):
		return say.Errorf(say.Text{"-i %s: packets are captured on Linux only: capture them by another program, and read its file", "-i %s：只有在 Linux 上才能抓包：请用其他程序抓包，再读取其文件"}, device)
	}
	return say.Errorf(say.All("-i %s: %w"), device, err)
}

func interfaceNames() []string {
	names := []string{ring.Any}
	all, err := net.Interfaces()
	if err != nil {
		return names
	}
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 {
			names = append(names, i.Name)
		}
	}
	return names
}
