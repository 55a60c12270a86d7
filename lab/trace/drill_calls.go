package trace

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// drillCalls is what the calls of a scenario have become in a script.
type drillCalls struct {
	many     bool // there are several connections: calls are comments, and packets have ports
	listener int  // descriptors; 0: none
	conn     int
	next     int
	accepts  int // calls that wait for a connection
}

// settings writes the options of the host that its SYNs tell.
func (d *drillWriter) settings() {
	tuples := map[wire.Tuple]bool{}
	for _, e := range d.events {
		if e.Class == Engine && e.Kind <= tcp.SegmentDropped {
			tuples[e.Tuple] = true
		}
	}
	d.calls.many, d.calls.next = len(tuples) > 1, 3
	// Of several SYNs and SYN-ACKs that tells most which has the most options.
	var best *tcp.Event
	for _, e := range d.events {
		if e.Class == Engine && e.Kind == tcp.SegmentSent && e.Segment.Flags.Has(wire.SYN) &&
			(best == nil || e.Segment.Options.WindowScale > best.Segment.Options.WindowScale) {
			best = &e.Event
		}
	}
	if best != nil {
		d.settingsOf(best)
	}
}

func (d *drillWriter) settingsOf(e *tcp.Event) {
	o := &e.Segment.Options
	version, header := "ipv4", 40
	if !e.Tuple.Local.Is4() {
		version, header = "ipv6", 60
	}
	fmt.Fprintf(d.out, "--ip_version=%s\n--mtu=%d\n", version, int(o.MSS)+header)
	var set []string
	buffer := int(e.Segment.Window)
	if o.Has(wire.OptWindowScale) && o.WindowScale > 0 {
		buffer = 0xffff << o.WindowScale
	}
	set = append(set, fmt.Sprintf("net.ipv4.tcp_rmem='4096 131072 %d'", max(min(buffer, tcp.MaxBuffer), tcp.MinBuffer)))
	if !e.Segment.Flags.Has(wire.ACK) { // a SYN-ACK leaves out what the peer did not offer
		for _, s := range []struct {
			option wire.OptionSet
			name   string
		}{{wire.OptTimestamps, "tcp_timestamps"}, {wire.OptSACKPermitted, "tcp_sack"}, {wire.OptWindowScale, "tcp_window_scaling"}} {
			if !o.Has(s.option) {
				set = append(set, "net.ipv4."+s.name+"=0")
			}
		}
	}
	switch f := e.Segment.Flags & (wire.ACK | wire.ACEMask); {
	case f == wire.ECE|wire.CWR:
		set = append(set, "net.ipv4.tcp_ecn=1")
	case f == wire.ACEMask, f.Has(wire.ACK | wire.CWR), f.Has(wire.ACK | wire.AE):
		set = append(set, "net.ipv4.tcp_ecn=3")
	}
	fmt.Fprintf(d.out, "`sysctl -q %s`\n", strings.Join(set, " "))
}

// ports names the connection of a segment where there are several.
func (d *drillWriter) ports(e *tcp.Event) string {
	switch {
	case !d.calls.many:
		return ""
	case e.Kind == tcp.SegmentSent:
		return fmt.Sprintf("%d > %d ", e.Tuple.LocalPort, e.Tuple.RemotePort)
	}
	return fmt.Sprintf("%d > %d ", e.Tuple.RemotePort, e.Tuple.LocalPort)
}

// comment writes a call that no script has.
func (d *drillWriter) comment(e *Event) { fmt.Fprintf(d.out, "// %s\n", e.Text) }

