package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/tcp"
)

const netstatHelp = `Shows the connections of a running handfast as netstat shows those of the kernel;
or with --kernel those of the kernel. The old check for a SYN flood works:

  handfast netstat -n -p tcp | grep SYN_RECV

As on Linux, -p alone adds the process; as on BSD and Windows, "-p tcp" means
the protocol.`

// netstatStyles are how states may be written.
var netstatStyles = map[string]tcp.Spelling{"linux": tcp.Netstat, "bsd": tcp.BSD, "windows": tcp.Windows}

type netstatOptions struct {
	source
	all, listening, numeric, tcp, timers bool
	statistics, json                     bool
	proto, style                         string
	process                              bool
}

func newNetstat() *cobra.Command {
	var o netstatOptions
	cmd := &cobra.Command{
		Use:   "netstat",
		Short: "Show connections as netstat does: ours, or the kernel's",
		Long:  netstatHelp,
		Example: `  handfast netstat -n -p tcp | grep SYN_RECV
  handfast netstat -ant
  handfast netstat -s
  handfast netstat --kernel -ant`,
		Args: o.protocols,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "listeners too")
	f.BoolVarP(&o.listening, "listening", "l", false, "listeners only")
	f.BoolVarP(&o.numeric, "numeric", "n", false, "ports as numbers")
	f.BoolVarP(&o.tcp, "tcp", "t", false, "TCP; there is nothing else")
	f.BoolVarP(&o.timers, "timers", "o", false, "timers")
	f.BoolVarP(&o.statistics, "statistics", "s", false, "counters")
	f.StringVarP(&o.proto, "protocol", "p", "", "whose it is; or, with tcp behind it, the protocol")
	f.Lookup("protocol").NoOptDefVal = "program"
	f.StringVar(&o.style, "style", "linux", "how states are written: linux, bsd, windows")
	f.BoolVar(&o.json, "json", false, "JSON: one connection a line; with -s the counters")
	o.addTo(cmd)
	return cmd
}

// protocols takes the word behind -p.
func (o *netstatOptions) protocols(cmd *cobra.Command, args []string) error {
	if o.proto != "program" && o.proto != "" {
		args = append(args, o.proto)
	} else {
		o.process = o.proto != "" && len(args) == 0
	}
	for _, a := range args {
		if !slices.Contains([]string{"tcp", "tcp4", "tcp6", "tcpv6"}, strings.ToLower(a)) {
			return usagef("netstat shows TCP only, but there is %q", a)
		}
	}
	return nil
}

func (o *netstatOptions) run(ctx context.Context, w io.Writer) error {
	style, ok := netstatStyles[o.style]
	if !ok {
		return usagef("--style %s: it is linux, bsd or windows", o.style)
	}
	r, err := o.report(ctx)
	if err != nil {
		return err
	}
	if o.statistics {
		if o.json {
			return json.NewEncoder(w).Encode(r.Counters)
		}
		return inspect.WriteStatistics(w, r.Counters)
	}
	def := inspect.ShowNetstat
	switch {
	case o.all:
		def = inspect.ShowAll
	case o.listening:
		def = inspect.ShowListening
	}
	f, err := inspect.ParseFilter("", def)
	if err != nil {
		return err
	}
	rows := f.Apply(r.Rows)
	if o.json {
		return writeJSON(w, rows)
	}
	return errors.Join(inspect.WriteNetstat(w, rows, inspect.NetstatOptions{Title: inspect.NetstatTitle(o.all, o.listening),
		Spelling: style, Process: o.process, Timers: o.timers, Service: namer(o.numeric)}), omitted(w, r))
}
