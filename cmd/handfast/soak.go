package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/soak"
)

const soakHelp = `Lets pairs of hosts live in virtual time, one life after the other. A seed draws
each: bad wires that change, cuts, ICMP and segments true and forged, floods,
reboots, clocks that are off, sequence numbers at the wrap, all congestion
controls and options, what programs do, hours of silence, now and then gigabytes.
What must be true of all lives is checked after every step; some are played
twice, with something changed that should make no difference.

A life that is other than it has to be is told with its seed, and the command
ends with code 1. The same seed gives the same life:

  handfast soak --seed 4711 --once --ladder
  handfast soak --seed 4711 --once --out life.html

Without --once the lives go on for --minutes, or until Ctrl-C.`

type soakOptions struct {
	minutes     float64
	lives       uint64
	seed        uint64
	jobs        int
	once        bool
	ladder      bool
	explain     bool
	ascii       bool
	json        bool
	from, until time.Duration
	out         outFile

	streams
}

func newSoak() *cobra.Command {
	var o soakOptions
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Play random lives full of faults, and check that TCP copes",
		Long:  soakHelp,
		Example: `  handfast soak
  handfast soak --minutes 30
  handfast soak --seed 1 --lives 10000 --jobs 1
  handfast soak --lives 1000 --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.streams = streamsOf(cmd)
			seeded := cmd.Flags().Changed("seed")
			if err := o.check(seeded); err != nil {
				return err
			}
			if o.once {
				return o.show()
			}
			if !seeded {
				o.seed = rand.Uint64N(1 << 40) // short enough to be typed
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.Float64Var(&o.minutes, "minutes", 1, "how long it goes on, in real time")
	f.Uint64Var(&o.lives, "lives", 0, "how many lives at most; 0: as many as the time allows")
	f.Uint64Var(&o.seed, "seed", 0, "of the first life; those after it have the next ones (default another one each time)")
	f.IntVar(&o.jobs, "jobs", runtime.GOMAXPROCS(0), "how many lives go on at a time")
	f.BoolVar(&o.once, "once", false, "play the life of --seed alone, and tell of it")
	f.BoolVar(&o.ladder, "ladder", false, "with --once: draw it")
	f.BoolVar(&o.explain, "explain", false, "with --ladder: add a sentence to each step")
	f.DurationVar(&o.from, "from", 0, "with --once: leave out what happens before this time")
	f.DurationVar(&o.until, "until", 0, "with --once: leave out what happens after this time (default: nothing)")
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	f.BoolVar(&o.json, "json", false, "the summary, or with --once the life, as JSON")
	o.out.addTo(f)
	addLang(f)
	return cmd
}

// check looks for what makes no sense.
func (o *soakOptions) check(seeded bool) error {
	switch {
	case !(o.minutes > 0 && o.minutes <= 1e6):
		return usagef(say.Text{"--minutes %v: more than 0, at most a million", "--minutes %v：应大于 0，最多一百万"}, o.minutes)
	case o.jobs < 1 || o.jobs > 1024:
		return usagef(say.Text{"--jobs %d: from 1 to 1024", "--jobs %d：应在 1 到 1024 之间"}, o.jobs)
	case o.once && !seeded:
		return usagef(say.Text{"--once plays one life: say which, with --seed", "--once 只演示一个种子：请用 --seed 指定"})
	case !o.once && (o.ladder || o.explain || o.out.wanted() || o.from != 0 || o.until != 0):
		return usagef(say.Text{"--ladder, --explain, --out, --from and --until show one life: they need --once", "--ladder、--explain、--out、--from 和 --until 用于展示一个种子，须与 --once 同用"})
	case o.from < 0 || o.until < 0 || o.until > 0 && o.until <= o.from:
		return usagef(say.Text{"--from %v --until %v: until must be later than from", "--from %v --until %v：until 必须晚于 from"}, o.from, o.until)
	}
	return o.out.check()
}

// run plays lives until the time is over, and sums up.
func (o *soakOptions) run(ctx context.Context) error {
	// A life leaves little behind and makes much: with the usual setting a fifth of the
	// time would go into collecting it.
	debug.SetGCPercent(400)
	interrupted, stop := untilInterrupted(ctx)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupted, time.Duration(o.minutes*float64(time.Minute)))
	defer cancel()
	r := newSoakReport(o)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for reports := o.play(ctx); reports != nil; {
		select {
		case rep, ok := <-reports:
			if !ok {
				reports = nil
				break
			}
			r.add(&rep)
		case <-tick.C:
			r.live()
		}
	}
	return r.end(interrupted)
}

// play plays lives, several at a time, and gives what came of each. Those that have begun
// when the time is over are given, too: a failure must not be lost because it takes long.
func (o *soakOptions) play(ctx context.Context) <-chan soak.Report {
	reports := make(chan soak.Report, 64)
	var next atomic.Uint64
	var workers sync.WaitGroup
	for range o.jobs {
		workers.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				if o.lives > 0 && n >= o.lives {
					return
				}
				reports <- soak.Run(o.seed + n)
			}
		})
	}
	go func() {
		workers.Wait()
		close(reports)
	}()
	return reports
}
