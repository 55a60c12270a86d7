package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/guard"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

const guardHelp = `Stands in front of a server that is there already, so that a SYN flood does not
reach it. Clients' connections end on our TCP, with all its defence, and are
carried on to the server by the kernel's when their handshake is complete. The
server learns who its client is by --proxy-protocol, which it must be told to
expect, or by --transparent; otherwise all its clients are this machine.

The guard needs an address of its own, which the kernel does not have:

  on a TUN (default), to which this machine routes what comes for it;
  on an Ethernet device, with --device, where other machines find it; with
  --link xdp frames come from the card's driver, past the kernel's stack;
  in memory, with --link memory, where only handfast connect gets to.

With --kernel there is no back end: eBPF programs at --device answer SYNs for a
server on this machine's TCP by our cookies, and its kernel gets the connection.

While no back end lives clients are refused before the handshake, or with
--no-backend ignore get no answer. Several back ends take turns.

--config FILE has the same options, one a line without the dashes:

  listen 203.0.113.5:443
  to 10.0.0.7:8443
  to 10.0.0.8:8443
  proxy-protocol v2

SIGHUP has it read again: back ends, limits and times change, and no connection
is lost. SIGTERM and Ctrl-C drain: nobody new is let in, those that there are
may finish for --drain; a second one ends at once. What it costs and how a
server is set up: docs/GUARD.md`

// guardLinks are how clients get to a guard.
var guardLinks = []string{"tun", "packet", "xdp", "memory"}

// balances and headers are by their values in package guard.
var (
	balances = []string{"round-robin", "least"}
	headers  = []string{"none", "v1", "v2"}
)

type guardOptions struct {
	flows     flowsOut
	verdicts  verdictsOut
	listen    listenFlag
	link      string
	tun       string
	device    string
	kernel    bool
	addrs     prefixes
	hostAddrs prefixes
	gateway   string
	drain     time.Duration
	metrics   string
	defence   defenceOptions
	web       webOptions

	// What can be changed while it works.
	settings        guard.Settings
	balance, header string
	noBackend       string
	config          string

	streams
}

// reloaded are the flags that count again after SIGHUP.
var reloaded = []string{"to", "balance", "proxy-protocol", "transparent", "no-backend", "max", "per-source", "per-prefix",
	"check-interval", "check-timeout", "dial-timeout", "drain"}

func newGuard() *cobra.Command {
	var described guardOptions // of which the flags tell; what counts is made by readGuard
	cmd := &cobra.Command{
		Use:   "guard --listen ADDR:PORT --to HOST:PORT",
		Short: "Stand in front of a server, so that a SYN flood does not reach it",
		Long:  guardHelp,
		Example: `  sudo handfast guard --listen 10.77.0.2:443 --to 127.0.0.1:8443
  sudo handfast guard --listen 203.0.113.5:443 --device eth1 --to 10.0.0.7:8443
  sudo handfast guard --kernel --listen 203.0.113.5:443 --device eth0
  sudo handfast guard --config guard.conf`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := readGuard(cmd.Flags())
			if err != nil {
				return err
			}
			o.streams = streamsOf(cmd)
			if o.kernel {
				return o.runKernel(cmd.Context())
			}
			return o.run(cmd.Context(), cmd.Flags())
		},
	}
	described.addTo(cmd.Flags())
	addLang(cmd.Flags())
	return cmd
}

