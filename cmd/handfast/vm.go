package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/lan"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/link/bridge"
)

const vmHelp = `Is the network of virtual machines: a switch that joins them, with our TCP as the
router, which carries their flows on by the sockets of this machine. It needs no
root, except for tap.

--listen says where machines come from; it may be repeated:

  unix:PATH           QEMU (-netdev stream), and hyperkit with its handshake
  hyperkit-bare:PATH  hyperkit's framing without the handshake
  unixgram:PATH       vfkit, krunkit, QEMU (-netdev dgram): one machine at a time
  unixpacket:PATH     User-mode Linux, BESS
  tcp:HOST:PORT       QEMU (-netdev socket)
  tap:NAME            a TAP device of this system, as root

The router is 192.168.127.1 and fd00:127::1. Machines get addresses from
192.168.127.2 on by DHCP, and IPv6 ones by router advertisements; names are
answered by this system's server. --publish 8080:192.168.127.2:80 lets programs of
this machine in, and --map 192.168.127.1=127.0.0.1 lets machines reach them.

The network is as bad as for run: --loss, --delay and the rest hold for each
machine, from when it comes. At the end, by Ctrl-C, a line for each flow is
printed; handfast ss shows the connections while they live.`

type vmOptions struct {
	listen  []string
	publish publications
	mtu     int
	carrying
}

// vmNetwork is what machines see.
var vmNetwork = lan.Network{
	Gateway4: netip.MustParsePrefix("192.168.127.1/24"),
	Gateway6: netip.MustParsePrefix("fd00:127::1/64"),
	Local6:   netip.MustParseAddr("fe80::1"),
}

func newVM() *cobra.Command {
	o := vmOptions{publish: publications{machines: true}}
	cmd := &cobra.Command{
		Use:   "vm --listen unix:PATH [flags]",
		Short: "Be the network of virtual machines: QEMU, vfkit, hyperkit; needs no root",
		Long:  vmHelp,
		Example: `  handfast vm --listen unix:/tmp/net.sock
  handfast vm --listen unixgram:/tmp/net.sock --publish 2222:192.168.127.2:22
  handfast vm --listen unix:/tmp/a.sock --loss 1% --delay 50ms`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.streams = streamsOf(cmd)
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.listen, "listen", nil, "where machines connect, `kind:place`, as above; may be repeated")
	f.Var(&o.publish, "publish", "carry what comes to a port of this machine to one of a virtual machine, such as 8080:192.168.127.2:80, or with /udp behind it; may be repeated")
	f.IntVar(&o.mtu, "mtu", 1500, "the network's MTU in bytes, 1280 to 65535")
	o.addTo(f)
	addLang(f)
	return cmd
}

func (o *vmOptions) check() error {
	switch {
	case len(o.listen) == 0:
		return usagef(say.Text{"--listen says where machines connect: handfast vm --listen unix:/tmp/net.sock", "--listen 说明虚拟机从哪里接入：handfast vm --listen unix:/tmp/net.sock"})
	case o.mtu < 1280 || o.mtu > 65535:
		return usagef(say.Text{"--mtu %d: it may be 1280 to 65535", "--mtu %d：取值为 1280 到 65535"}, o.mtu)
	}
	return o.carrying.check()
}

// machines is the network of the machines while it lives.
type machines struct {
	options *vmOptions
	network *network
	bridge  *bridge.Bridge
	dhcp    *handfast.UDPConn
	close   []func() error // of what listens
	running sync.WaitGroup
	failed  chan error

	mu    sync.Mutex
	count int // machines that have come so far
}

func (o *vmOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	if err := o.web.listen(); err != nil {
		return err
	}
	defer o.web.close()
	ports, err := o.publish.listen()
	if err != nil {
		return err
	}
	defer ports.close()
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	m := &machines{options: o, failed: make(chan error, 1)}
	if err = m.open(); err == nil {
		ports.through(m.network.gateway, netip.Addr{})
		m.greet()
		select {
		case <-ctx.Done():
		case err = <-m.failed:
		case <-m.network.host.Done():
			err = m.network.host.Err()
		}
	}
	m.end() // whatever open has made before it failed, too
	if m.network == nil {
		return err
	}
	return afterRun(err, m.network.report(&o.carrying, "vm"))
}

// open makes the network, then the doors to it.
func (m *machines) open() error {
	var err error
	if m.bridge, err = bridge.New(bridge.Options{}); err != nil {
		return err
	}
	o, told := m.options, vmNetwork
	system := systemNameServer()
	told.MTU, told.DNS = o.mtu, system.IsValid() && !o.rules.offline
	ours := []netip.Addr{told.Gateway4.Addr(), told.Gateway6.Addr()}
	addresses := []netip.Prefix{told.Gateway4, told.Gateway6, netip.PrefixFrom(told.Local6, 64)}
	n, err := o.network(segment{command: "vm", peer: say.Text{"the machines", "虚拟机"}, addresses: addresses, dns: ours, system: system},
		func(h *handfast.Host) error {
			end, err := m.bridge.Host(bridge.Host{Name: "vm", MTU: o.mtu})
			if err != nil {
				return err
			}
			router := lan.NewRouter(end, told)
			// A machine that claims the router's address must not make the router give it up:
			// all others would lose their network.
			err = h.Attach(router, handfast.LinkOptions{Addresses: addresses, NoConflictDetection: true})
			if err != nil {
				router.Close()
			}
			return err
		})
	if err != nil {
		return err
	}
	m.network = n
	if m.dhcp, err = n.host.ListenPacket("udp4", ":67"); err != nil {
		return err
	}
	server := lan.NewServer(told, func(machine net.HardwareAddr, a netip.Addr) { m.say(say.Text{"%v is %v", "%v 是 %v"}, a, machine) })
	m.running.Go(func() { server.Serve(m.dhcp) })
	for _, text := range o.listen {
		if err := m.listen(text); err != nil {
			return err
		}
	}
	return nil
}

// end lets connections end, closes everything, and waits for it.
func (m *machines) end() {
	var errs []error
	for _, c := range m.close {
		errs = append(errs, c())
	}
	if m.bridge != nil {
		m.bridge.Close()
	}
	if m.network != nil {
		m.network.close()
	}
	m.running.Wait()
	if err := errors.Join(errs...); err != nil {
		m.say(say.All("%s"), say.Error(err, m.options.stderr.lang))
	}
}

// say tells what goes on.
func (m *machines) say(format say.Text, args ...any) {
	fmt.Fprintf(m.options.stderr, "handfast vm: "+format[m.options.stderr.lang]+"\n", args...)
}

func (m *machines) greet() {
	m.say(say.Text{"machines can connect to %s; the router is %v and %v. Ctrl-C ends it.", "虚拟机可以接入 %s；路由器是 %v 和 %v。按 Ctrl-C 结束。"},
		strings.Join(m.options.listen, ", "), vmNetwork.Gateway4.Addr(), vmNetwork.Gateway6.Addr())
}
