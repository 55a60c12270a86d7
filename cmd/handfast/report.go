package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/lab/story"
)

var errDiffer = errors.New("the bytes that arrived are not those that were sent")

// report is what try prints.
type report struct {
	*tryOptions
	arena    *stage.Stage
	recorder *live.Recorder
	address  string
	done     []*transfer
}

func (r *report) printf(format string, args ...any) { fmt.Fprintf(r.stdout.report(), format, args...) }

func (r *report) bold(s string) string {
	if !r.stdout.color {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

func (r *report) begin() {
	r.printf("%s\n\n", r.bold("A client on "+r.arena.Client+", a server on Handfast"))
	r.printf("  link      %s\n  server    http://%s\n\n", r.arena.Link, r.address)
}

func (r *report) transfer(t *transfer) {
	r.done = append(r.done, t)
	verdict := fmt.Sprintf("SHA-256 equal (%x)", t.sent[:4])
	if !t.equal() {
		verdict = fmt.Sprintf("SHA-256 differs: %x sent, %x arrived", t.sent[:4], t.received[:4])
	}
	r.printf("  %-8s  %s in %.2f s, %s, %s\n", t.name, formatSize(t.bytes), t.took.Seconds(),
		formatRate(t.bytes, t.took), verdict)
}

// end draws the connection, sums up, and returns what went wrong.
func (r *report) end(closing error) error {
	r.printf("\n%s\n\n", r.bold("The handshake and the close of that connection"))
	if err := r.ladder(r.stdout); err != nil {
		return err
	}
	r.totals()
	// The picture is written also of a trial that went wrong: then it is wanted most.
	if err := r.out.write(r.recorder, "A client on "+r.arena.Client+", a server on Handfast"); err != nil {
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
	t := r.recorder.Tell(story.TellOptions{})
	l := story.Ladder{Lanes: t.Lanes, Width: r.stdout.columns(), ASCII: r.ascii, Color: r.stdout.color}
	if err := l.Write(w, t.Steps); err != nil {
		return err
	}
	r.printf("\n%s\n", legend(t.Steps, r.ascii, r.stdout))
	if err := r.recorder.PeerProblem(); err != nil {
		r.printf("\nThe kernel's states are not shown: %v\n", err)
	}
	return nil
}

// legend says what the signs of a ladder mean, and how there can be a segment that
// is larger than what both ends have agreed on.
func legend(steps []story.Step, ascii bool, out terminal) string {
	lines := story.Legend(steps, story.English, ascii, out.columns())
	if n := largest(steps); n > ethernetMSS {
		lines = append(lines, story.Wrap(fmt.Sprintf("len %d: several segments of the MSS at once, where nothing on the way has to carry them one by one", n), out.columns())...)
	}
	return strings.Join(lines, "\n")
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
	r.printf("\n%s\n\n  %s in %.2f s, %s\n", r.bold("Totals"), formatSize(bytes), took.Seconds(), formatRate(bytes, took))
	r.printf("  %s segments sent, %s received, %s retransmitted\n", formatCount(sent), formatCount(received), formatCount(again))
}
