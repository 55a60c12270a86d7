package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
)

const ssHelp = `Shows the sockets of every running handfast as ss shows those of the kernel,
half-open ones and TIME-WAIT included; or with --kernel those of the kernel.
Where several run, a column says whose a socket is.

Without -a or -l, and without a state, those that are connected are shown.

  state NAME     established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait,
                 closed, close-wait, last-ack, listening, closing; and the groups
                 all, connected, synchronized, bucket (half-open and TIME-WAIT), big
  exclude NAME   all but this state
  FILTER         src 10.0.0.0/8, dst [fd00::1]:80, sport = :80, dport >= :1024,
                 dev hf0, autobound, joined by and, or, not and ( )

What ss prints about a socket of the kernel's and a handfast does not have is
left out: a socket of ours has no file descriptor, inode or cookie. With --kernel
the processes of others are seen by root only, and TCP and UDP only are shown: what
else -A inet has, such as MPTCP and raw sockets, ss itself shows.`

type ssOptions struct {
	source
	tcp, udp                            bool
	all, listening, numeric, ipv4, ipv6 bool
	json, flood, defence, summary       bool
	resolve, kill, bpf                  bool
	query, family                       string
	watch                               time.Duration
	show                                inspect.SSOptions
	version, events                     bool
	filter                              string
	streams
}

func newSS() *cobra.Command {
	var o ssOptions
	cmd := &cobra.Command{
		Use:   "ss [state NAME] [exclude NAME] [FILTER]",
		Short: "Show sockets as ss does: ours, or the kernel's",
		Long:  ssHelp,
		Example: `  handfast ss -tan
  handfast ss -tulpn --kernel
  handfast ss -tino state established dst 10.77.0.1
  handfast ss -n state syn-recv '( sport = :80 or sport = :443 )'
  handfast ss -K dst 10.77.0.1
  handfast ss --defence
  handfast ss --events :80
  handfast ss --flood --kernel`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := refused(cmd.Flags(), ssRefusals); err != nil {
				return err
			}
			if o.version {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
				return err
			}
			o.streams = streamsOf(cmd)
			text, err := o.filterText(args, cmd.InOrStdin())
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), o.stdout, text)
		},
	}
	o.addFlags(cmd)
	o.addTo(cmd)
	return cmd
}

func (o *ssOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVarP(&o.tcp, "tcp", "t", false, "TCP")
	f.BoolVarP(&o.udp, "udp", "u", false, "UDP")
	f.StringVarP(&o.query, "query", "A", "", "protocols, separated by commas: "+strings.Join(socketTables, ", "))
	f.StringVarP(&o.family, "family", "f", "", "address family: inet, inet6")
	f.BoolVarP(&o.all, "all", "a", false, "all states, listeners too")
	f.BoolVarP(&o.listening, "listening", "l", false, "listeners only: Recv-Q connections of Send-Q wait for accept")
	f.BoolVarP(&o.numeric, "numeric", "n", false, "ports and rates as numbers")
	f.BoolVarP(&o.resolve, "resolve", "r", false, "names of hosts instead of addresses")
	f.BoolVarP(&o.show.Info, "info", "i", false, "what TCP knows of each connection, with the kernel's names")
	f.BoolVarP(&o.show.Memory, "memory", "m", false, "memory: skmem")
	f.BoolVarP(&o.show.Timers, "options", "o", false, "timers; with -i also options that both sides agreed on")
	f.BoolVarP(&o.show.Extended, "extended", "e", false, "more: user, inode, what is shut down; of listeners what they were asked for, and the defence against floods")
	f.BoolVarP(&o.show.Process, "processes", "p", false, "whose it is")
	f.BoolVar(&o.show.TOS, "tos", false, "the type of service, or traffic class, of what is sent")
	f.BoolVarP(&o.bpf, "bpf", "b", false, "filters of sockets: TCP and UDP have none; like ss, shows timers")
	f.BoolVarP(&o.kill, "kill", "K", false, "end the connections that the filter chooses with a reset, and show them; not the kernel's")
	f.BoolVarP(&o.show.Headless, "no-header", "H", false, "without the line of names")
	f.BoolVarP(&o.show.OneLine, "oneline", "O", false, "each socket on one line")
	f.BoolVarP(&o.ipv4, "ipv4", "4", false, "IPv4 only")
	f.BoolVarP(&o.ipv6, "ipv6", "6", false, "IPv6 only")
	f.BoolVarP(&o.summary, "summary", "s", false, "count sockets")
	f.StringVarP(&o.filter, "filter", "F", "", "read the filter from this `file`, or - for standard input, behind what is typed")
	f.BoolVarP(&o.version, "version", "V", false, "print the version")
	f.BoolVar(&o.json, "json", false, "JSON: one socket a line; or of -s, --flood, --defence what they show")
	f.BoolVar(&o.flood, "flood", false, "what the detector of SYN floods says")
	f.DurationVar(&o.watch, "watch", 5*time.Second, "how long --flood watches the kernel before it judges, at least 2s")
	f.BoolVarP(&o.events, "events", "E", false, "the last events of connections, also of those that have ended: of all, of one end, or of LOCAL REMOTE")
	f.BoolVar(&o.defence, "defence", false, "the four measures against SYN floods, and what they do")
	addLang(f)
	addRefusals(f, ssRefusals)
}

