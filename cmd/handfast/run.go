package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/sandbox"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/lab/story"
)

const runHelp = `Runs COMMAND in a network namespace of its own. All that it sends comes to our
TCP, which ends its connections and carries them on by the sockets of this
machine: so you see what TCP did, and can give it a bad network, without root.

Inside, the command has 10.0.2.100 and fd00:2::100 on a device, default routes
to us, and the system's name server at 10.0.2.3. Pings go out where the system
has ping sockets for its users. The command's exit code, its signals and
its terminal are as without; what it has left running ends with it. At the end a
line for each flow is printed on standard error (--summary=false prints none);
handfast ss shows the connections while they live.

--loss, --delay, --jitter, --rate, --reorder, --duplicate and --corrupt make the
network bad in both directions, or with --direction in the one: up is what the
command sends. --allow and --deny take prefixes, "10.0.0.0/8", or ports, ":443",
or both, "10.0.0.0/8:443"; the first that fits counts, and with --allow all else
is refused. --map 10.0.2.2=127.0.0.1 lets the command reach this machine itself.`

type runOptions struct {
	sandbox sandbox.Options
	bad     badNetwork
	rules   rules
	maps    addressMap
	cc      string
	summary bool
	ladder  bool
	first   int
	out     outFile

	streams
}

// The addresses inside.
var (
	insideAddrs = []netip.Prefix{netip.MustParsePrefix("10.0.2.100/24"), netip.MustParsePrefix("fd00:2::100/64")}
	gateAddrs   = []netip.Prefix{netip.MustParsePrefix("10.0.2.2/24"), netip.MustParsePrefix("fd00:2::2/64"), netip.PrefixFrom(dnsAddr, 24)}
	gateways    = []netip.Addr{gateAddrs[0].Addr(), gateAddrs[1].Addr()}
	dnsAddr     = netip.MustParseAddr("10.0.2.3")
)

func newRun() *cobra.Command {
	o := runOptions{sandbox: sandbox.Options{Addrs: insideAddrs, Gateways: gateways}}
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARG...]",
		Short: "Run any program over our TCP, on a bad network if you like; needs no root",
		Long:  runHelp,
		Example: `  handfast run -- curl -s https://example.com -o /dev/null
  handfast run --loss 1% --delay 50ms -- curl http://192.0.2.7/
  handfast run --ladder -- wget -q http://192.0.2.7/
  handfast run --deny :25 --map 10.0.2.2=127.0.0.1 -- sh`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("run takes a command: handfast run -- curl http://example.com/")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.streams = streamsOf(cmd)
			return o.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // what comes after the command is the command's
	f.StringVar(&o.sandbox.Link, "link", "auto", "the command's device: "+strings.Join(runLinks, ", "))
	f.IntVar(&o.sandbox.MTU, "mtu", 1500, "the device's MTU in bytes, 1280 to 65535")
	o.bad.addTo(f)
	o.rules.addTo(f)
	f.Var(&o.maps, "map", "have an `address=address` inside be another one outside; may be repeated")
	f.StringVar(&o.cc, "cc", "", "congestion control: "+strings.Join(cc.Names(), ", "))
	f.BoolVar(&o.summary, "summary", true, "print a line for each flow at the end")
	f.BoolVar(&o.ladder, "ladder", false, "draw the first connections at the end")
	f.IntVar(&o.first, "first", 1, "how many connections are drawn and written")
	o.out.addTo(f)
	return cmd
}

var runLinks = []string{"auto", "tun", "packet"}

func (o *runOptions) check() error {
	switch {
	case !slices.Contains(runLinks, o.sandbox.Link):
		return usagef("--link %s: it is one of %s", o.sandbox.Link, strings.Join(runLinks, ", "))
	case o.sandbox.MTU < 1280 || o.sandbox.MTU > 65535:
		return usagef("--mtu %d: it may be 1280 to 65535", o.sandbox.MTU)
	case o.first < 1 || o.first > 1000:
		return usagef("--first %d: it may be 1 to 1000", o.first)
	}
	if err := cc.Check(o.cc); err != nil {
		return usagef("--cc: %w", err)
	}
	return cmp.Or(o.bad.check(), o.out.check())
}

