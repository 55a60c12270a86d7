package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/tcp"
)

const ssHelp = `Shows the connections of a running handfast as ss shows those of the kernel,
half-open ones and TIME-WAIT included; or with --kernel those of the kernel.

Without -a or -l, and without a state, those that are connected are shown.

  state NAME     established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait,
                 closed, close-wait, last-ack, listening, closing; and the groups
                 all, connected, synchronized, bucket (half-open and TIME-WAIT), big
  exclude NAME   all but this state
  FILTER         src 10.0.0.0/8, dst [fd00::1]:80, sport = :80, dport >= :1024,
                 joined by and, or, not and ( )`

type ssOptions struct {
	source
	tcp, all, listening, numeric, ipv4, ipv6 bool
	json, flood, defence, summary            bool
	watch                                    time.Duration
	show                                     inspect.SSOptions
	stderr                                   terminal
}

func newSS() *cobra.Command {
	var o ssOptions
	cmd := &cobra.Command{
		Use:   "ss [state NAME] [exclude NAME] [FILTER]",
		Short: "Show connections as ss does: ours, or the kernel's",
		Long:  ssHelp,
		Example: `  handfast ss -tan
  handfast ss -tino state established dst 10.77.0.1
  handfast ss -n state syn-recv '( sport = :80 or sport = :443 )'
  handfast ss --defence
  handfast ss --flood --kernel
  handfast ss --kernel -tanie`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.stderr = newTerminal(cmd.ErrOrStderr())
			return o.run(cmd.Context(), cmd.OutOrStdout(), strings.Join(args, " "))
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.tcp, "tcp", "t", false, "TCP; there is nothing else")
	f.BoolVarP(&o.all, "all", "a", false, "all states, listeners too")
	f.BoolVarP(&o.listening, "listening", "l", false, "listeners only: Recv-Q connections of Send-Q wait for accept")
	f.BoolVarP(&o.numeric, "numeric", "n", false, "ports as numbers")
	f.BoolVarP(&o.show.Info, "info", "i", false, "what TCP knows of each connection, with the kernel's names")
	f.BoolVarP(&o.show.Memory, "memory", "m", false, "memory: skmem")
	f.BoolVarP(&o.show.Timers, "options", "o", false, "timers")
	f.BoolVarP(&o.show.Extended, "extended", "e", false, "more: of listeners what they were asked for, and the defence against floods")
	f.BoolVarP(&o.show.Process, "processes", "p", false, "whose it is")
	f.BoolVarP(&o.show.Headless, "no-header", "H", false, "without the line of names")
	f.BoolVarP(&o.show.OneLine, "oneline", "O", false, "each connection on one line")
	f.BoolVarP(&o.ipv4, "ipv4", "4", false, "IPv4 only")
	f.BoolVarP(&o.ipv6, "ipv6", "6", false, "IPv6 only")
	f.BoolVarP(&o.summary, "summary", "s", false, "count by state")
	f.BoolVar(&o.json, "json", false, "JSON: one connection a line; or of -s, --flood, --defence what they show")
	f.BoolVar(&o.flood, "flood", false, "what the detector of SYN floods says")
	f.DurationVar(&o.watch, "watch", 5*time.Second, "how long --flood watches the kernel before it judges")
	f.BoolVar(&o.defence, "defence", false, "the four measures against SYN floods, and what they do")
	o.addTo(cmd)
	return cmd
}

func (o *ssOptions) run(ctx context.Context, w io.Writer, text string) error {
	def := inspect.ShowConnected
	switch {
	case o.all:
		def = inspect.ShowAll
	case o.listening:
		def = inspect.ShowListening
	}
	f, err := inspect.ParseFilter(text, def)
	if err != nil {
		return usageError{err}
	}
	r, err := o.ask(ctx)
	if err != nil {
		return err
	}
	rows := family(f.Apply(r.Rows), o.ipv4, o.ipv6)
	switch {
	case o.flood:
		return o.writeFlood(w, r)
	case o.defence:
		return o.writeDefence(w, r)
	case o.summary:
		return o.writeSummary(w, r)
	case o.json:
		return writeJSON(w, rows)
	}
	o.show.Service, o.show.OneState = namer(o.numeric), f.OneState()
	if o.show.Extended {
		o.show.Defence = r.Defence
	}
	return errors.Join(inspect.WriteSS(w, rows, o.show), omitted(w, r))
}

