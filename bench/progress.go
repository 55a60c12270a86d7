package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// progress tells how far a run is: a line that is written over on a terminal,
// a line now and then elsewhere.
type progress struct {
	w           *os.File
	terminal    bool
	done, total int
	begun       time.Time
	limit       time.Duration
}

// progressEvery is after how many cases a line is written.
const progressEvery = 10

func newProgress(w *os.File, plans []plan, rounds int, limit time.Duration) *progress {
	p := &progress{w: w, begun: time.Now(), limit: limit}
	_, err := unix.IoctlGetTermios(int(w.Fd()), unix.TCGETS)
	p.terminal = err == nil
	for _, pl := range plans {
		if pl.once {
			p.total += len(pl.cases)
		} else {
			p.total += rounds * len(pl.cases)
		}
	}
	return p
}

// begin says that a case starts.
func (p *progress) begin(s spec, round int) {
	switch {
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[K[%d/%d] round %d: %s, %s%s", p.done+1, p.total, round, s.Row, s.Peer, p.left())
	case p.done%progressEvery == 0:
		fmt.Fprintf(p.w, "round %d, %d of at most %d cases done%s\n", round, p.done, p.total, p.left())
	}
	p.done++
}

// left says how long it runs and, after some cases, how long it may yet take.
func (p *progress) left() string {
	so := time.Since(p.begun)
	text := fmt.Sprintf(", %v so far", so.Round(time.Second))
	if p.done == 0 || p.done < p.total/10 {
		return text
	}
	rest := so / time.Duration(p.done) * time.Duration(p.total-p.done)
	return fmt.Sprintf("%s, at most about %v left", text, min(rest, max(0, p.limit-so)).Round(time.Second))
}

// end clears the line.
func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