func (o *guardOptions) addTo(f *pflag.FlagSet) {
	s := &o.settings
	f.Var(&o.listen, "listen", "address and port where clients come; the address must not be the kernel's; may be repeated")
	f.StringSliceVar(&s.Backends, "to", nil, "`host:port` of the server, or of one of several; may be repeated")
	f.StringVar(&o.header, "proxy-protocol", headers[0], "tell back ends who their clients are: "+strings.Join(headers, ", "))
	f.BoolVar(&s.Transparent, "transparent", false, "come to back ends from the clients' addresses; the way back must lead here, see docs/GUARD.md")
	f.StringVar(&o.balance, "balance", balances[0], "which back end gets a connection: "+strings.Join(balances, ", "))
	f.StringVar(&o.noBackend, "no-backend", "reset", "what a SYN gets while no back end lives: "+strings.Join(noBackends, ", "))
	f.IntVar(&s.MaxConnections, "max", 65536, "connections at most")
	f.IntVar(&s.PerSource, "per-source", 0, "connections of one address at most, of one /64 with IPv6; 0: no limit")
	f.IntVar(&s.PerPrefix, "per-prefix", 0, "connections of one /24 at most, of one /48 with IPv6; 0: no limit")
	f.DurationVar(&s.CheckInterval, "check-interval", 2*time.Second, "how often back ends are asked whether they live")
	f.DurationVar(&s.CheckTimeout, "check-timeout", time.Second, "how long an answer to that may take")
	f.DurationVar(&s.DialTimeout, "dial-timeout", 5*time.Second, "how long a connection to a back end may take, before another one is tried")
	f.DurationVar(&o.drain, "drain", 30*time.Second, "how long connections may take to finish")
	f.StringVar(&o.metrics, "metrics", "", "`address:port` of the kernel's where http://…/metrics is for Prometheus, besides the control socket")
	f.StringVar(&o.config, "config", "", "`file` with these options, one a line; read again at SIGHUP")
	f.StringVar(&o.link, "link", "tun", "how clients get here: "+strings.Join(guardLinks, ", "))
	f.StringVar(&o.tun, "tun", "hf0", "name of the TUN device; hf%d takes the first free number")
	f.StringVar(&o.device, "device", "", "an Ethernet device instead of a TUN")
	f.BoolVar(&o.kernel, "kernel", false, "leave the server to its kernel, and answer SYNs on --device by eBPF; instead of --to")
	f.Var(&o.addrs, "addr", "our address and its network, may be repeated (default: that of --listen, with the network of the device)")
	f.Var(&o.hostAddrs, "host-addr", "address for the kernel's side of the TUN, may be repeated (default: none, but for 10.77.0.2 and fd77::2)")
	f.StringVar(&o.gateway, "gateway", "", "`address` of the router on the Ethernet device (default: the kernel's)")
	o.defence.addTo(f)
	o.web.addTo(f)
	o.flows.addTo(f)
	o.verdicts.addTo(f)
}

// listenFlag is a repeatable flag of addresses with ports.
type listenFlag []netip.AddrPort

// Type names the flag's kind in the help.
func (*listenFlag) Type() string { return "address:port" }

func (l *listenFlag) String() string {
	var s []string
	for _, a := range *l {
		s = append(s, a.String())
	}
	return strings.Join(s, ",")
}

// Set adds one or, separated by commas, several.
func (l *listenFlag) Set(text string) error {
	for _, word := range strings.Split(text, ",") {
		a, err := netip.ParseAddrPort(strings.TrimSpace(word))
		if err != nil || a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
			return say.Errorf(say.Text{"%q is not an address of a host with a port, such as 203.0.113.5:443 or [2001:db8::5]:443", "%q 不是带端口的主机地址，例如 203.0.113.5:443 或 [2001:db8::5]:443"}, word)
		}
		*l = append(*l, a)
	}
	return nil
}

// guarding is a guard while it works.
type guarding struct {
	*guardOptions
	flags *pflag.FlagSet
	guard *guard.Guard
	host  *handfast.Host
}

