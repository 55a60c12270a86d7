package main

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/top"
	"github.com/handfast-tcp/handfast/inspect"
)

const topHelp = `Shows what the connections of every running handfast do, moment by moment, or
with --kernel those of the kernel: how fast each is, its round trip time, what is
sent again, what waits in queues; how full the half-open queue is, and what the
flood detector says. Enter shows one connection from near: its ladder, the state
diagram, and what TCP knows of it.

  r t x u    sort by rate, round trip time, retransmits, queue
  ↑ ↓ Enter  choose a connection, and show it; Esc goes back
  a          all states: listeners, half-open ones and TIME-WAIT, too
  p          hold the picture still
  Tab        ladder, state diagram, numbers of the one that is shown
  q          quit

Without a terminal there is nothing to draw on: --once prints one frame as text.`

type topOptions struct {
	source
	every time.Duration
	once  bool
	streams
}

func newTop() *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch connections live: ours, or the kernel's",
		Long:  topHelp,
		Example: `  handfast top
  handfast top --kernel
  handfast top --once`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.streams = streamsOf(cmd)
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.every, "interval", time.Second, "time from one look to the next")
	f.BoolVar(&o.once, "once", false, "print one frame as text, and end")
	o.addTo(cmd)
	addLang(f)
	return cmd
}

func (o *topOptions) run(ctx context.Context) error {
	if o.every < 100*time.Millisecond || o.every > time.Hour {
		return usagef(say.Text{"--interval %v: choose from 100ms to 1h", "--interval %v：取值为 100ms 到 1h"}, o.every)
	}
	if !o.once && (!o.stdout.interactive || !term.IsTerminal(int(os.Stdin.Fd()))) {
		return usagef(say.Text{"top draws on a terminal, and this is none; --once prints one frame as text", "top 需要在终端上绘制，而这里不是终端；--once 以文本形式输出一帧"})
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	if _, err := o.hosts(ctx, nil); err != nil { // said on the screen that is there already
		return err
	}
	var verdict atomic.Pointer[inspect.Flood]
	if o.kernel {
		go o.watchKernel(ctx, &verdict)
		if o.once { // so long the detector wants to see
			o.every = max(o.every, leastWatch+leastWatch/2)
		}
	}
	view := top.Options{Every: o.every, Lang: o.stdout.lang, Color: o.stdout.color, Tell: o.tell,
		Look: func(ctx context.Context) ([]pulse.Host, error) { return o.hosts(ctx, verdict.Load()) }}
	err := o.show(ctx, view)
	if ctx.Err() != nil {
		return interruption(ctx)
	}
	return err
}

func (o *topOptions) show(ctx context.Context, view top.Options) error {
	if !o.once {
		return top.Run(ctx, os.Stdin, o.stdout.Writer, view)
	}
	height := 0
	if f, ok := o.stdout.Writer.(*os.File); ok && o.stdout.interactive {
		_, height, _ = term.GetSize(int(f.Fd())) // 0 where it is not known: as long as it takes
	}
	return top.Once(ctx, o.stdout, o.stdout.allColumns(), height, view)
}

// watchKernel keeps the verdict of the kernel's floods.
func (o *topOptions) watchKernel(ctx context.Context, verdict *atomic.Pointer[inspect.Flood]) {
	next := leastWatch
	// Without one the screen says so, and all else is shown.
	_ = kernel.Watch(ctx, func(since time.Duration, judge func() *inspect.Flood) bool {
		if since >= next {
			verdict.Store(judge())
			next = since + time.Second
		}
		return true
	})
}

// hosts looks at all that is asked for; the kernel's verdict is known beside.
func (o *topOptions) hosts(ctx context.Context, verdict *inspect.Flood) ([]pulse.Host, error) {
	all, err := o.answers(ctx, false)
	if err != nil {
		return nil, err
	}
	hosts := make([]pulse.Host, len(all))
	for i, a := range all {
		if o.kernel {
			a.Flood = verdict
		}
		hosts[i] = pulse.Host{PID: a.Instance.PID, Name: a.Instance.Name, Report: a.Report}
	}
	return hosts, nil
}