// filterText is what stands behind the options, and in the file of -F.
func (o *ssOptions) filterText(args []string, stdin io.Reader) (string, error) {
	text := strings.Join(args, " ")
	if o.filter == "" {
		return text, nil
	}
	if o.filter != "-" {
		f, err := os.Open(o.filter)
		if err != nil {
			return "", err
		}
		defer f.Close()
		stdin = f
	}
	b, err := io.ReadAll(io.LimitReader(stdin, maxFilter+1))
	if err == nil && len(b) > maxFilter {
		err = usagef(say.Text{"-F %s: a filter has at most %d bytes", "-F %s：过滤条件最多 %d 字节"}, o.filter, maxFilter)
	}
	return strings.TrimSpace(text + " " + strings.Join(strings.Fields(string(b)), " ")), err
}

// maxFilter is how long the file of -F may be, in bytes.
const maxFilter = 64 << 10

// socketTables are what -A takes.
var socketTables = []string{"tcp", "udp", "inet", "all"}

// leastWatch is the shortest time after which a detector has seen what became of
// handshakes.
const leastWatch = 2 * time.Second

// check finds what makes no sense, and reads -A and -f.
func (o *ssOptions) check(text string) error {
	for _, table := range strings.FieldsFunc(o.query, func(r rune) bool { return r == ',' }) {
		switch table {
		case "tcp":
			o.tcp = true
		case "udp":
			o.udp = true
		case "inet", "all":
			o.tcp, o.udp = true, true
		default:
			return usagef(say.Text{"-A %s: it is one of %s; %s. The kernel's: ss -A %s", "-A %s：可选 %s；%s。内核的套接字：ss -A %s"}, table, strings.Join(socketTables, ", "), onlyTCPAndUDP, table)
		}
	}
	switch o.family {
	case "":
	case "inet":
		o.ipv4 = true
	case "inet6":
		o.ipv6 = true
	default:
		return usagef(say.Text{"-f %s: it is inet or inet6; a handfast has no other sockets. The kernel's: ss -f %s", "-f %s：可选 inet 或 inet6；handfast 没有其他套接字。内核的套接字：ss -f %s"}, o.family, o.family)
	}
	switch {
	case o.flood && o.kernel && o.watch < leastWatch:
		return usagef(say.Text{"--watch %v: it takes %v at least to see what becomes of a handshake", "--watch %v：至少需要 %v 才能看到握手的结局"}, o.watch, leastWatch)
	case o.kill && o.kernel:
		return usagef(say.Text{"-K ends connections of handfast only; the kernel's: ss -K", "-K 只能终止 handfast 的连接；内核的连接：ss -K"})
	case o.kill && text == "":
		return usagef(say.Text{"-K without a filter would end every connection; say which, or \"state connected\"", "-K 没有过滤条件就会终止所有连接；请写明哪些，或写 \"state connected\""})
	}
	o.show.Timers = o.show.Timers || o.bpf
	return nil
}

