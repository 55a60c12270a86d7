package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
)

const netstatHelp = `Shows the sockets of every running handfast as netstat shows those of the kernel;
or with --kernel those of the kernel. Where several run, the last column says
whose a socket is. The old check for a SYN flood works:

  handfast netstat -n -p tcp | grep SYN_RECV

As on Linux, -p alone adds the process; as on BSD and Windows, "-p tcp" means
the protocol. Addresses are never looked up, and never cut off.`

// netstatStyles are how states may be written.
var netstatStyles = map[string]func(tcp.State) string{"linux": tcp.State.Netstat, "bsd": tcp.State.BSD, "windows": tcp.State.Windows}

type netstatOptions struct {
	source
	all, listening, numeric, tcp, udp, timers bool
	ipv4, ipv6, extended, wide, continuous    bool
	statistics, routes, interfaces, groups    bool
	json                                      bool
	proto, style, family                      string
	process, programs, version                bool
}

func newNetstat() *cobra.Command {
	var o netstatOptions
	cmd := &cobra.Command{
		Use:   "netstat",
		Short: "Show sockets as netstat does: ours, or the kernel's",
		Long:  netstatHelp,
		Example: `  handfast netstat -n -p tcp | grep SYN_RECV
  handfast netstat -tulpn --kernel
  handfast netstat -antc
  handfast netstat -st
  handfast netstat -rn`,
		Args: o.protocols,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := refused(cmd.Flags(), netstatRefusals); err != nil {
				return err
			}
			if o.version {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
				return err
			}
			o.warn(cmd.ErrOrStderr())
			return o.repeat(cmd.Context(), cmd.OutOrStdout())
		},
	}
	o.addFlags(cmd.Flags())
	o.addTo(cmd)
	return cmd
}

func (o *netstatOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVarP(&o.all, "all", "a", false, "listeners too; of -i also what is down")
	f.BoolVarP(&o.listening, "listening", "l", false, "listeners only")
	f.BoolVarP(&o.numeric, "numeric", "n", false, "ports and users as numbers")
	f.BoolVarP(&o.tcp, "tcp", "t", false, "TCP")
	f.BoolVarP(&o.udp, "udp", "u", false, "UDP")
	f.BoolVarP(&o.ipv4, "inet", "4", false, "IPv4 only")
	f.BoolVarP(&o.ipv6, "inet6", "6", false, "IPv6 only")
	f.StringVarP(&o.family, "family", "A", "", "address family: inet, inet6")
	f.BoolVarP(&o.timers, "timers", "o", false, "timers")
	f.BoolVarP(&o.extended, "extend", "e", false, "user and inode; of -r metric and use")
	f.BoolVarP(&o.wide, "wide", "W", false, "addresses in full; they always are")
	f.BoolVarP(&o.continuous, "continuous", "c", false, "again every second, until Ctrl-C")
	f.BoolVarP(&o.statistics, "statistics", "s", false, "counters; with -t or -u those of the protocol")
	f.BoolVarP(&o.routes, "route", "r", false, "the routing table")
	f.BoolVarP(&o.interfaces, "interfaces", "i", false, "links, or the kernel's devices")
	f.BoolVarP(&o.groups, "groups", "g", false, "multicast groups, as numbers")
	f.StringVarP(&o.proto, "protocol", "p", "", "whose it is; or, with tcp or udp behind it, the protocol")
	f.Lookup("protocol").NoOptDefVal = "program"
	f.BoolVar(&o.programs, "programs", false, "as -p alone: a column with PID and name")
	f.BoolP("verbose", "v", false, "say all; it always does")
	f.Bool("numeric-hosts", false, "addresses as numbers; they always are")
	f.BoolVarP(&o.version, "version", "V", false, "print the version")
	f.StringVar(&o.style, "style", "linux", "how states are written: linux, bsd, windows")
	f.BoolVar(&o.json, "json", false, "JSON: one socket a line; with -s the counters, with -r, -i and -g the links")
	for _, always := range []string{"verbose", "numeric-hosts", "programs"} {
		f.Lookup(always).Hidden = true
	}
	addRefusals(f, netstatRefusals)
}

// protocols takes the word behind -p.
func (o *netstatOptions) protocols(_ *cobra.Command, args []string) error {
	if o.proto != "program" && o.proto != "" {
		args = append(args, o.proto)
	} else {
		o.process = o.proto != "" && len(args) == 0
	}
	o.process = o.process || o.programs
	for _, a := range args {
		switch strings.ToLower(a) {
		case "tcp", "tcp4", "tcp6", "tcpv6":
			o.tcp = true
		case "udp", "udp4", "udp6", "udpv6":
			o.udp = true
		default:
			return usagef(say.All("netstat shows TCP and UDP only, but there is %q"), a)
		}
	}
	return nil
}

