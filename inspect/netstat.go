package inspect

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// NetstatOptions say what WriteNetstat shows.
type NetstatOptions struct {
	Title     string                 // the line above the table; "": none
	StateName func(tcp.State) string // nil: tcp.State.Netstat
	Extended  bool                   // -e: columns with user and inode
	Process   bool                   // Linux's -p: a column with PID and name
	Timers    bool                   // -o: a column with the timer
	Command   bool                   // there are several commands: a column says whose it is
	// Service names ports of tcp and udp, "" where there is no name; nil: numbers.
	Service func(proto string, port uint16) string
	User    func(int) string // names users; nil: numbers
}

// netstatLine are the cells of a line, in order.
type netstatLine struct {
	proto, recvQ, sendQ, local, foreign, state, user, inode, process, timer, command string
}

// WriteNetstat writes rows as netstat -W does on Linux: addresses are whole.
func WriteNetstat(w io.Writer, rows []Row, o NetstatOptions) error {
	if o.StateName == nil {
		o.StateName = tcp.State.Netstat
	}
	out := bufio.NewWriter(w)
	if o.Title != "" {
		fmt.Fprintln(out, o.Title)
	}
	o.write(out, &netstatLine{"Proto", "Recv-Q", "Send-Q", "Local Address", "Foreign Address", "State", "User", "Inode", "PID/Program name", "Timer", "Command"})
	for i := range rows {
		l := o.cells(&rows[i])
		o.write(out, &l)
	}
	return out.Flush()
}

func (o *NetstatOptions) cells(r *Row) netstatLine {
	sendQ, state := r.SendQ, o.StateName(tcp.State(r.State))
	if r.State == State(tcp.Listen) {
		sendQ = 0 // netstat does not know the limit
	}
	if r.UDP() && r.State == State(tcp.Closed) {
		state = ""
	}
	user := fmt.Sprint(r.UID)
	if o.User != nil {
		user = o.User(r.UID)
	}
	return netstatLine{r.Proto, fmt.Sprint(r.RecvQ), fmt.Sprint(sendQ), o.end(r, r.Local), o.end(r, r.Remote), state,
		user, fmt.Sprint(r.Inode), r.Process.netstat(), r.netstatTimer(), r.command()}
}

func (o *NetstatOptions) write(w io.Writer, l *netstatLine) {
	s := fmt.Sprintf("%-5s %6s %6s %-23s %-23s %-11s", l.proto, l.recvQ, l.sendQ, l.local, l.foreign, l.state)
	if o.Extended {
		s += fmt.Sprintf(" %-10s %-10s", l.user, l.inode)
	}
	if o.Process {
		s += fmt.Sprintf(" %-20s", l.process)
	}
	if o.Timers {
		s += fmt.Sprintf(" %-12s", l.timer)
	}
	if o.Command {
		s += " " + l.command
	}
	fmt.Fprintln(w, strings.TrimRight(s, " "))
}

// end writes an end as netstat does: an IPv6 address has no brackets, and IPv4
// over a socket of IPv6 looks like IPv4.
func (o *NetstatOptions) end(r *Row, e Endpoint) string {
	host := e.Addr.Unmap().String()
	switch {
	case e.Addr.IsValid():
	case r.netid() == r.Proto:
		host = "0.0.0.0"
	default:
		host = "::"
	}
	return host + ":" + e.port(r.netid(), o.Service)
}

func (p *Process) netstat() string {
	if p == nil {
		return "-"
	}
	s := fmt.Sprintf("%d/%s", p.PID, cmp.Or(p.Program, p.Name))
	if len(s) > programWidth { // as netstat does
		s = strings.ToValidUTF8(s[:programWidth], "")
	}
	return s
}

// programWidth is how many bytes netstat has for PID and name.
const programWidth = 19

// netstatTimers are netstat's names where they are not those of ss.
var netstatTimers = map[string]string{"": "off", "persist": "probe"}

// netstatTimer has the timer, its rest, and how often the same segment or probe
// was sent.
func (r *Row) netstatTimer() string {
	name, ok := netstatTimers[r.Timer]
	if !ok {
		name = r.Timer
	}
	again, probes := r.Retrans, 0
	if name == "probe" || name == "keepalive" {
		again, probes = 0, r.Retrans
	}
	return fmt.Sprintf("%s (%.2f/%d/%d)", name, time.Duration(r.Expires).Seconds(), again, probes)
}
