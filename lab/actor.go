package lab

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// ok is what a call gives that has nothing else to say.
const ok = "ok"

// actor plays a program of a scenario, line by line.
type actor struct {
	*Proc
	host     *hostLine
	listener *Listener
	conn     *Conn // the one that calls without a name mean
	names    map[string]*Conn
	flow     direction // scripted: whom send and want mean
	line     int       // of the step that is being played
	fail     func(line int, text string)
}

// play runs the steps; what a step gives is recorded, and compared.
func (a *actor) play(steps []step) {
	for i := range steps {
		s := &steps[i]
		a.line = s.line
		if !s.quiet {
			a.world.record.say(a.node, trace.Call, "%s", s.text)
		}
		got := s.run(a)
		if !s.quiet && got != ok {
			a.world.record.say(a.node, trace.Outcome, "%s: %s", s.text, got)
		}
		// Noted, and played on: what comes after shows more than the first difference
		// alone.
		if s.wants && got != s.want {
			a.fail(s.line, fmt.Sprintf("%s: %s gave %q, wanted %q", a.node.Name, s.text, got, s.want))
		}
	}
}

// say turns an error into an outcome: a word that a scenario's file can hold against, which
// does not change when the engine words an error otherwise.
func say(err error) string {
	switch err {
	case nil:
		return ok
	case io.EOF:
		return "end of stream"
	}
	return err.Error()
}

func (a *actor) listen(port uint16, backlog int) string {
	l, err := a.Listen(port, backlog)
	if err == nil {
		a.listener = l
	}
	return say(err)
}

// limit turns a time since the start, 0 for none, into an instant.
func limit(d time.Duration) clock.Time {
	if d == 0 {
		return clock.Never
	}
	return start.Add(d)
}

func (a *actor) accept(name string, until time.Duration) string {
	if a.listener == nil {
		return "not listening"
	}
	c, err := a.listener.Accept(limit(until))
	if err != nil {
		return say(err)
	}
	a.hold(c, name)
	return ok
}

// hold makes c the connection that the next calls mean.
func (a *actor) hold(c *Conn, name string) {
	a.conn = c
	if name != "" {
		a.names[name] = c
	}
	if a.host.noDelay {
		c.SetNoDelay(true)
	}
}

// connecting is whom a program calls, and how.
type connecting struct {
	to         string
	port, from uint16
	name       string // of the connection
	wait, fast bool
}

func (a *actor) connect(k *connecting) string {
	open := a.Open
	if k.fast {
		open = a.OpenFast
	}
	c, err := open(k.to, k.port, k.from)
	if err != nil {
		return say(err)
	}
	a.hold(c, k.name)
	if !k.wait {
		return ok
	}
	return say(c.Opened())
}

func (a *actor) use(name string) string {
	if c := a.names[name]; c != nil {
		a.conn = c
		return ok
	}
	return "no such connection"
}

const noConn = "no connection"

func (a *actor) established() string {
	if a.conn == nil {
		return noConn
	}
	return say(a.conn.Established())
}

func (a *actor) write(data string, urgent bool) string {
	if a.conn == nil {
		return noConn
	}
	send := a.conn.Write
	if urgent {
		send = a.conn.WriteUrgent
	}
	n, err := send([]byte(data))
	if err != nil && n > 0 {
		return fmt.Sprintf("%s after %s", say(err), plural(n, "byte"))
	}
	return say(err)
}

// read reads what is there (0), n bytes, or all until the end of the stream (-1).
func (a *actor) read(amount int, until time.Duration) string {
	if a.conn == nil {
		return noConn
	}
	var got []byte
	urgent := 0
	for amount <= 0 || len(got) < amount {
		size := 1 << 16
		if amount > 0 {
			size = amount - len(got)
		}
		b := make([]byte, size)
		// The mark is looked at before the data is taken: reading past it makes it
		// vanish.
		a.conn.wait(func() bool { return a.conn.entry.Readable() }, limit(until))
		urgent = max(urgent, a.conn.Urgent())
		n, err := a.conn.ReadUntil(b, limit(until))
		got = append(got, b[:n]...)
		if err != nil {
			return told(got, urgent, say(err))
		}
		if amount == 0 {
			break
		}
	}
	return told(got, urgent, "")
}

// told says what was read: the text if it is short, runs of letters otherwise.
func told(got []byte, urgent int, end string) string {
	var s []string
	if len(got) > 0 {
		s = append(s, plural(len(got), "byte")+content(got))
	}
	if urgent > 0 {
		s = append(s, fmt.Sprintf("%d up to the urgent mark", urgent))
	}
	if end != "" {
		s = append(s, end)
	}
	return strings.Join(s, ", ")
}

