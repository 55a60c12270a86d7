package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/sandbox"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/link"
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
is refused. --map 10.0.2.2=127.0.0.1 lets the command reach this machine itself.
--publish 8080:80 has what comes to port 8080 of this machine go to port 80
inside; 0.0.0.0:8080:80 is open to other machines too, and 5353:53/udp is UDP.

--proxy socks5://127.0.0.1:1080 carries every connection through a proxy, also
those of programs that know of none. UDP goes through a SOCKS5 proxy that grants
it (UDP ASSOCIATE), and is refused otherwise; pings are refused. Names are asked
of the system's server from here, and so is reached what --map names.

--tun NAME runs no command: what is routed to that TUN of this machine is
carried, until Ctrl-C. That needs root, or a device that is yours.`

type runOptions struct {
	sandbox sandbox.Options
	publish publications
	tun     string
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
  handfast run --deny :25 --map 10.0.2.2=127.0.0.1 -- sh
  handfast run --proxy socks5://127.0.0.1:1080 -- curl http://example.com/
  sudo handfast run --tun hf0 --proxy socks5://127.0.0.1:1080`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && o.tun == "":
				return usagef(say.Text{"run takes a command: handfast run -- curl http://example.com/", "run 需要一条命令：handfast run -- curl http://example.com/"})
			case len(args) > 0 && o.tun != "":
				return usagef(say.Text{"run --tun takes no command: any program of this machine may use the device", "run --tun 不接受命令：本机任何程序都可以使用该设备"})
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
	f.StringVar(&o.tun, "tun", "", "run no command, but carry what is routed to the TUN of this `name`, or of the open descriptor fd:3")
	f.IntVar(&o.sandbox.MTU, "mtu", 1500, "the device's MTU in bytes, 1280 to 65535")
	f.Var(&o.publish, "publish", "carry what comes to a port of this machine to one of the command, such as 8080:80; may be repeated")
	o.addTo(f)
	addLang(f)
	return cmd
}

var runLinks = []string{"auto", "tun", "packet"}

func (o *runOptions) check() error {
	switch {
	case !slices.Contains(runLinks, o.sandbox.Link):
		return usagef(say.Text{"--link %s: it is one of %s", "--link %s：可选 %s"}, o.sandbox.Link, strings.Join(runLinks, ", "))
	case o.sandbox.MTU < 1280 || o.sandbox.MTU > 65535:
		return usagef(say.Text{"--mtu %d: it may be 1280 to 65535", "--mtu %d：取值为 1280 到 65535"}, o.sandbox.MTU)
	}
	return o.carrying.check()
}

func (o *runOptions) run(ctx context.Context, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.web.listen(); err != nil {
		return err
	}
	defer o.web.close()
	system := systemNameServer()
	if system.IsValid() {
		o.sandbox.DNS = dnsAddr
	}
	// A super-segment would be lost, delayed or reordered as a whole, which no network does.
	o.sandbox.Plain = o.bad.wanted()
	// First, so that a port that is taken is reported before the command has done anything.
	ports, err := o.publish.listen()
	if err != nil {
		return err
	}
	defer ports.close()
	if o.tun != "" {
		return o.runTUN(ctx, system, ports)
	}
	return o.runCommand(args, system, ports)
}

func (o *runOptions) runCommand(args []string, system netip.AddrPort, ports *openPorts) error {
	runtime.LockOSThread() // the command is killed when the thread that started it ends
	defer runtime.UnlockOSThread()
	box, err := sandbox.Start(args, o.sandbox)
	if code, ok := noProgram(err); ok {
		fmt.Fprintf(o.stderr, "handfast: %s\n", say.Error(err, o.stderr.lang))
		return exitError(code)
	}
	if err != nil {
		return err
	}
	n, err := o.runNetwork(box.Device, box.Kind, system)
	if err != nil {
		return err
	}
	defer n.close()
	ports.through(n.gateway, insideAddrs[0].Addr())
	// The command has waited for this: its first packet finds a network.
	if err := box.Release(); err != nil {
		return err
	}
	code, err := box.Wait()
	n.settle(o.bad.patience())
	n.close() // here already: the report counts what has ended
	if err := afterRun(err, n.report(&o.carrying, strings.Join(args, " "))); err != nil {
		return err
	}
	if code != exitOK {
		return exitError(code)
	}
	return nil
}

// noProgram reports whether the command itself is why it did not begin, and the exit
// code that a shell gives then.
func noProgram(err error) (code int, ok bool) {
	var lookup *exec.Error
	switch {
	case !errors.As(err, &lookup):
		return 0, false
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return exitNotFound, true
	}
	return exitNotExecutable, true
}

// runNetwork carries what comes by a device.
func (o *runOptions) runNetwork(device link.Link, kind string, system netip.AddrPort) (*network, error) {
	s := segment{command: "run", peer: say.Text{"the command", "命令"}, addresses: gateAddrs, dns: []netip.Addr{dnsAddr}, system: system}
	return o.network(s, func(h *handfast.Host) error {
		l, err := o.bad.wrap(device)
		if err != nil {
			return err
		}
		return h.Attach(l, linkOptions(kind))
	})
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
