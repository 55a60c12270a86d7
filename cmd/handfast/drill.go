package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
	"github.com/handfast-tcp/handfast/lab/story"
)

const drillHelp = `Plays packetdrill scripts against a host of ours, in virtual time: a script says
what a program calls, what arrives, and what must leave the host for it, each at
its time. Nothing is sent anywhere, no root is needed, and an hour of a script
takes some milliseconds.

A script is this, in a file of its own:

  0   socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
  +0  bind(3, ..., ...) = 0
  +0  listen(3, 1) = 0
  +0  < S 0:0(0) win 65535 <mss 1000>
  +0  > S. 0:0(0) ack 1 <mss 1460>
  +.1 < . 1:1(0) ack 1 win 65535
  +0  accept(3, ..., ...) = 4

Of a folder every file that ends in .pkt is played, also in folders below. Each
has a line; one that fails says where, what it expected and what came, and with
--ladder draws what led to it. It ends with code 1 when a script fails.

With --kernel the same script is also played against this machine's kernel, in a
network namespace and in real time: its calls are system calls, its packets go
through a TUN. What differs is told beside what the script says of Linux, and is
no failure. Assertions on the inside of a host are left out.

Commands between backticks are read as settings of the host (sysctl), and never
run. What has no effect here -v tells, with the reason. How to write a script:
docs/DRILL.md.`

type drillOptions struct {
	verbose, ladder, strict, ascii bool
	version                        int
	jobs                           int
	kernel                         bool
	limit                          time.Duration
	words                          map[string]string

	streams
}