// content tells text apart from runs of letters, as write N of X makes them: which write a
// byte came of shows in a ladder, without the bytes themselves.
func content(b []byte) string {
	var runs []string
	for i := 0; i < len(b); {
		j := i
		for j < len(b) && b[j] == b[i] {
			j++
		}
		runs = append(runs, fmt.Sprintf("%d %c", j-i, b[i]))
		i = j
	}
	switch {
	case len(runs) == 1 && len(b) > 1:
		return " of " + string(b[:1])
	case len(b) <= 40 && len(runs) > 1 || len(b) == 1:
		return " " + strconv.Quote(string(b))
	case len(runs) > 6:
		return ""
	}
	return ": " + strings.Join(runs, ", then ")
}

// call is for all that needs a connection. A scenario that has none is told so by the outcome,
// and goes on: its file may expect just that.
func (a *actor) call(f func(*Conn) error) string {
	if a.conn == nil {
		return noConn
	}
	return say(f(a.conn))
}

func (a *actor) set(f func(*Conn)) string {
	return a.call(func(c *Conn) error { f(c); return nil })
}

func (a *actor) shutdown() string { return a.call((*Conn).CloseWrite) }
func (a *actor) close() string    { return a.call((*Conn).Close) }
func (a *actor) abort() string    { return a.call((*Conn).Abort) }
func (a *actor) reboot() string   { return say(a.Reboot()) }
func (a *actor) noDelay() string  { return a.set(func(c *Conn) { c.SetNoDelay(true) }) }

func (a *actor) unlisten() string {
	if a.listener != nil {
		a.listener.Close()
		a.listener = nil
	}
	return ok
}

// scriptISN is the first number of a stream that a script or a forger begins:
// one for each, of the world's seed.
func (w *World) scriptISN(d direction) seq.Num {
	return seq.Num(w.random(int(d.srcPort)<<8|int(byte(d.src.As4())), int(d.dstPort)).Uint32())
}

func (r *record) isnOf(d direction, n seq.Num) {
	if r.isns == nil {
		r.isns = map[direction]seq.Num{}
	}
	r.isns[d] = n
}

// send puts a segment of a scripted host on the wire.
func (a *actor) send(t *template) string {
	if a.flow.dstPort == 0 {
		return "no peer: say peer HOST PORT first"
	}
	r := &a.world.record
	// A new SYN begins a new stream. One with a number of its own, like an old
	// duplicate, belongs to the stream that is known.
	if _, known := r.isns[a.flow]; !known || t.flags.Has(wire.SYN) && t.seq == 0 && !t.flags.Has(wire.ACK) {
		r.isnOf(a.flow, a.world.scriptISN(a.flow))
	}
	h := t.header(a.flow, r.isns[a.flow], r.isns[a.flow.reverse()])
	a.world.send(a.node, packet(a.flow, &h, []byte(strings.Repeat("x", t.len))), false)
	return ok
}

// want waits for the next segment and compares it.
func (a *actor) want(t *template) string {
	a.Wait(func() bool { return len(a.node.inbox) > 0 }, clock.Never)
	s := a.node.inbox[0]
	a.node.inbox = a.node.inbox[1:]
	// A script that only answers need not say who its peer is: the first segment does.
	if a.flow.dstPort == 0 {
		a.flow = direction{s.tuple.Local, s.tuple.Remote, s.tuple.LocalPort, s.tuple.RemotePort}
	}
	r := &a.world.record
	own, far := r.isns[a.flow.reverse()], r.isns[a.flow]
	if t.matches(&s.header, s.len, own, far) {
		return ok
	}
	got := "got " + describe(&s.header, s.len, uint32(own), uint32(far), false)
	a.fail(a.line, fmt.Sprintf("%s: %s", a.node.Name, got))
	return got
}

func (a *actor) wantNothing(until clock.Time) string {
	if !a.Wait(func() bool { return len(a.node.inbox) > 0 }, until) {
		return ok
	}
	s := a.node.inbox[0]
	own, far := a.world.record.bases(direction{s.tuple.Remote, s.tuple.Local, s.tuple.RemotePort, s.tuple.LocalPort})
	got := "got " + describe(&s.header, s.len, own, far, false)
	a.fail(a.line, fmt.Sprintf("%s wanted nothing and %s", a.node.Name, got))
	return got
}
