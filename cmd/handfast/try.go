package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
)

const tryHelp = `A server on our TCP and a client on the kernel's TCP, in this one process. The
client downloads a file of random bytes and uploads it again over one
connection; SHA-256 of what arrives is compared with that of the file. Then the
connection's handshake and close are drawn, with the states of both ends: ours
as the engine reports them, the kernel's as sock_diag(7) tells them. Time runs
down; a segment's flags are written as tcpdump writes them; numbers are relative
to each SYN; windows are in bytes.

It all takes place in a network namespace that is made for it and that goes
with the process: nothing on this machine is changed. Between the two lies

  tun      a TUN device
  packet   a veth pair, our end read with AF_PACKET: where /dev/net/tun is
           closed to you
  memory   a pipe between two hosts of ours: where there is no namespace

and auto takes the first of these that works.`

const (
	tryPort      = 80
	maxTrialSize = 4 << 30
)

// tryInstead says who has the kernel's part where it takes none.
var tryInstead = say.Text{"both ends are ours", "两端都由我们的 TCP 担任"}

type tryOptions struct {
	place
	size  byteSize
	out   outFile
	ascii bool
	web   webOptions

	streams
}

func newTry() *cobra.Command {
	o := tryOptions{size: 256 << 20}
	cmd := &cobra.Command{
		Use:   "try",
		Short: "Watch a kernel client talk to a server on our TCP; needs no root",
		Long:  tryHelp,
		Example: `  handfast try
  handfast try --ipv6 --size 1GiB
  handfast try --link memory --size 1MiB
  handfast try --out try.svg`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.streams = streamsOf(cmd)
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.Var(&o.size, "size", "size of the file")
	o.place.addTo(f)
	o.out.addTo(f)
	o.web.addTo(f)
	f.BoolVar(&o.ascii, "ascii", false, "draw with ASCII characters only")
	addLang(f)
	return cmd
}

func (o *tryOptions) run(ctx context.Context) error {
	if err := cmp.Or(o.place.check(), o.out.check()); err != nil {
		return err
	}
	if o.size > maxTrialSize {
		return usagef(say.Text{"--size %v: at most %s, as the file is held in memory, twice", "--size %v：最多 %s，因为文件在内存里保存两份"}, &o.size, formatSize(maxTrialSize))
	}
	if err := o.web.listen(); err != nil {
		return err
	}
	defer o.web.close()
	if done, err := o.isolate(o.stderr, tryInstead, &o.web); done {
		return err
	}
	return o.trial(ctx)
}

// arena makes the place for the trial, as --link says.
func (o *tryOptions) arena(r *live.Recorder) (*stage.Stage, error) {
	if o.link != "memory" {
		a, err := stage.NewKernel(o.link, r)
		if err == nil || o.link != "auto" {
			return a, err
		}
		o.fallBack(o.stderr, tryInstead, err)
	}
	return stage.NewMemory(r)
}

// trial runs the transfers and prints the report.
func (o *tryOptions) trial(ctx context.Context) error {
	// Before there is anything to clean up: Ctrl-C ends at once what takes seconds here.
	file := newTrialFile(int64(o.size), o.stderr)
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	r := live.New(live.Options{Host: stage.OurName, Peer: stage.KernelName[o.stdout.lang], Port: tryPort, Connections: 1, Head: 10, Tail: 64, Lang: o.stdout.lang})
	a, err := o.arena(r)
	if err != nil {
		return err
	}
	defer a.Close()
	defer openControl(a.Server, "try", o.stderr)()
	defer o.web.serve(a.Server, "try", o.stderr)()
	rep := report{tryOptions: o, arena: a, recorder: r, address: o.address().String()}
	rep.begin()
	l, err := a.Server.Listen("tcp", fmt.Sprintf(":%d", tryPort))
	if err != nil {
		return err
	}
	// net/http unchanged, on our listener: what is shown holds for any program.
	web := &http.Server{Handler: file}
	go web.Serve(l) // ends when the listener is closed
	defer web.Close()
	c := newClient(a.Dial, rep.address, file, o.stderr)
	err = runBoth(ctx, c, &rep)
	if ctx.Err() != nil {
		o.stdout.printf(say.Text{"  stopped\n", "  已停止\n"})
		return interruption(ctx)
	}
	if err != nil {
		return err
	}
	return rep.end(awaitClose(r))
}

func runBoth(ctx context.Context, c *client, rep *report) error {
	defer c.close()
	for _, run := range []func(context.Context) (*transfer, error){c.download, c.upload} {
		t, err := run(ctx)
		if err != nil {
			return err
		}
		rep.transfer(t)
	}
	return nil
}

// closeLimit is how long the close of an idle connection may take.
const closeLimit = 5 * time.Second

func awaitClose(r *live.Recorder) error {
	select {
	case <-r.Closed():
		return nil
	case <-time.After(closeLimit):
		return say.Errorf(say.Text{"the connection is not closed %v after the client closed it", "客户端关闭连接 %v 之后，连接仍未关闭"}, closeLimit)
	}
}