// call writes a call of a scenario as calls of sockets.
func (d *drillWriter) call(i int, e *Event) {
	words := strings.Fields(e.Text)
	c := &d.calls
	d.comment(e)
	switch {
	case words[0] == "listen":
		c.listener = d.socket(e.Time, "")
		d.line(e.Time, "bind(%d, {sin_port=htons(%s)}, ...) = 0", c.listener, words[1])
		d.line(e.Time, "listen(%d, 16) = 0", c.listener)
	case words[0] == "accept":
		c.accepts++
	case words[0] == "connect" || words[0] == "open":
		c.conn = d.socket(e.Time, "|SOCK_NONBLOCK")
		if len(words) > 4 && words[3] == "from" {
			d.line(e.Time, "bind(%d, {sin_port=htons(%s)}, ...) = 0", c.conn, words[4])
		}
		d.line(e.Time, "connect(%d, {sin_port=htons(%s)}, ...) = -1 EINPROGRESS", c.conn, words[2])
		d.line(e.Time, "fcntl(%d, F_SETFL, O_RDWR) = 0", c.conn)
	case c.conn == 0 || c.many:
	case e.Text == "close":
		d.line(e.Time, "close(%d) = 0", c.conn)
		c.conn = 0
	case e.Text == "shutdown":
		d.line(e.Time, "shutdown(%d, SHUT_WR) = 0", c.conn)
	case e.Text == "abort":
		d.line(e.Time, "setsockopt(%d, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0", c.conn)
		d.line(e.Time, "close(%d) = 0", c.conn)
		c.conn = 0
	case e.Text == "nodelay":
		d.line(e.Time, "setsockopt(%d, SOL_TCP, TCP_NODELAY, [1], 4) = 0", c.conn)
	case words[0] == "keepalive" && len(words) == 4:
		d.keepAlive(e, words)
	case words[0] == "write":
		d.write(e, words)
	case words[0] == "read":
		d.read(i, e, words)
	}
}

// keepAlive writes the four options of sockets that are one call of a scenario.
func (d *drillWriter) keepAlive(e *Event, words []string) {
	for i, name := range []string{"TCP_KEEPIDLE", "TCP_KEEPINTVL"} {
		if t, err := time.ParseDuration(words[i+1]); err == nil {
			d.line(e.Time, "setsockopt(%d, SOL_TCP, %s, [%d], 4) = 0", d.calls.conn, name, int(t.Seconds()))
		}
	}
	d.line(e.Time, "setsockopt(%d, SOL_TCP, TCP_KEEPCNT, [%s], 4) = 0", d.calls.conn, words[3])
	d.line(e.Time, "setsockopt(%d, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0", d.calls.conn)
}

func (d *drillWriter) socket(at clock.Time, flags string) int {
	fd := d.calls.next
	d.calls.next++
	d.line(at, "socket(..., SOCK_STREAM%s, IPPROTO_TCP) = %d", flags, fd)
	return fd
}

// accepts writes the accept that waited for a connection that is established now.
func (d *drillWriter) accepts(e *Event) {
	c := &d.calls
	if e.State == tcp.Established && e.Cause == tcp.CauseAckOfSyn && c.accepts > 0 && c.listener > 0 && c.conn == 0 {
		c.accepts--
		c.conn = c.next
		c.next++
		d.line(e.Time, "accept(%d, ..., ...) = %d", c.listener, c.conn)
	}
}

func (d *drillWriter) write(e *Event, words []string) {
	n, err := strconv.Atoi(words[1])
	if err != nil {
		text, err := strconv.QuotedPrefix(strings.TrimPrefix(e.Text, "write "))
		if err != nil {
			return
		}
		text, _ = strconv.Unquote(text)
		n = len(text)
	}
	d.line(e.Time, "write(%d, ..., %d) = %d", d.calls.conn, n, n)
}

var bytesRead = regexp.MustCompile(`: (\d+) bytes`)

// read writes a read that waits until the scenario's has returned. One of all that comes reads
// on until the end.
func (d *drillWriter) read(i int, e *Event, words []string) {
	for _, o := range d.events[i+1:] {
		if o.Class != Outcome || !strings.HasPrefix(o.Text, e.Text) {
			continue
		}
		n, asked, flags := 0, 65535, "0"
		if m := bytesRead.FindStringSubmatch(o.Text); m != nil {
			n, _ = strconv.Atoi(m[1])
		} else if !strings.HasSuffix(o.Text, "end of stream") {
			return
		}
		if len(words) > 1 {
			flags, asked = "MSG_WAITALL", n
			if words[1] == "all" {
				asked++
			}
		}
		end := o.Time.Sub(e.Time).Seconds()
		since := e.Time.Sub(d.last).Seconds()
		d.last = e.Time
		fmt.Fprintf(d.out, "%+.6f...%.6f recv(%d, ..., %d, %s) = %d\n", since, since+end, d.calls.conn, asked, flags, n)
		return
	}
}
