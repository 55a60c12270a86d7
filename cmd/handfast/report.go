package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/lab/story"
)

var errDiffer = say.Errorf(say.Text{"the bytes that arrived are not those that were sent", "收到的字节与发出的不同"})

// report is what try prints.
type report struct {
	*tryOptions
	arena    *stage.Stage
	recorder *live.Recorder
	address  string
	done     []*transfer
}

func (r *report) printf(format say.Text, args ...any) { r.stdout.printf(format, args...) }

// in returns a text in the language of the report.
func (r *report) in(t say.Text) string { return t[r.stdout.lang] }

// title says who talks to whom.
func (r *report) title() string {
	return fmt.Sprintf(r.in(say.Text{"A client on %s, a server on Handfast", "客户端使用%s，服务器使用 Handfast"}), r.in(r.arena.Client))
}

func (r *report) bold(s string) string {
	if !r.stdout.color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (r *report) begin() {
	r.printf(say.All("%s\n\n"), r.bold(r.title()))
	r.printf(say.Text{"  link      %s\n  server    http://%s\n\n", "  链路    %s\n  服务器  http://%s\n\n"}, r.in(r.arena.Link), r.address)
}

func (r *report) transfer(t *transfer) {
	r.done = append(r.done, t)
	verdict := fmt.Sprintf(r.in(say.Text{"SHA-256 equal (%x)", "SHA-256 一致（%x）"}), t.sent[:4])
	if !t.equal() {
		verdict = fmt.Sprintf(r.in(say.Text{"SHA-256 differs: %x sent, %x arrived", "SHA-256 不同：发出 %x，收到 %x"}), t.sent[:4], t.received[:4])
	}
	r.printf(say.Text{"  %s  %s in %.2f s, %s, %s\n", "  %s  %s，用时 %.2f s，%s，%s\n"}, say.Left(r.in(t.name), nameColumns), formatSize(t.bytes), t.took.Seconds(),
		formatRate(t.bytes, t.took), verdict)
}

// end draws the connection, sums up, and returns what went wrong.
func (r *report) end(closing error) error {
	r.printf(say.All("\n%s\n\n"), r.bold(r.in(say.Text{"The handshake and the close of that connection", "该连接的握手与关闭"})))
	if err := r.ladder(r.stdout); err != nil {
		return err
	}
	r.totals()
	// The picture is written also of a trial that went wrong: then it is wanted most.
	if err := r.out.write(r.recorder, r.title()); err != nil {
		return errors.Join(err, closing)
	}
	for _, t := range r.done {
		if !t.equal() {
			return errors.Join(errDiffer, closing)
		}
	}
	return closing
}

// ladder draws the kept part of the connection.
func (r *report) ladder(w io.Writer) error {
	t := r.recorder.Tell(story.TellOptions{Lang: r.stdout.lang})
	l := story.Ladder{Lanes: t.Lanes, Width: r.stdout.columns(), ASCII: r.ascii, Color: r.stdout.color}
	if err := l.Write(w, t.Steps); err != nil {
		return err
	}
	r.printf(say.All("\n%s\n"), legend(t.Steps, r.ascii, r.stdout))
	if err := r.recorder.PeerProblem(); err != nil {
		r.printf(say.Text{"\nThe kernel's states are not shown: %s\n", "\n没有显示内核一侧的状态：%s\n"}, say.Error(err, r.stdout.lang))
	}
	return nil
}

// legend says what the signs of a ladder mean, and how there can be a segment that
// is larger than what both ends have agreed on.
func legend(steps []story.Step, ascii bool, out terminal) string {
	lines := story.Legend(steps, out.lang, ascii, out.columns())
	if n := largest(steps); n > ethernetMSS {
		lines = append(lines, story.Wrap(fmt.Sprintf(superSegment[out.lang], n), out.columns())...)
	}
	return strings.Join(lines, "\n")
}

var superSegment = say.Text{
	story.English: "len %d: several segments of the MSS at once, where nothing on the way has to carry them one by one",
	story.Chinese: "len %d：多个 MSS 大小的报文段合为一个，途中无需逐个承载",
}

// ethernetMSS is the largest segment that fits into a packet of an Ethernet.
const ethernetMSS = 1460

// largest returns how many bytes the largest segment carries.
func largest(steps []story.Step) (most int) {
	for i := range steps {
		for _, f := range steps[i].Fields {
			if n, err := strconv.Atoi(strings.TrimPrefix(f, "len ")); err == nil && strings.HasPrefix(f, "len ") {
				most = max(most, n)
			}
		}
	}
	return most
}

func (r *report) totals() {
	var bytes int64
	var took time.Duration
	for _, t := range r.done {
		bytes, took = bytes+t.bytes, took+t.took
	}
	sent, received, again := r.recorder.Counts()
	r.printf(say.Text{"\n%s\n\n  %s in %.2f s, %s\n", "\n%s\n\n  %s，用时 %.2f s，%s\n"}, r.bold(r.in(say.Text{"Totals", "合计"})), formatSize(bytes), took.Seconds(), formatRate(bytes, took))
	r.printf(say.Text{"  %s segments sent, %s received, %s retransmitted\n", "  发送 %s 个报文段，接收 %s 个，重传 %s 个\n"}, formatCount(sent), formatCount(received), formatCount(again))
}
