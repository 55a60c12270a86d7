package inspect

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// SSOptions say what WriteSS shows beside the columns. The names are those of
// ss's options.
type SSOptions struct {
	Timers   bool // -o
	Extended bool // -e
	Info     bool // -i
	Memory   bool // -m
	Process  bool // -p
	TOS      bool // --tos
	Headless bool // -H
	OneLine  bool // -O
	OneState bool // all rows are in one state, which needs no column then
	Netid    bool // there may be several protocols: a column says which
	Command  bool // there are several commands: a column says whose it is

	// Service names ports of tcp and udp, "" where there is no name. Without it they
	// are numbers, and rates are in full.
	Service func(proto string, port uint16) string
	// Host names addresses, with -r; "" leaves one as it is.
	Host func(netip.Addr) string
}

// ssTable are ss's columns: the line of names, what stands before a cell, and
// whether the text goes to the right. An address and its port are two, so that
// the colons stand below each other.
var ssTable = [...]struct {
	head, before string
	right        bool
}{
	{head: "Netid"}, {head: "State", before: " "}, {head: "Recv-Q", before: " "}, {head: "Send-Q", before: " "},
	{"Local Address:", " ", true}, {head: "Port"}, {"Peer Address:", " ", true}, {head: "Port"}, {head: "Command", before: " "},
}

// ssRow are the cells of a line, and what follows them.
type ssRow struct {
	cells [len(ssTable)]string
	extra string
	below string
}

// WriteSS writes rows as ss does when its output is not a terminal.
func WriteSS(w io.Writer, rows []Row, o SSOptions) error {
	lines := make([]ssRow, 0, len(rows)+1)
	if !o.Headless {
		lines = append(lines, o.head())
	}
	for i := range rows {
		lines = append(lines, ssRow{o.cells(&rows[i]), o.extra(&rows[i]), o.below(&rows[i])})
	}
	var width [len(ssTable)]int
	width[2], width[3] = 6, 6 // as ss has it, also without the line of names
	for i := range lines {
		for c, text := range lines[i].cells {
			width[c] = max(width[c], len(text))
		}
	}
	out := bufio.NewWriter(w)
	for i := range lines {
		line := o.line(&width, &lines[i].cells) + lines[i].extra
		if !o.OneLine {
			line = strings.TrimRight(line, " ")
		}
		fmt.Fprintln(out, strings.TrimRight(line+lines[i].below, " "))
	}
	return out.Flush()
}

func (o *SSOptions) head() (r ssRow) {
	for i, c := range ssTable {
		r.cells[i] = c.head
	}
	r.extra = "Process"
	return r
}

func (o *SSOptions) cells(r *Row) [len(ssTable)]string {
	local, remote := o.host(r.Local), o.host(r.Remote)
	if r.Device != "" {
		local += "%" + r.Device
	}
	return [...]string{r.netid(), tcp.State(r.State).SS(), fmt.Sprint(r.RecvQ), fmt.Sprint(r.SendQ), local + ":", r.Local.port(r.netid(), o.Service),
		remote + ":", r.Remote.port(r.netid(), o.Service), r.command()}
}

// host writes an address, or with -r its name.
func (o *SSOptions) host(e Endpoint) string {
	if o.Host != nil && e.Addr.IsValid() && !e.Addr.IsUnspecified() {
		if name := o.Host(e.Addr); name != "" {
			return name
		}
	}
	return e.host()
}

// hidden reports whether a column is left out.
func (o *SSOptions) hidden(column int) bool {
	switch ssTable[column].head {
	case "Netid":
		return !o.Netid
	case "State":
		return o.OneState
	case "Command":
		return !o.Command
	}
	return false
}

func (o *SSOptions) line(width *[len(ssTable)]int, cells *[len(ssTable)]string) string {
	var b strings.Builder
	for i, c := range ssTable {
		switch {
		case o.hidden(i):
			continue
		case b.Len() > 0:
			b.WriteString(c.before)
		}
		n := width[i]
		if !c.right {
			n = -n
		}
		fmt.Fprintf(&b, "%*s", n, cells[i])
	}
	if cells[0] == ssTable[0].head && !strings.HasSuffix(b.String(), " ") {
		b.WriteByte(' ') // ss itself writes "PortProcess" here
	}
	return b.String()
}

