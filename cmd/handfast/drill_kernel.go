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
		fmt.Fprintf(o.stdout, "%-7s  %s%s\n", word, file, text)
	}
	fmt.Fprintf(o.stdout, "%d scripts: %d the same, %d differ, %d skipped\n", len(files), counts[kernelSame], counts[kernelDiffers], counts[kernelSkipped])
	return nil
}

// beside plays a script that has been played against our host against the kernel.
func (o *drillOptions) beside(ours *drillResult) (word, text string) {
	if ours.err != nil {
		return kernelSkipped, "\n         it fails against our own TCP: " + indentedBy(9, ours.err.Error())
	}
	if d := ours.result.Run.End.Sub(ours.result.Run.Start); d > o.limit {
		return kernelSkipped, fmt.Sprintf("  it takes %v, more than --limit %v", d.Round(time.Millisecond), o.limit)
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
		return kernelSkipped, "  " + indentedBy(9, err.Error())
	}
	text = "\n         " + indentedBy(9, err.Error())
	for _, line := range s.Remarks("Linux") {
		text += "\n         the script: " + line
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