func (o *ssOptions) run(ctx context.Context, w io.Writer, text string) error {
	if err := o.check(text); err != nil {
		return err
	}
	if o.events {
		return o.writeEvents(ctx, w, text)
	}
	f, err := inspect.ParseFilter(text, o.states())
	if err != nil {
		return usagef(say.All("%s"), say.Filter(err))
	}
	if o.summary && o.kernel && !o.json { // first of all: to ask for sockets takes sockets, which would be counted
		return o.writeKernelSummary(w)
	}
	all, err := o.ask(ctx)
	if err != nil {
		return err
	}
	switch {
	case o.flood:
		return o.writeFlood(w, all)
	case o.defence:
		return o.writeDefence(w, all)
	case o.summary:
		return o.writeSummary(w, all)
	case o.kill:
		if all, err = o.killed(ctx, all, &f); err != nil {
			return err
		}
	}
	for _, a := range all {
		a.Defend()
	}
	rows, more := rowsOf(all)
	rows = o.chosen(f.Apply(rows))
	if o.json {
		return writeJSON(w, rows)
	}
	o.show.Service, o.show.OneState = withoutEphemeral(namer(o.numeric)), f.OneState()
	o.show.Netid, o.show.Command = o.tcp == o.udp, len(all) > 1
	if o.resolve {
		o.show.Host = hostNamer(ctx)
	}
	return errors.Join(inspect.WriteSS(w, rows, o.show), omitted(w, more, o.stdout.lang))
}

// states are those that are shown when the filter names none.
func (o *ssOptions) states() inspect.Filter {
	switch {
	case o.all:
		return inspect.ShowAll
	case o.listening:
		return inspect.ShowListening
	}
	return inspect.ShowConnected
}

// ask asks who should be asked; a verdict about the kernel takes some seconds.
func (o *ssOptions) ask(ctx context.Context) ([]answer, error) {
	all, err := o.answers(ctx, o.show.Process)
	if err != nil || !o.kernel || !o.flood {
		return all, err
	}
	if o.stderr.interactive {
		fmt.Fprintf(o.stderr, say.Text{"watching the kernel for %v …\n", "正在观察内核，时长 %v ……\n"}[o.stderr.lang], o.watch)
	}
	all[0].Flood, err = kernel.Flood(ctx, o.watch)
	return all, err
}

// killed ends the connections that are chosen, and leaves only those that there
// were in the answers.
func (o *ssOptions) killed(ctx context.Context, all []answer, f *inspect.Filter) ([]answer, error) {
	for _, a := range all {
		gone, err := a.Kill(ctx, o.chosen(f.Apply(a.Rows)))
		if err != nil {
			return nil, err
		}
		a.Rows, a.Omitted = gone, 0
	}
	return all, nil
}

// chosen leaves only the rows of the protocols and families that were asked
// for; none is all.
func (o *ssOptions) chosen(rows []inspect.Row) []inspect.Row {
	return slices.DeleteFunc(rows, func(r inspect.Row) bool {
		wrong := o.tcp != o.udp && r.UDP() != o.udp
		return wrong || o.ipv4 != o.ipv6 && !strings.HasSuffix(r.Proto, "6") != o.ipv4
	})
}

// omitted says that not all is shown.
func omitted(w io.Writer, n int, l story.Lang) error {
	if n == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, say.Text{"… and %s more\n", "…… 另有 %s 个未显示\n"}[l], formatCount(n))
	return err
}