// extra is what stands behind the columns on the same line.
func (o *SSOptions) extra(r *Row) string {
	var w words
	if o.Process && r.Process != nil {
		users := r.Process.user()
		for i := range r.Sharers {
			users += "," + r.Sharers[i].user()
		}
		w.add(true, "users:(%s)", users)
	}
	if (o.Timers || o.Extended) && r.Timer != "" {
		w.add(true, "timer:(%s,%s,%d)", r.Timer, ssTime(r.Expires), r.Retrans)
	}
	if o.Extended {
		r.words(&w)
	}
	if o.Extended && r.Listen != nil {
		r.Listen.words(&w)
	}
	if o.TOS && r.Socket != nil {
		r.Socket.service(&w)
	}
	if o.Extended && r.Defence != nil {
		w.add(true, "defence:(%s)", r.Defence.brief(r.Queue))
	}
	if len(w) == 0 {
		return ""
	}
	return " " + strings.Join(w, " ")
}

// words has what is known of the socket itself.
func (r *Row) words(w *words) {
	w.add(r.UID != 0, "uid:%d", r.UID)
	s := r.Socket
	if s == nil {
		return
	}
	w.add(s.Cookie != 0, "ino:%d", r.Inode) // what is not the kernel's has no inode, nor a cookie
	w.add(s.Cookie != 0, "sk:%x", s.Cookie)
	w.add(s.Mark != 0, "fwmark:0x%x", s.Mark)
	w.add(s.Cgroup != "", "cgroup:%s", s.Cgroup)
	if s.V6Only != nil {
		w.add(true, "v6only:%d", int(number(*s.V6Only)))
	}
	if s.Shutdown != nil {
		w.add(true, "%s", [...]string{"<->", "-->", "<--", "---"}[*s.Shutdown&3])
	}
}

// service has what routers are told of how to treat what the socket sends.
func (s *Socket) service(w *words) {
	if s.TOS != nil {
		w.add(true, "tos:%s", hex(uint32(*s.TOS)))
	}
	if s.TClass != nil {
		w.add(true, "tclass:%s", hex(uint32(*s.TClass)))
	}
	if s.Class != nil {
		w.add(true, "class_id:%s", hex(*s.Class))
	}
}

// hex writes like C's %#x, which puts nothing before 0.
func hex(n uint32) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%#x", n)
}

// command is whose row it is, where several commands run.
func (r *Row) command() string {
	if r.Process == nil || r.Command == "" {
		return "-"
	}
	return fmt.Sprintf("%d/%s", r.Process.PID, r.Command)
}

func (p *Process) user() string {
	if p.FD == nil {
		return fmt.Sprintf(`("%s",pid=%d)`, p.Name, p.PID)
	}
	return fmt.Sprintf(`("%s",pid=%d,fd=%d)`, p.Name, p.PID, *p.FD)
}

func (l *Listen) words(w *words) {
	w.add(true, "half-open:%d syns:%d completed:%d overflows:%d drops:%d", l.HalfOpen, l.SYNs, l.Completed, l.Overflows, l.Drops)
}

// brief has the measures against SYN floods in few words. A listener that has a
// half-open queue of its own, as the kernel's do, is told with that.
func (d *Defence) brief(own *Fill) string {
	cookies := d.Cookies
	if d.SendingCookies {
		cookies += "/sending"
	}
	queue := Fill{d.HalfOpen, d.MaxHalfOpen}
	if own != nil {
		queue = *own
	}
	text := fmt.Sprintf("half-open %d/%d,cookies %s,synack-retries %d", queue.Length, queue.Limit, cookies, d.SynAckRetries)
	if own == nil {
		text += ",attack-mode " + onOff(d.Attack)
	}
	return text
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// below is what stands on a line of its own, or with OneLine behind the rest.
// Like ss, it leaves a line empty when nothing is known of a connection.
func (o *SSOptions) below(r *Row) string {
	if !o.Memory && (!o.Info || r.UDP()) {
		return ""
	}
	text := ""
	if d := r.Details; d != nil && o.Memory {
		text += " " + d.memory()
	}
	if d := r.Details; d != nil && o.Info && !r.UDP() {
		w := ssLine{options: o.Timers || o.Extended, numeric: o.Service == nil}
		text += " " + w.write(d)
	}
	if !o.OneLine {
		return "\n\t" + text
	}
	return text
}

// ssTime writes a timer's rest as ss does: 200ms, 5.120ms, 59sec, 1min30sec.
func ssTime(s Seconds) string {
	d := time.Duration(s)
	minutes, seconds, millis := d/time.Minute, d/time.Second%60, d/time.Millisecond%1000
	var b strings.Builder
	if minutes > 0 {
		millis = 0
		fmt.Fprintf(&b, "%dmin", minutes)
		if minutes > 9 {
			seconds = 0
		}
	}
	if seconds > 9 {
		millis = 0
	}
	switch {
	case seconds > 0 && millis > 0:
		fmt.Fprintf(&b, "%d.", seconds)
	case seconds > 0:
		fmt.Fprintf(&b, "%dsec", seconds)
	}
	if millis > 0 || b.Len() == 0 {
		fmt.Fprintf(&b, "%03dms", millis)
	}
	return b.String()
}
