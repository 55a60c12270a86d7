package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/sandbox"
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
	carrying
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
	o.addTo(f)
	return cmd
}

var runLinks = []string{"auto", "tun", "packet"}

func (o *runOptions) check() error {
	switch {
	case !slices.Contains(runLinks, o.sandbox.Link):
		return usagef("--link %s: it is one of %s", o.sandbox.Link, strings.Join(runLinks, ", "))
	case o.sandbox.MTU < 1280 || o.sandbox.MTU > 65535:
		return usagef("--mtu %d: it may be 1280 to 65535", o.sandbox.MTU)
	}
	return o.carrying.check()
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
	n, err := o.network(segment{
		command: "run", peer: "the command", addresses: gateAddrs, dns: []netip.Addr{dnsAddr}, system: system,
	}, func(h *handfast.Host) error { return o.attach(h, box) })
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
	if err := afterRun(err, n.report(&o.carrying, strings.Join(args, " "))); err != nil {
		return err
	}
	if code != exitOK {
		return exitError(code)
	}
	return nil
}

// attach plugs the command's device in.
func (o *runOptions) attach(h *handfast.Host, box *sandbox.Sandbox) error {
	l, err := o.bad.wrap(box.Device)
	if err != nil {
		return err
	}
	return h.Attach(l, linkOptions(box.Kind))
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
