package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/story"
)

// terminal is what is known of a stream that people may look at.
type terminal struct {
	io.Writer
	interactive bool
	color       bool
	width       int // columns; 0 when it is not a terminal
	lang        story.Lang
}

// streams are where a command writes: what was asked for, and what is said beside it.
type streams struct{ stdout, stderr terminal }

// streamsOf looks at the streams of a command that begins to run.
func streamsOf(cmd *cobra.Command) streams {
	return streams{terminalOf(cmd, cmd.OutOrStdout()), terminalOf(cmd, cmd.ErrOrStderr())}
}

// untilInterrupted returns a context that ends with the first Ctrl-C, or SIGTERM, so that
// the command can clean up; interruption says which it was. A second one ends the program
// at once.
func untilInterrupted(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop = func() { cancel(nil) }
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		var cause error
		select {
		case s := <-signals:
			cause = exitError(128 + int(s.(syscall.Signal))) // as a shell says it
		case <-ctx.Done():
		}
		// First this: who is told that it is over may be interrupted again at once.
		signal.Stop(signals)
		cancel(cause)
	}()
	return ctx, stop
}

// interruption is the exit of a command whose context a signal has ended.
func interruption(ctx context.Context) error {
	if e, ok := errors.AsType[exitError](context.Cause(ctx)); ok {
		return e
	}
	return exitError(exitInterrupted)
}

// newTerminal looks at w. Colour follows https://no-color.org.
func newTerminal(w io.Writer) terminal {
	t := terminal{Writer: w}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return t
	}
	t.interactive = os.Getenv("TERM") != "dumb"
	t.color = t.interactive && os.Getenv("NO_COLOR") == ""
	if width, _, err := term.GetSize(int(f.Fd())); err == nil {
		t.width = width
	}
	return t
}

// The widths of text where nobody says how wide it may be: a pipe has the one of
// an old terminal, and lines longer than the other are hard to read.
const (
	pipeWidth = 80
	maxWidth  = 120
)

// columns is how wide a line of text may be: as wide as the terminal, or as
// COLUMNS says.
func (t terminal) columns() int { return min(t.allColumns(), maxWidth) }

// columnsSet reports whether the environment says how wide lines may be.
func columnsSet() bool {
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	return err == nil && n > 0
}

// allColumns is how many columns there are, however long lines would be.
func (t terminal) allColumns() int {
	width := t.width
	if columnsSet() {
		width, _ = strconv.Atoi(os.Getenv("COLUMNS")) // it is a number
	}
	if width <= 0 {
		width = pipeWidth
	}
	return width
}

// oneLine returns the first of several ways to say something that has room in one
// line, or as much of the last as has.
func (t terminal) oneLine(ways ...string) string {
	room := t.allColumns() - 1 // the cursor stands behind it
	for _, w := range ways {
		if story.Columns(w) <= room {
			return w
		}
	}
	last := []rune(ways[len(ways)-1])
	for story.Columns(string(last)) > room {
		last = last[:len(last)-1]
	}
	return string(last)
}

// The columns of a progress bar, and of what stands beside it.
const (
	barWidth    = 30
	besideBar   = 30
	nameColumns = 8 // of what is under way
)

var progressLine = say.Text{"  %s %3d %%  %s of %s\n", "  %s %3d %%  %s / %s\n"}

// progress shows how far a transfer is: as a bar on a terminal, and elsewhere
// as a line a second, when it takes more than one.
type progress struct {
	name  string
	total int64
	out   terminal
	bar   *progressbar.ProgressBar

	mu    sync.Mutex
	done  int64
	shown time.Time
}

func newProgress(out terminal, what say.Text, total int64) *progress {
	name := what[out.lang]
	p := &progress{name: name, total: total, out: out, shown: time.Now()}
	if out.interactive {
		p.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(out),
			progressbar.OptionSetDescription("  "+say.Left(name, nameColumns)),
			progressbar.OptionThrottle(50*time.Millisecond),
			progressbar.OptionSetWidth(max(min(barWidth, out.allColumns()-besideBar), 1)), progressbar.OptionClearOnFinish(), progressbar.OptionEnableColorCodes(false))
	}
	return p
}

// Write counts len(b) bytes as done.
func (p *progress) Write(b []byte) (int, error) {
	if p.bar != nil {
		return p.bar.Write(b)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += int64(len(b))
	if time.Since(p.shown) >= time.Second && p.done < p.total {
		p.shown = time.Now()
		fmt.Fprintf(p.out, progressLine[p.out.lang], say.Left(p.name, nameColumns), p.done*100/p.total, formatSize(p.done), formatSize(p.total))
	}
	return len(b), nil
}

// finish removes the bar.
func (p *progress) finish() {
	if p.bar != nil {
		p.bar.Finish() // an error here is a broken terminal: the results come next and will say so
	}
}
