package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/realtime"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// Played against the kernel's TCP a script takes as long as it says, and what differs from
// ours is no failure: it is told, with what the script itself says of Linux.

const (
	kernelSame    = "same"
	kernelDiffers = "DIFFERS"
	kernelSkipped = "skip"
)

var kernelWords = map[string]say.Text{kernelSame: {"same", "相同"}, kernelDiffers: {"DIFFERS", "不同"}, kernelSkipped: {"skip", "跳过"}}

var noKernelPlay = say.Text{"drill --kernel needs a network namespace of its own: %w", "drill --kernel 需要自己的网络命名空间：%w"}

// runKernel plays scripts against the kernel, one after the other, since they take real time.
func (o *drillOptions) runKernel(files []string) error {
	if !stage.Inside() {
		code, err := stage.InNamespace()
		if err != nil {
			return say.Errorf(noKernelPlay, err)
		}
		if code != exitOK {
			return exitError(code)
		}
		return nil
	}
	counts := map[string]int{}
	for _, file := range files {
		ours := o.play(file)
		word, text := o.beside(&ours)
		counts[word]++
		fmt.Fprintf(o.stdout, "%s  %s%s\n", say.Left(kernelWords[word][o.stdout.lang], 7), file, text)
	}
	fmt.Fprintf(o.stdout, say.Text{"%d scripts: %d the same, %d differ, %d skipped\n", "%d 个脚本：%d 个相同，%d 个不同，%d 个跳过\n"}[o.stdout.lang], len(files), counts[kernelSame], counts[kernelDiffers], counts[kernelSkipped])
	return nil
}

// beside plays a script that has been played against our host against the kernel.
func (o *drillOptions) beside(ours *drillResult) (word, text string) {
	if ours.err != nil {
		return kernelSkipped, say.Text{"\n         it fails against our own TCP: ", "\n         对我们自己的 TCP 也失败："}[o.stdout.lang] + indentedBy(9, o.drillError(ours.err))
	}
	if d := ours.result.Run.End.Sub(ours.result.Run.Start); d > o.limit {
		return kernelSkipped, fmt.Sprintf(say.Text{"  it takes %v, more than --limit %v", "  需要 %v，超过 --limit %v"}[o.stdout.lang], d.Round(time.Millisecond), o.limit)
	}
	s := ours.result.Script
	err := o.againstKernel(s)
	for range kernelTries - 1 {
		if err != nil && !errors.As(err, new(*script.Error)) {
			err = o.againstKernel(s)
		}
	}
	switch {
	case err == nil:
		return kernelSame, ""
	case !errors.As(err, new(*drill.Failure)):
		return kernelSkipped, "  " + indentedBy(9, o.drillError(err))
	}
	text = "\n         " + indentedBy(9, o.drillError(err))
	for _, line := range s.Remarks("Linux") {
		text += say.Text{"\n         the script: ", "\n         脚本说："}[o.stdout.lang] + line
	}
	return kernelDiffers, text
}

// kernelTries is how often a script is played that comes out otherwise: a busy machine is late.
const kernelTries = 3

// againstKernel plays a script once.
func (o *drillOptions) againstKernel(s *script.Script) error {
	k, err := realtime.New()
	if err != nil {
		return err
	}
	defer k.Close()
	return drill.Play(s, drill.Options{IPVersion: o.version, Kernel: k}).Err
}

// indentedBy indents all lines of text but the first.
func indentedBy(columns int, text string) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", columns))
}