// warn says, in netstat's own words, that not all processes can be seen.
func (o *netstatOptions) warn(stderr io.Writer) {
	if o.process && o.kernel && os.Geteuid() != 0 {
		fmt.Fprintln(stderr, "(Not all processes could be identified, non-owned process info\n will not be shown, you would have to be root to see it all.)")
	}
}

// repeat shows it once, or with -c again and again.
func (o *netstatOptions) repeat(ctx context.Context, w io.Writer) error {
	for {
		if err := o.run(ctx, w); err != nil || !o.continuous {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (o *netstatOptions) run(ctx context.Context, w io.Writer) error {
	if _, ok := netstatStyles[o.style]; !ok {
		return usagef(say.All("--style %s: it is linux, bsd or windows"), o.style)
	}
	switch o.family {
	case "":
	case "inet":
		o.ipv4 = true
	case "inet6":
		o.ipv6 = true
	default:
		return usagef(say.All("-A %s: it is inet or inet6"), o.family)
	}
	all, err := o.answers(ctx, o.process)
	if err != nil {
		return err
	}
	switch {
	case !o.kernel:
		countEstablished(all)
	case o.ofLinks():
		if all[0].Links, err = kernel.Links(); err != nil {
			return err
		}
	}
	switch {
	case o.statistics && o.json:
		return eachJSON(w, all, func(a answer) any { return a.Counters })
	case o.statistics:
		return each(w, all, func(a answer) error { return inspect.WriteStatistics(w, a.Counters, o.chosenProtocols()...) })
	case o.ofLinks() && o.json:
		return eachJSON(w, all, func(a answer) any { return a.Links })
	case o.groups:
		return each(w, all, func(a answer) error { return inspect.WriteGroups(w, a.Links, o.onlyFamily()) })
	case o.routes:
		return each(w, all, func(a answer) error {
			return inspect.WriteRoutes(w, a.Links, inspect.LinkOptions{IPv6: o.ipv6, Extended: o.extended, Numeric: o.numeric, Kernel: o.kernel})
		})
	case o.interfaces:
		return each(w, all, func(a answer) error {
			return inspect.WriteInterfaces(w, a.Links, inspect.LinkOptions{All: o.all, Kernel: o.kernel})
		})
	}
	return o.table(w, all)
}

// onlyFamily is 4 or 6 when that was asked for alone, and 0 otherwise.
func (o *netstatOptions) onlyFamily() int {
	switch {
	case o.ipv4 == o.ipv6:
		return 0
	case o.ipv4:
		return 4
	}
	return 6
}

// ofLinks reports whether it is about links, and not about sockets.
func (o *netstatOptions) ofLinks() bool { return o.routes || o.interfaces || o.groups }

// countEstablished adds the one of netstat's counters that is no counter of ours,
// but a look at the connections.
func countEstablished(all []answer) {
	for _, a := range all {
		if n := a.Counters["Tcp"]; n != nil && a.Omitted == 0 {
			n["CurrEstab"] = uint64(inspect.Summarize(a.Rows).Estab)
		}
	}
}

// chosenProtocols are those that were asked for; none is all.
func (o *netstatOptions) chosenProtocols() (all []string) {
	if o.tcp {
		all = append(all, "tcp")
	}
	if o.udp {
		all = append(all, "udp")
	}
	return all
}

func (o *netstatOptions) table(w io.Writer, all []answer) error {
	none := inspect.ShowNetstat
	switch {
	case o.all:
		none = inspect.ShowAll
	case o.listening:
		none = inspect.ShowListening
	}
	f, err := inspect.ParseFilter("", none)
	if err != nil {
		return err
	}
	rows, more := rowsOf(all)
	// Of two flags that exclude each other both mean the same as none: all.
	rows = slices.DeleteFunc(f.Apply(rows), func(r inspect.Row) bool {
		wrong := o.tcp != o.udp && r.UDP() != o.udp
		return wrong || o.ipv4 != o.ipv6 && strings.HasSuffix(r.Proto, "6") != o.ipv6
	})
	// netstat reads one table of the kernel after the other: tcp, tcp6, udp, udp6. Within
	// each the order stays.
	slices.SortStableFunc(rows, func(a, b inspect.Row) int { return strings.Compare(a.Proto, b.Proto) })
	if o.json {
		return writeJSON(w, rows)
	}
	show := inspect.NetstatOptions{Title: o.title(), StateName: netstatStyles[o.style], Extended: o.extended,
		Process: o.process, Timers: o.timers, Command: len(all) > 1, Service: namer(o.numeric)}
	if !o.numeric {
		show.User = userName
	}
	return errors.Join(inspect.WriteNetstat(w, rows, show), omitted(w, more, story.English))
}

func userName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return u.Username
}

// title is the line above the table.
func (o *netstatOptions) title() string {
	switch {
	case o.all:
		return "Active Internet connections (servers and established)"
	case o.listening:
		return "Active Internet connections (only servers)"
	}
	return "Active Internet connections (w/o servers)"
}