func (o *guardOptions) run(ctx context.Context, flags *pflag.FlagSet) (err error) {
	if err := o.web.listen(); err != nil {
		return err
	}
	defer o.web.close()
	l, routes, err := o.open()
	if err != nil {
		return err
	}
	cfg := handfast.Config{Logger: slog.New(slog.NewTextHandler(o.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	observe(&cfg)
	g := &guarding{guardOptions: o, flags: flags}
	if err = o.defence.apply(&cfg); err == nil {
		g.host, err = handfast.New(cfg)
	}
	if err == nil {
		err = g.host.Attach(l, handfast.LinkOptions{Addresses: o.addrs, Routes: routes})
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer o.defence.close()
	export, err := o.flows.export(g.host, "guard", o.stderr)
	if err != nil {
		return errors.Join(err, g.host.Close())
	}
	defer export()
	defer g.host.Close()
	silence, err := o.verdicts.publish("guard", ofHost(g.host), o.stderr)
	if err != nil {
		return err
	}
	defer silence()
	if g.guard, err = guard.New(guard.Config{Settings: o.settings, Changed: g.changed}); err != nil {
		return err
	}
	defer g.guard.Close()
	return g.serve(ctx, l.Attributes().Name)
}

// open makes the link, and says what lies behind it.
func (o *guardOptions) open() (link.Link, []handfast.Route, error) {
	switch o.link {
	case "memory":
		// The far end is nobody's, and a full queue drops: visitors have their own way.
		l, _ := pipe.New(pipe.Options{Queue: 1})
		return l, nil, nil
	case "packet", "xdp":
		return o.openEthernet()
	}
	l, err := o.openTUN()
	return l, everywhere(netip.Addr{}, netip.Addr{}), err
}

// serve works until it is told to end.
func (g *guarding) serve(ctx context.Context, device string) error {
	var listeners []*handfast.TCPListener
	for _, a := range g.listen {
		l, err := g.host.Listen("tcp", a.String())
		if err != nil {
			return say.Errorf(say.All("--listen %v: %w"), a, err)
		}
		listeners = append(listeners, l)
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	defer openControlWith(g.host, "guard", g.stderr, g.writeMetrics)()
	stopMetrics, err := g.openMetrics(g.writeAll)
	if err != nil {
		return err
	}
	defer stopMetrics()
	defer g.web.serve(g.host, "guard", g.stderr)()
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	var served sync.WaitGroup
	defer served.Wait()
	for _, l := range listeners {
		served.Go(func() { g.guard.Serve(l) }) // ends with the guard
	}
	g.greet(device)
	for {
		select {
		case <-again:
			g.reload()
		case <-g.host.Done():
			g.guard.Close()
			return g.host.Err()
		case <-ctx.Done():
			return g.shutDown()
		}
	}
}

// shutDown lets the connections finish.
func (g *guarding) shutDown() error {
	if n := g.guard.Stats().Active; n > 0 {
		g.stderr.printf(say.Text{"\nDraining %d connections for up to %v; Ctrl-C again stops at once.\n", "\n最多用 %[2]v 等待 %[1]d 个连接结束；再按 Ctrl-C 立即退出。\n"}, n, g.drain)
	}
	ctx, cancel := context.WithTimeout(context.Background(), g.drain)
	defer cancel()
	err := g.guard.Drain(ctx)
	cut := g.guard.Stats().Active
	g.guard.Close()
	g.farewell()
	if err != nil && cut > 0 {
		return say.Errorf(say.Text{"%d connections had not ended after %v, and were cut off", "%d 个连接在 %v 之后仍未结束，已被切断"}, cut, g.drain)
	}
	return nil
}

// isOurs reports whether a back end is the guard itself.
func (o *guardOptions) isOurs(backend string) bool {
	host, port, err := net.SplitHostPort(backend)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(o.listen, func(a netip.AddrPort) bool {
		ip, err := netip.ParseAddr(host)
		return err == nil && netip.AddrPortFrom(ip, parsePort(port)) == a
	})
}

// usualAddrs are those of serve, where nothing else is asked for.
func (o *guardOptions) usualAddrs() bool {
	for _, a := range o.listen {
		if !slices.ContainsFunc(stage.OurAddrs, func(p netip.Prefix) bool { return p.Addr() == a.Addr() }) {
			return false
		}
	}
	return len(o.addrs) == 0 && len(o.hostAddrs) == 0
}
