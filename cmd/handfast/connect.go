package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/lab/story"
)

const connectHelp = `Connects to a TCP port over our TCP, as nc does over the kernel's: what comes on
standard input goes to the peer, and what the peer sends to standard output.
After the end of standard input it goes on until the peer closes.

Where a running handfast of yours (serve, flood, try) has the address, packets
go through its control folder: no root, no device. Any other address is reached
by a TUN, which needs CAP_NET_ADMIN: the kernel's side of it is 10.77.1.1, where
what listens on all addresses of this machine answers. In a network of your own
you may make one without root: unshare -Urn. HOST may be a name that the
system's resolver knows.

--withhold-ack lets nothing out but the SYN. So the peer stays in SYN_RECV, and
repeats its SYN-ACK, until it gives up.

Exit codes: 0 done, 1 refused, no answer, or reset.`

type connectOptions struct {
	address                     string
	withhold, halfClose, ladder bool
	linger                      int
	timeout                     time.Duration
	out                         outFile
	web                         webOptions

	stdin io.Reader
	streams
}

func newConnect() *cobra.Command {
	var o connectOptions
	cmd := &cobra.Command{
		Use:   "connect HOST:PORT",
		Short: "Connect to a port over our TCP, as nc does",
		Long:  connectHelp,
		Example: `  handfast connect 10.77.0.2:80 --withhold-ack
  printf 'GET / HTTP/1.0\r\n\r\n' |
    handfast connect 10.77.0.2:80 --half-close --ladder`,
		Args: oneArgument,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(say.Text{"connect to what? Write an address or a name, and a port, such as 10.77.0.2:80", "连接到哪里？请写出地址或名称，以及端口，例如 10.77.0.2:80"})
			}
			o.address, o.stdin = args[0], cmd.InOrStdin()
			o.streams = streamsOf(cmd)
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.withhold, "withhold-ack", false, "send no ACK after the SYN-ACK, nor anything else, until Ctrl-C")
	f.BoolVar(&o.halfClose, "half-close", false, "send a FIN after the end of standard input, and read on")
	f.IntVar(&o.linger, "linger", 5, "seconds to wait at the end until all is delivered; 0: end with a reset")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long to wait for a connection")
	f.BoolVar(&o.ladder, "ladder", false, "draw the connection at the end, on standard error")
	o.out.addTo(f)
	o.web.addTo(f)
	addLang(f)
	return cmd
}

func (o *connectOptions) check() error {
	switch {
	case o.linger < 0 || o.linger > 3600:
		return usagef(say.Text{"--linger %d: choose from 0 to 3600 seconds", "--linger %d：取值为 0 到 3600 秒"}, o.linger)
	case o.timeout <= 0:
		return usagef(say.Text{"--timeout %v: it must be more than 0", "--timeout %v：必须大于 0"}, o.timeout)
	}
	return o.out.check()
}

// destination finds out what HOST:PORT means.
func (o *connectOptions) destination(ctx context.Context, near *neighbourhood) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	all, port, err := resolve(ctx, net.DefaultResolver, o.address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	to, err := choose(all, near.has)
	return netip.AddrPortFrom(to, port), err
}

func (o *connectOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.web.listen(); err != nil {
		return err
	}
	defer o.web.close()
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	near, err := lookAround(ctx)
	if err != nil {
		return err
	}
	// Before our own host is made: names are the system's, which asks over its own network.
	to, err := o.destination(ctx, near)
	if err != nil {
		return interrupted(ctx, err)
	}
	r := live.New(live.Options{Host: stage.OurName, Peer: say.Text{"peer", "对端"}[o.stderr.lang], Lang: o.stderr.lang, Port: to.Port(), Dials: true, Connections: 1, Head: 500, Tail: 500, Withholds: o.withhold})
	w, err := near.way(to.Addr(), r)
	if err != nil {
		return err
	}
	if o.withhold {
		w.link = &withheldLink{w.link}
	}
	h, err := w.host(r)
	if err != nil {
		return err
	}
	defer h.Close()
	defer openControl(h, "connect", o.stderr)()
	defer o.web.serve(h, "connect", o.stderr)()
	o.stderr.printf(say.Text{"connecting to %v from %s\n", "正在连接 %v，%s\n"}, to, w.text[o.stderr.lang])
	err = o.connect(ctx, h, to)
	// What failed is drawn too: that is when a ladder is needed most.
	return afterRun(err, o.tell(r))
}

// interrupted returns err, unless it came of Ctrl-C.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return interruption(ctx)
	}
	return err
}

// connect makes the connection and uses it. What it returns is the exit.
func (o *connectOptions) connect(ctx context.Context, h *handfast.Host, to netip.AddrPort) error {
	dialling, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	c, err := h.DialContext(dialling, "tcp", to.String())
	if ctx.Err() != nil {
		return interruption(ctx)
	}
	if err != nil {
		return explainDial(err, to, o.timeout)
	}
	t := c.(*handfast.TCPConn)
	if o.withhold {
		o.stderr.printf(withheld)
		return receive(ctx, t, io.Discard)
	}
	o.stderr.printf(say.Text{"connected, from %v\n", "已连接，本端为 %v\n"}, c.LocalAddr())
	err = o.talk(ctx, t)
	if ctx.Err() != nil {
		o.linger = min(o.linger, 1) // Ctrl-C: the peer gets a moment, no more
	}
	t.SetLinger(o.linger)
	t.Close() // what it would say the reader has seen
	return err
}

var withheld = say.Text{
	story.English: "the SYN-ACK is here; its ACK is withheld: the peer is in SYN_RECV until it gives up. Ctrl-C ends this\n",
	story.Chinese: "SYN-ACK 已到达；扣住对它的 ACK：对端停留在 SYN_RECV，直到放弃。按 Ctrl-C 结束\n",
}

// talk copies both ways until the peer has closed, or Ctrl-C.
func (o *connectOptions) talk(ctx context.Context, c *handfast.TCPConn) error {
	// Nothing waits for this goroutine: a read of a terminal cannot be interrupted, and
	// ends with the process.
	go func() {
		if _, err := io.Copy(c, o.stdin); err == nil && o.halfClose {
			c.CloseWrite() // fails when the connection has: the reader says why
		}
	}()
	return receive(ctx, c, o.stdout)
}

// receive copies what the peer sends until it has closed or reset, the way to it
// has ended, or Ctrl-C.
func receive(ctx context.Context, c *handfast.TCPConn, w io.Writer) error {
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now()) })()
	_, err := io.Copy(w, c)
	if ctx.Err() != nil {
		return interruption(ctx)
	}
	return explainEnd(err)
}

// tell draws the connection, and writes it, as far as it got.
func (o *connectOptions) tell(r *live.Recorder) error {
	if o.ladder {
		t := r.Tell(story.TellOptions{Lang: r.Lang})
		l := story.Ladder{Lanes: t.Lanes, Width: o.stderr.columns(), Color: o.stderr.color}
		if err := l.Write(o.stderr, t.Steps); err != nil {
			return err
		}
		fmt.Fprintf(o.stderr, "\n%s\n", legend(t.Steps, false, o.stderr))
	}
	return o.out.write(r, say.Text{"A connection to ", "连接到 "}[r.Lang]+o.address)
}