// ask asks who is to be asked; a verdict about the kernel takes some seconds.
func (o *ssOptions) ask(ctx context.Context) (*inspect.Report, error) {
	r, err := o.report(ctx)
	if err != nil || !o.kernel || !o.flood {
		return r, err
	}
	if o.stderr.interactive {
		fmt.Fprintf(o.stderr, "watching the kernel for %v …\n", o.watch)
	}
	r.Flood, err = kernelFlood(ctx, o.watch)
	return r, err
}

// family leaves only the rows of the families that were asked for; none is both.
func family(rows []inspect.Row, only4, only6 bool) []inspect.Row {
	if only4 == only6 {
		return rows
	}
	return slices.DeleteFunc(rows, func(r inspect.Row) bool { return r.Local.Addr.Is4() != only4 })
}

// omitted says that not all is shown.
func omitted(w io.Writer, r *inspect.Report) error {
	if r.Omitted == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "… and %s more\n", formatCount(r.Omitted))
	return err
}

func writeJSON(w io.Writer, rows []inspect.Row) error {
	out := json.NewEncoder(w)
	for i := range rows {
		if err := out.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (o *ssOptions) writeFlood(w io.Writer, r *inspect.Report) error {
	if r.Flood == nil {
		return errors.New("it has no detector")
	}
	if o.json {
		return json.NewEncoder(w).Encode(r.Flood)
	}
	fmt.Fprintln(w, r.Flood.Text)
	for _, reason := range r.Flood.Reasons {
		fmt.Fprintf(w, "  %s\n", reason)
	}
	return nil
}

func (o *ssOptions) writeDefence(w io.Writer, r *inspect.Report) error {
	if o.json {
		return json.NewEncoder(w).Encode(r.Defence)
	}
	d, n := r.Defence, r.Counters["TcpExt"]
	if d == nil {
		return errors.New("nothing is known of its defence")
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-16s "+format+"\n", append([]any{name}, args...)...)
	}
	line("half-open", "%d/%d, dropped %d, evicted %d", d.HalfOpen, d.MaxHalfOpen, n["TCPReqQFullDrop"], n["TCPReqQFullDoCookies"])
	line("synack-retries", "%d", d.SynAckRetries)
	sending := "not sending"
	if d.SendingCookies {
		sending = "sending"
	}
	line("cookies", "%s, %s, %d sent, %d came back, %d were forged or old", d.Cookies, sending,
		n["SyncookiesSent"], n["SyncookiesRecv"], n["SyncookiesFailed"])
	switch {
	case d.AttackEnter == 0: // not known
	case d.AttackEnter >= never:
		line("attack mode", "never")
	default:
		on := "off"
		if d.Attack {
			on = "on"
		}
		line("attack mode", "%s, entered %d times; on at %d half-open, off below %d", on, d.Attacks, d.AttackEnter, d.AttackLeave)
	}
	return nil
}

// writeSummary counts connections by state, in the order in which states are
// gone through.
func (o *ssOptions) writeSummary(w io.Writer, r *inspect.Report) error {
	count := map[tcp.State]int{}
	for i := range r.Rows {
		count[tcp.State(r.Rows[i].State)]++
	}
	if o.json {
		return json.NewEncoder(w).Encode(summaryOf(count, len(r.Rows)+r.Omitted))
	}
	fmt.Fprintf(w, "Total: %d\n", len(r.Rows)+r.Omitted)
	for _, s := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(w, "  %-12s %d\n", s.Name(tcp.SS), count[s])
	}
	return omitted(w, r)
}

// summary is what ss -s says, in JSON.
type summary struct {
	Total  int            `json:"total"`
	States map[string]int `json:"states"` // by RFC name
}

func summaryOf(count map[tcp.State]int, total int) summary {
	s := summary{total, map[string]int{}}
	for state, n := range count {
		s.States[state.String()] = n
	}
	return s
}
