package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

const captureHelp = `Writes what TCP of a running handfast does, as it happens, for Wireshark and tshark:
the headers of every segment, and as comments what each brought about: changes of
state and their causes, timers, and why a segment was not used. Text is left out.
Segments that the host takes or gives away as one are one packet.

It ends with Ctrl-C, with the handfast that is watched, or with who reads it. What is
not read in time is skipped, and said to be: the host does not wait.`

type captureOptions struct {
	source
	write string
}

func newCapture() *cobra.Command {
	var o captureOptions
	cmd := &cobra.Command{
		Use:   "capture [LOCAL [REMOTE]]",
		Short: "Capture the connections of a running handfast as pcapng, with states and reasons",
		Long:  captureHelp,
		Example: `  handfast capture -w trace.pcapng
  handfast capture :80 | wireshark -k -i -
  handfast capture 10.77.0.2:80 10.77.0.1:40000 | tshark -r - -Y frame.comment`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ends, err := endsOf(args)
			if err != nil {
				return err
			}
			asked, err := o.instances()
			if err != nil {
				return err
			}
			if len(asked) > 1 {
				return say.Errorf(say.Text{"several handfast are running; choose one:\n%s", "有多个 handfast 在运行；请选择一个：\n%s"}, list(asked))
			}
			// One end: the one on our side, as ss has it in the first column.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			body, err := asked[0].Capture(ctx, ends[0])
			if err != nil {
				return err
			}
			defer body.Close()
			return o.copy(ctx, streamsOf(cmd), body)
		},
	}
	cmd.Flags().StringVarP(&o.write, "write", "w", "-", "write to this `file`; -: standard output")
	cmd.Flags().IntVar(&o.pid, "pid", 0, "the handfast with this process number, of all that run")
	addLang(cmd.Flags())
	return cmd
}

// copy writes what comes until it ends, which is how it is meant to end.
func (o *captureOptions) copy(ctx context.Context, s streams, from io.Reader) error {
	w, done := s.stdout.Writer, func() error { return nil }
	switch {
	case o.write != "-":
		f, err := os.Create(o.write)
		if err != nil {
			return err
		}
		w, done = f, f.Close
	case s.stdout.interactive:
		return usagef(say.Text{"a terminal shows no capture; -w FILE, or | wireshark -k -i -", "终端无法显示抓包；请用 -w 文件，或 | wireshark -k -i -"})
	}
	n, err := io.Copy(w, from)
	err = errors.Join(withoutEnd(ctx, err), done())
	if err == nil && o.write != "-" {
		fmt.Fprintf(s.stderr, say.Text{"%s: %s bytes\n", "%s：%s 字节\n"}[s.stderr.lang], o.write, formatCount(int(n)))
	}
	return err
}

// withoutEnd leaves out the errors that only say that a capture is over.
func withoutEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.EPIPE) {
		return nil
	}
	return err
}