func newDrill() *cobra.Command {
	var o drillOptions
	cmd := &cobra.Command{
		Use:   "drill FILE|DIR...",
		Short: "Play packetdrill scripts against our TCP, in virtual time",
		Long:  drillHelp,
		Example: `  handfast drill handshake.pkt
  handfast drill --ladder handshake.pkt
  handfast drill --strict -v tests/
  handfast drill --ip-version 6 tests/
  handfast drill --kernel tests/
  handfast drill --lang zh tests/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.streams = streamsOf(cmd)
			if err := o.check(args); err != nil {
				return err
			}
			return o.run(args)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.verbose, "verbose", "v", false, "say of each script what it is about, and which of its lines have no effect here")
	f.BoolVar(&o.ladder, "ladder", false, "draw what led to a failure")
	f.BoolVar(&o.strict, "strict", false, "also a packet that a script does not expect is a failure, at its end, too")
	f.IntVar(&o.version, "ip-version", 4, "of scripts that do not say it themselves: 4 or 6")
	f.IntVar(&o.jobs, "jobs", runtime.GOMAXPROCS(0), "how many scripts are played at a time")
	f.BoolVar(&o.kernel, "kernel", false, "play them against this machine's kernel as well, in real time, and tell what differs")
	f.DurationVar(&o.limit, "limit", 10*time.Second, "with --kernel, how long a script may take; longer ones are skipped")
	f.StringToStringVarP(&o.words, "define", "D", nil, "what a name stands for that scripts leave open, as in --define CODE=host_unreachable")
	addLang(f)
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	return cmd
}

func (o *drillOptions) check(args []string) error {
	switch {
	case len(args) == 0:
		return usagef(say.Text{"drill needs a script, or a folder of scripts that end in .pkt", "drill 需要一个脚本，或一个含有 .pkt 脚本的目录"})
	case o.version != 4 && o.version != 6:
		return usagef(say.Text{"--ip-version %d: it is 4 or 6", "--ip-version %d：应为 4 或 6"}, o.version)
	case o.jobs < 1 || o.jobs > 1024:
		return usagef(say.Text{"--jobs %d: from 1 to 1024", "--jobs %d：应在 1 到 1024 之间"}, o.jobs)
	case o.limit <= 0:
		return usagef(say.Text{"--limit %v: it is a time, such as 10s", "--limit %v：应为一段时间，如 10s"}, o.limit)
	}
	return nil
}

// run plays all scripts and tells of them in their order.
func (o *drillOptions) run(args []string) error {
	files, err := scriptFiles(args)
	if err != nil {
		return err
	}
	if o.kernel {
		return o.runKernel(files)
	}
	began, failed := time.Now(), 0
	for r := range o.results(files) {
		o.tell(&r)
		if r.err != nil {
			failed++
		}
	}
	took := time.Since(began).Round(time.Millisecond)
	if failed > 0 {
		return say.Errorf(say.Text{"%d of %d scripts failed (%v)", "%d 个脚本失败，共 %d 个（%v）"}, failed, len(files), took)
	}
	if len(files) > 1 {
		fmt.Fprintf(o.stdout, say.Text{"%d scripts passed (%v)\n", "%d 个脚本全部通过（%v）\n"}[o.stdout.lang], len(files), took)
	}
	return nil
}

// scriptFiles returns the files that arguments name, folders by what is in them.
func scriptFiles(args []string) (files []string, err error) {
	for _, a := range args {
		found, err := filesBelow(a)
		switch {
		case err != nil:
			return nil, fileError(a, err)
		case len(found) == 0:
			return nil, say.Errorf(say.Text{"in %s there is no file that ends in .pkt", "%s 中没有以 .pkt 结尾的文件"}, a)
		}
		files = append(files, found...)
	}
	return files, nil
}

func filesBelow(root string) (files []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (path == root || strings.HasSuffix(path, ".pkt")) {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

// drillResult is what came of a script.
type drillResult struct {
	file   string
	err    error
	result *drill.Result // nil: it could not be read
}

// results plays scripts, several at a time, and gives them in the order of the files.
func (o *drillOptions) results(files []string) func(yield func(drillResult) bool) {
	return func(yield func(drillResult) bool) {
		ready := make([]chan drillResult, len(files))
		for i := range ready {
			ready[i] = make(chan drillResult, 1)
		}
		next := make(chan int, len(files))
		for i := range files {
			next <- i
		}
		close(next)
		var workers sync.WaitGroup
		for range min(o.jobs, len(files)) {
			workers.Go(func() {
				for i := range next {
					ready[i] <- o.play(files[i])
				}
			})
		}
		defer workers.Wait()
		for _, r := range ready {
			if !yield(<-r) {
				return
			}
		}
	}
}

func (o *drillOptions) play(file string) drillResult {
	r := drillResult{file: file}
	text, err := os.ReadFile(file)
	if err != nil {
		r.err = err
		return r
	}
	s, err := script.ParseWith(file, string(text), o.words)
	if err != nil {
		r.err = err
		return r
	}
	r.result = drill.Play(s, drill.Options{Strict: o.strict, IPVersion: o.version})
	r.err = r.result.Err
	return r
}

var (
	drillPassed = say.Text{"pass", "通过"}
	drillFailed = say.Text{"FAIL", "失败"}
	drillNotes  = say.Text{"      without effect: %s\n", "      没有效果：%s\n"}
)

// drillError tells what is wrong with a script in the language of who reads it.
func (o *drillOptions) drillError(err error) string {
	var told interface{ Chinese() string }
	if o.stdout.lang == story.Chinese && errors.As(err, &told) {
		return told.Chinese()
	}
	return say.Error(err, o.stdout.lang)
}

// tell writes the line of a script, and what belongs to it.
func (o *drillOptions) tell(r *drillResult) {
	word := drillPassed
	if r.err != nil {
		word = drillFailed
	}
	title := ""
	if o.verbose && r.result != nil {
		title = "  " + r.result.Script.Title()
	}
	fmt.Fprintf(o.stdout, "%s  %s%s\n", word[o.stdout.lang], r.file, title)
	if r.err != nil {
		fmt.Fprintf(o.stdout, "      %s\n", strings.ReplaceAll(o.drillError(r.err), "\n", "\n      "))
	}
	if r.result == nil {
		return
	}
	if o.verbose {
		for _, n := range r.result.Notes {
			text := n.String()
			if o.stdout.lang == story.Chinese {
				text = n.Chinese()
			}
			fmt.Fprintf(o.stdout, drillNotes[o.stdout.lang], text)
		}
	}
	if o.ladder && r.err != nil {
		o.draw(r.result)
	}
}

// drawn is how many steps of a ladder are shown: what led to a failure is near its end.
const drawn = 24

// draw draws what led to a failure.
func (o *drillOptions) draw(r *drill.Result) {
	t := story.Tell(&r.Run, story.TellOptions{Lang: o.stdout.lang})
	steps := t.Steps
	if len(steps) > drawn {
		steps = slices.Clone(steps[len(steps)-drawn:])
	}
	fmt.Fprintln(o.stdout)
	l := story.Ladder{Lanes: t.Lanes, Width: o.stdout.columns(), ASCII: o.ascii, Color: o.stdout.color}
	l.Write(o.stdout, steps)
	fmt.Fprintln(o.stdout)
}
