package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/soak"
	"github.com/handfast-tcp/handfast/lab/story"
)

// soakReport is what soak tells while it goes on, and at the end.
type soakReport struct {
	*soakOptions
	began  time.Time
	sum    soak.Totals
	failed []soak.Report // the first ones
	wrong  int           // all that failed
	dirty  bool          // the live line stands on the terminal
}

func newSoakReport(o *soakOptions) *soakReport { return &soakReport{soakOptions: o, began: time.Now()} }

// mostFailures is how many lives that went wrong are told of; a fault that is common
// would fill the screen.
const mostFailures = 10

var failedLife = say.Text{
	story.English: "life %d failed: %v\n  %s soak --seed %d --once --ladder\n",
	story.Chinese: "种子 %d 的结果不符合要求：%v\n  %s soak --seed %d --once --ladder\n",
}

// add takes the report of a life.
func (r *soakReport) add(rep *soak.Report) {
	r.sum.Add(rep)
	if rep.Err == nil {
		return
	}
	if r.wrong++; r.wrong <= mostFailures {
		r.failed = append(r.failed, *rep)
		r.clear()
		r.stderr.printf(failedLife, rep.Seed, rep.Err, called(), rep.Seed)
	}
}

// clear takes the live line away.
func (r *soakReport) clear() {
	if r.dirty {
		fmt.Fprint(r.stderr, "\r\x1b[K")
		r.dirty = false
	}
}

// soakLines say how it stands, from the longest to the shortest.
var soakLines = []say.Text{
	{"  %s of %v  %s lives, %s virtual  %s connections, %s  %d failed", "  %s / %v  %s 次，虚拟时间 %s  连接 %s 个，%s  %d 次不符合要求"},
	{"  %s of %v  %s lives, %d failed", "  %s / %v  %s 次，%d 次不符合要求"},
}

// live shows how it stands, at a terminal alone, on one line.
func (r *soakReport) live() {
	if !r.stderr.interactive {
		return
	}
	took, most, lives := time.Since(r.began).Round(time.Second), time.Duration(r.minutes*float64(time.Minute)), formatCount(r.sum.Lives)
	long := fmt.Sprintf(soakLines[0][r.stderr.lang], took, most, lives, r.virtual(), formatCount(r.sum.Conns), formatSize(r.sum.Bytes), r.wrong)
	short := fmt.Sprintf(soakLines[1][r.stderr.lang], took, most, lives, r.wrong)
	fmt.Fprintf(r.stderr, "\r\x1b[K%s", r.stderr.oneLine(long, short))
	r.dirty = true
}

// virtual is the time that all worlds have lived.
func (r *soakReport) virtual() string {
	const day = 24 * time.Hour
	switch d := r.sum.Life; {
	case d >= 365*day:
		return fmt.Sprintf(say.Text{"%.1f years", "%.1f 年"}[r.stdout.lang], d.Hours()/24/365)
	case d >= day:
		return fmt.Sprintf(say.Text{"%.1f days", "%.1f 天"}[r.stdout.lang], d.Hours()/24)
	}
	return fmt.Sprintf(say.Text{"%.1f hours", "%.1f 小时"}[r.stdout.lang], r.sum.Life.Hours())
}

var (
	soakSummary = say.Text{
		story.English: "%s lives in %v, %.0f a second; seeds %d to %d\n%s of virtual time, %s connections: %s whole, %s ended with an error, as expected\n%s packets, %s delivered\n",
		story.Chinese: "%s 次，用时 %v，每秒 %.0f 次；种子 %d 到 %d\n虚拟时间 %s，连接 %s 个：%s 个完整，%s 个按规定以错误结束\n包 %s 个，送达 %s\n",
	}
	soakReached = say.Text{
		story.English: "%s lives were played twice, with something changed that should make no difference\nreached: %d of %d arrows of the state diagram, %d reasons to drop a segment, %d of %d counters\n",
		story.Chinese: "%s 次演示了两遍，第二遍所改变的不应造成任何差别\n覆盖：状态图 %d/%d 条箭头，%d 种丢弃报文段的原因，%d/%d 个计数器\n",
	}
	soakGood  = say.Text{"all of them passed\n", "全部符合要求\n"}
	soakWrong = say.Text{"%s of %s lives failed; the first has the seed %d", "%s 次（共 %s 次）不符合要求；第一个种子是 %d"}
)

