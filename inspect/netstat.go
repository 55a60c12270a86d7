package inspect

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/tcp"
)

// NetstatOptions say what WriteNetstat shows.
type NetstatOptions struct {
	Title    string                   // the line above the table; "": none
	Spelling tcp.Spelling             // of states; RFC stands for Netstat
	Process  bool                     // Linux's -p: a column with PID and name
	Timers   bool                     // -o: a column with the timer
	Service  func(port uint16) string // returns a port's name, or ""; nil: numbers
}

// WriteNetstat writes rows as netstat does on Linux.
func WriteNetstat(w io.Writer, rows []Row, o NetstatOptions) error {
	if o.Spelling == tcp.RFC {
		o.Spelling = tcp.Netstat
	}
	out := bufio.NewWriter(w)
	if o.Title != "" {
		fmt.Fprintln(out, o.Title)
	}
	o.line(out, "Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "State", "PID/Program name", "Timer")
	for i := range rows {
		r := &rows[i]
		sendQ := r.SendQ
		if r.State == State(tcp.Listen) {
			sendQ = 0 // netstat does not know the limit
		}
		o.line(out, r.Proto, fmt.Sprint(r.RecvQ), fmt.Sprint(sendQ), o.end(r.Local), o.end(r.Remote),
			r.State.Name(o.Spelling), r.Process.netstat(), r.netstatTimer())
	}
	return out.Flush()
}

func (o *NetstatOptions) line(w io.Writer, proto, recvq, sendq, local, foreign, state, process, timer string) {
	s := fmt.Sprintf("%-5s %6s %6s %-23s %-23s %-11s", proto, recvq, sendq, local, foreign, state)
	if o.Process {
		s += fmt.Sprintf(" %-19s", process)
	}
	if o.Timers {
		s += " " + timer
	}
	fmt.Fprintln(w, strings.TrimRight(s, " "))
}

// end writes an end as netstat does: an IPv6 address has no brackets.
func (o *NetstatOptions) end(e Endpoint) string {
	host := "::"
	if e.Addr.IsValid() {
		host = e.Addr.String()
	}
	return host + ":" + e.port(o.Service)
}

func (p *Process) netstat() string {
	if p == nil {
		return "-"
	}
	return fmt.Sprintf("%d/%s", p.PID, p.Name)
}

func (r *Row) netstatTimer() string {
	name := r.Timer
	if name == "" {
		name = "off"
	}
	return fmt.Sprintf("%s (%.2f/%d/0)", name, time.Duration(r.Expires).Seconds(), r.Retrans)
}

// netstatTitles are the lines above netstat's table.
var netstatTitles = map[[2]bool]string{
	{false, false}: "Active Internet connections (w/o servers)",
	{false, true}:  "Active Internet connections (only servers)",
	{true, false}:  "Active Internet connections (servers and established)",
}

// NetstatTitle returns the line above netstat's table, for its options -a and -l.
func NetstatTitle(all, listening bool) string {
	return netstatTitles[[2]bool{all, listening && !all}]
}

// counterText are counters in netstat's words and order, as netstat -s has them.
var counterText = []struct{ group, name, text string }{
	{"Ip", "InReceives", "%d total packets received"},
	{"Ip", "InHdrErrors", "%d with invalid headers"},
	{"Ip", "InAddrErrors", "%d with invalid addresses"},
	{"Ip", "InUnknownProtos", "%d with unknown protocol"},
	{"Ip", "InDiscards", "%d incoming packets discarded"},
	{"Ip", "InDelivers", "%d incoming packets delivered"},
	{"Ip", "OutRequests", "%d requests sent out"},
	{"Ip", "OutDiscards", "%d outgoing packets dropped"},
	{"Ip", "OutNoRoutes", "%d dropped because of missing route"},
	{"Icmp", "InMsgs", "%d ICMP messages received"},
	{"Icmp", "InErrors", "%d input ICMP message failed"},
	{"Icmp", "OutMsgs", "%d ICMP messages sent"},
	{"Icmp", "OutErrors", "%d ICMP messages failed"},
	{"Tcp", "ActiveOpens", "%d active connection openings"},
	{"Tcp", "PassiveOpens", "%d passive connection openings"},
	{"Tcp", "AttemptFails", "%d failed connection attempts"},
	{"Tcp", "EstabResets", "%d connection resets received"},
	{"Tcp", "CurrEstab", "%d connections established"},
	{"Tcp", "InSegs", "%d segments received"},
	{"Tcp", "OutSegs", "%d segments sent out"},
	{"Tcp", "RetransSegs", "%d segments retransmitted"},
	{"Tcp", "InErrs", "%d bad segments received"},
	{"Tcp", "OutRsts", "%d resets sent"},
	{"Udp", "InDatagrams", "%d packets received"},
	{"Udp", "NoPorts", "%d packets to unknown port received"},
	{"Udp", "InErrors", "%d packet receive errors"},
	{"Udp", "OutDatagrams", "%d packets sent"},
	{"Udp", "RcvbufErrors", "%d receive buffer errors"},
	{"Udp", "SndbufErrors", "%d send buffer errors"},
	{"TcpExt", "SyncookiesSent", "%d SYN cookies sent"},
	{"TcpExt", "SyncookiesRecv", "%d SYN cookies received"},
	{"TcpExt", "SyncookiesFailed", "%d invalid SYN cookies received"},
	{"TcpExt", "ListenOverflows", "%d times the listen queue of a socket overflowed"},
	{"TcpExt", "ListenDrops", "%d SYNs to LISTEN sockets dropped"},
}

// counterGroups are in netstat's order.
var counterGroups = []string{"Ip", "Icmp", "Tcp", "Udp", "TcpExt", "IpExt"}

// WriteStatistics writes counters as netstat -s does: first those that it has
// words for. Like there, the others and all of TcpExt are left out when 0.
func WriteStatistics(w io.Writer, counters map[string]map[string]uint64) error {
	out := bufio.NewWriter(w)
	for _, group := range counterGroups {
		if len(counters[group]) > 0 {
			fmt.Fprintf(out, "%s:\n", group)
			writeGroup(out, group, counters[group])
		}
	}
	return out.Flush()
}

func writeGroup(w io.Writer, group string, counters map[string]uint64) {
	known := map[string]bool{}
	for _, c := range counterText {
		n, ok := counters[c.name]
		if c.group != group || !ok {
			continue
		}
		known[c.name] = true
		if n > 0 || group != "TcpExt" {
			fmt.Fprintf(w, "    "+c.text+"\n", n)
		}
	}
	for _, name := range sortedNames(counters) {
		if n := counters[name]; n > 0 && !known[name] {
			fmt.Fprintf(w, "    %s: %d\n", name, n)
		}
	}
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