func (o *runOptions) run(ctx context.Context, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	system := systemNameServer()
	if system.IsValid() {
		o.sandbox.DNS = dnsAddr
	}
	o.sandbox.Plain = o.bad.wanted()
	runtime.LockOSThread() // the command is killed when the thread that started it ends
	defer runtime.UnlockOSThread()
	box, err := sandbox.Start(args, o.sandbox)
	if errors.Is(err, exec.ErrNotFound) {
		fmt.Fprintf(o.stderr, "handfast: %v\n", err)
		return exitError(exitNotFound)
	}
	if err != nil {
		return err
	}
	n, err := o.network(box, system)
	if err != nil {
		return err
	}
	defer n.close()
	if err := box.Release(); err != nil {
		return err
	}
	code, err := box.Wait()
	n.settle(o.bad.patience())
	n.close()
	if err := afterRun(err, n.report(o, strings.Join(args, " "))); err != nil {
		return err
	}
	if code != exitOK {
		return exitError(code)
	}
	return nil
}

// network is what carries the command's flows.
type network struct {
	host     *handfast.Host
	gateway  *gateway.Gateway
	recorder *live.Recorder
	flows    flowLog
	stop     func() // of the control socket
}

func (o *runOptions) network(box *sandbox.Sandbox, system netip.AddrPort) (*network, error) {
	n := &network{stop: func() {}, flows: flowLog{stderr: o.stderr, ended: make(chan struct{}, 1)}}
	cfg := handfast.Config{}
	cfg.TCP.CongestionControl = o.cc
	if o.ladder || o.out.wanted() {
		n.recorder = live.New(live.Options{Host: stage.OurName, Peer: "the command", Connections: o.first, Head: 40, Tail: 64})
		cfg.Trace = n.recorder.Events
	}
	var err error
	if n.host, err = handfast.New(cfg); err != nil {
		return nil, err
	}
	l, err := o.bad.wrap(box.Device)
	if err == nil {
		err = n.host.Attach(l, linkOptions(box.Kind))
	}
	if err == nil {
		policy := o.rules.policy(o.maps, netip.AddrPortFrom(dnsAddr, 53), system)
		n.gateway, err = gateway.New(gateway.Config{Host: n.host, Policy: policy, Ended: n.flows.add})
	}
	if err != nil {
		n.host.Close()
		return nil, err
	}
	n.stop = openControl(n.host, "run", o.stderr)
	return n, nil
}

// linkOptions are the host's end of the command's device.
func linkOptions(kind string) handfast.LinkOptions {
	l := handfast.LinkOptions{Addresses: gateAddrs}
	if kind == "tun" {
		for _, all := range []string{"0.0.0.0/0", "::/0"} {
			l.Routes = append(l.Routes, handfast.Route{Destination: netip.MustParsePrefix(all)})
		}
	}
	return l
}

// settle lets the connections that the command has left end in peace.
func (n *network) settle(patience time.Duration) {
	end := time.After(patience)
	for n.gateway.Stats().Connections > 0 {
		select {
		case <-n.flows.ended:
		case <-end:
			return
		}
	}
}

func (n *network) close() {
	if n.gateway != nil {
		n.gateway.Close()
		n.stop()
		n.host.Close()
		n.gateway = nil
	}
}

// report prints what is wanted to be known at the end.
func (n *network) report(o *runOptions, title string) error {
	if o.summary {
		n.flows.write(o.stderr)
	}
	if n.recorder == nil {
		return nil
	}
	if o.ladder && !n.recorder.Empty() {
		if err := writeLadder(o.stderr, n.recorder, title); err != nil {
			return err
		}
	}
	return o.out.write(n.recorder, title)
}

// writeLadder draws what r has kept.
func writeLadder(w terminal, r *live.Recorder, title string) error {
	fmt.Fprintf(w, "\n%s\n\n", title)
	t := r.Tell(story.TellOptions{})
	return story.Ladder{Lanes: t.Lanes, Width: w.columns(), Color: w.color}.Write(w, t.Steps)
}