// end sums up. interrupted is over when a signal has ended the lives early.
func (r *soakReport) end(interrupted context.Context) error {
	r.clear()
	if r.json {
		if err := r.writeJSON(); err != nil {
			return err
		}
	} else {
		r.summary()
	}
	switch {
	case r.wrong > 0:
		return say.Errorf(soakWrong, formatCount(r.wrong), formatCount(r.sum.Lives), r.failed[0].Seed)
	case interrupted.Err() != nil:
		return interruption(interrupted)
	}
	return nil
}

func (r *soakReport) summary() {
	s, took := &r.sum, time.Since(r.began)
	r.stdout.printf(soakSummary, formatCount(s.Lives), took.Round(time.Second/10), float64(s.Lives)/max(took.Seconds(), 1e-9), r.seed, r.seed+uint64(max(s.Lives, 1))-1,
		r.virtual(), formatCount(s.Conns), formatCount(s.Polite), formatCount(s.Failures), formatCount(uint64(s.Packets)), formatSize(s.Bytes))
	moves, arrows := s.Coverage.Moves()
	counted, counters := s.Coverage.Counters()
	r.stdout.printf(soakReached, formatCount(s.Related), moves, arrows, s.Coverage.Drops(), counted, counters)
	if r.wrong == 0 {
		r.stdout.printf(soakGood)
	}
}

// soakJSON is the summary as JSON.
type soakJSON struct {
	Seed         uint64         `json:"seed"`
	Lives        int            `json:"lives"`
	Seconds      float64        `json:"seconds"`
	VirtualHours float64        `json:"virtual_hours"`
	Connections  int            `json:"connections"`
	Whole        int            `json:"whole"`
	Errors       int            `json:"errors"`
	Packets      int64          `json:"packets"`
	Bytes        int64          `json:"bytes"`
	Twice        int            `json:"played_twice"`
	Moves        int            `json:"state_moves"`
	Drops        int            `json:"drop_reasons"`
	Counters     int            `json:"counters"`
	NotMoved     []string       `json:"state_moves_missing"`
	NotCounted   []string       `json:"counters_missing"`
	Wrong        int            `json:"wrong"`
	Failed       []soakLifeJSON `json:"failed,omitempty"`
}

// soakLifeJSON is one life as JSON.
type soakLifeJSON struct {
	Seed         uint64  `json:"seed"`
	Plan         string  `json:"plan"`
	Packets      int     `json:"packets"`
	Bytes        int     `json:"bytes"`
	Connections  int     `json:"connections"`
	VirtualHours float64 `json:"virtual_hours"`
	Relation     string  `json:"relation,omitempty"`
	Error        string  `json:"error,omitempty"`
}

func lifeJSON(r *soak.Report) soakLifeJSON {
	l := soakLifeJSON{Seed: r.Seed, Plan: r.Plan, Packets: r.Packets, Bytes: r.Bytes, Connections: r.Conns, VirtualHours: r.Life.Hours(), Relation: r.Relation}
	if r.Err != nil {
		l.Error = r.Err.Error()
	}
	return l
}

func (r *soakReport) writeJSON() error {
	s := &r.sum
	moves, _ := s.Coverage.Moves()
	counted, _ := s.Coverage.Counters()
	notMoved, notCounted := s.Coverage.Missing()
	out := soakJSON{Seed: r.seed, Lives: s.Lives, Seconds: time.Since(r.began).Seconds(), VirtualHours: s.Life.Hours(), Connections: s.Conns,
		Whole: s.Polite, Errors: s.Failures, Packets: s.Packets, Bytes: s.Bytes, Twice: s.Related, Moves: moves, Drops: s.Coverage.Drops(), Counters: counted,
		NotMoved: notMoved, NotCounted: notCounted, Wrong: r.wrong}
	for i := range r.failed {
		out.Failed = append(out.Failed, lifeJSON(&r.failed[i]))
	}
	return json.NewEncoder(r.stdout).Encode(out)
}
