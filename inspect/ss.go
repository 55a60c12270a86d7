package inspect

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/tcp"
)

// SSOptions say what WriteSS shows beside the columns. The names are those of
// ss's options.
type SSOptions struct {
	Timers   bool // -o
	Extended bool // -e
	Info     bool // -i
	Memory   bool // -m
	Process  bool // -p
	Headless bool // -H
	OneLine  bool // -O
	OneState bool // all rows are in one state, which needs no column then

	// Defence adds to listeners how SYN floods are met; as does Extended.
	Defence *Defence
	// Service returns a port's name, or "". Without it ports are numbers.
	Service func(port uint16) string
}

// ssColumns are the table's cells: a state, two queues, and two ends of which
// the addresses go to the right and the ports to the left.
type ssColumns [7]string

var ssHead = ssColumns{"State", "Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port"}

// WriteSS writes rows as ss does.
func WriteSS(w io.Writer, rows []Row, o SSOptions) error {
	cells := make([]ssColumns, 0, len(rows)+1)
	if !o.Headless {
		cells = append(cells, ssHead)
	}
	for i := range rows {
		cells = append(cells, o.cells(&rows[i]))
	}
	var width ssWidths
	for i := range cells {
		width.fit(&cells[i])
	}
	out := bufio.NewWriter(w)
	if !o.Headless {
		head := o.line(&width, &cells[0])
		if o.Process {
			head += " Process"
		}
		fmt.Fprintln(out, strings.TrimRight(head, " "))
		cells = cells[1:]
	}
	for i := range rows {
		line := o.line(&width, &cells[i]) + o.extra(&rows[i])
		fmt.Fprintln(out, strings.TrimRight(line, " ")+o.below(&rows[i]))
	}
	return out.Flush()
}

func (o *SSOptions) cells(r *Row) ssColumns {
	return ssColumns{r.State.Name(tcp.SS), fmt.Sprint(r.RecvQ), fmt.Sprint(r.SendQ),
		r.Local.host(), r.Local.port(o.Service), r.Remote.host(), r.Remote.port(o.Service)}
}

// ssWidths are the widths of the columns.
type ssWidths [7]int

func (w *ssWidths) fit(c *ssColumns) {
	for i, s := range c {
		w[i] = max(w[i], len(s))
	}
}

func (o *SSOptions) line(w *ssWidths, c *ssColumns) string {
	state := ""
	if !o.OneState {
		state = fmt.Sprintf("%-*s ", w[0], c[0])
	}
	return state + fmt.Sprintf("%-*s %-*s %*s:%-*s %*s:%-*s", w[1], c[1], w[2], c[2], w[3], c[3], w[4], c[4], w[5], c[5], w[6], c[6])
}

// extra is what stands behind the columns on the same line.
func (o *SSOptions) extra(r *Row) string {
	var w words
	if o.Process && r.Process != nil {
		w.add(true, `users:(("%s",pid=%d))`, r.Process.Name, r.Process.PID)
	}
	if (o.Timers || o.Extended) && r.Timer != "" {
		w.add(true, "timer:(%s,%s,%d)", r.Timer, ssTime(r.Expires), r.Retrans)
	}
	if o.Extended {
		w.add(r.UID != 0, "uid:%d", r.UID)
		w.add(r.Inode != 0, "ino:%d", r.Inode)
	}
	if r.Listen != nil && (o.Extended || o.Defence != nil) {
		r.Listen.words(&w)
	}
	if r.State == State(tcp.Listen) && o.Defence != nil {
		o.Defence.words(&w)
	}
	if len(w) == 0 {
		return ""
	}
	return " " + strings.Join(w, " ")
}

func (l *Listen) words(w *words) {
	w.add(true, "half-open:%d syns:%d completed:%d overflows:%d drops:%d", l.HalfOpen, l.SYNs, l.Completed, l.Overflows, l.Drops)
}

// words has the four measures against SYN floods.
func (d *Defence) words(w *words) {
	w.add(true, "defence:(%s)", d.brief())
}

func (d *Defence) brief() string {
	cookies := d.Cookies
	if d.SendingCookies {
		cookies += "/sending"
	}
	return fmt.Sprintf("half-open %d/%d,cookies %s,synack-retries %d,attack-mode %s", d.HalfOpen, d.MaxHalfOpen, cookies, d.SynAckRetries, onOff(d.Attack))
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// below is what stands on a line of its own, or with OneLine behind the rest.
func (o *SSOptions) below(r *Row) string {
	if r.Details == nil {
		return ""
	}
	var w words
	if o.Memory {
		w.add(r.Details.Memory != nil, "%s", r.Details.memory())
	}
	if o.Info {
		line := r.Details.line()
		w.add(line != "", "%s", line)
	}
	switch {
	case len(w) == 0:
		return ""
	case o.OneLine:
		return " " + strings.Join(w, " ")
	}
	return "\n\t " + strings.Join(w, " ")
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
