package drill

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// socket is what a program has of the host: a listener, a connection, or nothing yet.
type socket struct {
	fd          int
	born        int // in which order sockets were made
	nonBlocking bool
	local       uint16 // 0: not bound
	listener    *tcp.Listener
	tried       bool       // of a listener: a SYN came for it
	entry       *tcp.Entry // nil: no connection
	flow        *flow
	options     map[option]int64 // that the program has set
	congestion  string
	// Keys of Fast Open that the program has set.
	fastOpenKeys fastopen.Keys
	connecting   bool // connect has not told how it went
	untold       bool // it has text on its SYN, so that it counts as connected, and connect has not said so
	failed       bool // the program has been told of the failure
	readClosed   bool
	writeClosed  bool
	epoll        *epoll // nil: it is a socket
	copies       zeroCopies
	stamping     stampings
}

// outcome is what a call gives.
type outcome struct {
	n     int64
	errno string
}

func ok(n int64) outcome          { return outcome{n: n} }
func failure(name string) outcome { return outcome{-1, name} }

// attempt is a call, tried: not done means that a blocking one goes on waiting.
type attempt func() (o outcome, done bool)

// waiting is a call that has not returned.
type waiting struct {
	event  *script.Event
	try    attempt
	from   clock.Time
	giveUp clock.Time // when it returns what gaveUp is; Never: it does not
	gaveUp outcome
}

// call lets a program make a call at an instant.
func (p *player) call(e *script.Event, at clock.Time) {
	c := e.Call
	p.rec.say(p, traceCall, c.Text)
	if p.Kernel != nil {
		p.callKernel(e)
		return
	}
	make, found := calls[c.Name]
	if !found {
		p.wrong(e.Pos, "%s is not played here", c.Name)
	}
	try, w := make(p, c)
	w.event, w.try, w.from = e, try, p.now
	o, done := try()
	p.flush()
	switch {
	case done:
		p.returned(w, o)
	case w.giveUp <= p.now:
		p.returned(w, w.gaveUp)
	case c.End < 0 && w.giveUp == clock.Never:
		p.fail("the call waits: say when it returns, as in +0...0.1 %s(…), or make the socket non-blocking", c.Name)
	default:
		p.waiting = w
	}
}

// callReturns asks the call that waits whether it can return now.
func (p *player) callReturns() bool {
	w := p.waiting
	if w == nil {
		return false
	}
	o, done := w.try()
	if !done && w.giveUp <= p.now {
		o, done = w.gaveUp, true
	}
	if done {
		p.waiting = nil
		p.returned(w, o)
	}
	return done
}

// settleCall waits until the call that waits has returned.
func (p *player) settleCall() {
	if p.Kernel != nil && p.waiting != nil {
		p.settleKernel()
	}
	for p.waiting != nil {
		w := p.waiting
		next := p.deadline()
		if next > p.end(w).Add(patience) {
			p.event = w.event
			p.fail("the call has not returned, %v after it should", patience)
		}
		p.live(next)
	}
}

// end is when a call has to return.
func (p *player) end(w *waiting) clock.Time {
	c := w.event.Call
	switch {
	case c.End < 0:
		return w.from
	case w.event.When.Mode == script.Absolute:
		return start.Add(c.End)
	}
	return w.from.Add(c.End - w.event.When.At)
}

// returned compares what a call gave, and when, with what it should.
func (p *player) returned(w *waiting, o outcome) {
	before := p.event
	p.event = w.event
	c := w.event.Call
	p.rec.say(p, traceOutcome, c.Name+" = "+outcomeText(o))
	want := outcome{c.Result.Number, c.Errno}
	if c.Errno == "EWOULDBLOCK" {
		want.errno = "EAGAIN"
	}
	if c.Result.Number == -1 && c.Errno == "" && o.errno != "" {
		want.errno = o.errno // = -1 is any error
	}
	if c.Result.Kind != script.Any && o != want {
		p.failWith(&Failure{Pos: c.Result.Pos, Problem: script.Say("the call gives something else"), Expected: quoted(c.Name + " = " + outcomeText(want)), Got: quoted(c.Name + " = " + outcomeText(o))})
	}
	if end := p.end(w); p.now < end.Add(-p.tolerance) || p.now > end.Add(p.tolerance) {
		if c.End >= 0 {
			p.failWith(&Failure{Problem: script.Say("the call returns at another time"), Expected: p.span(end, end), Got: p.span(p.now, p.now)})
		}
	}
	p.event = before
}

// socketOf returns the socket that the first argument of a call names.
func (p *player) socketOf(c *script.Call) *socket {
	p.needs(c, 1)
	return p.descriptor(&c.Args[0])
}

func (p *player) descriptor(v *script.Value) *socket {
	s := p.sockets[int(v.Number)]
	if s == nil || v.Kind != script.Number {
		p.wrong(v.Pos, "there is no socket %s here: one is made by socket or accept", v.Text)
	}
	return s
}

// needs fails where a call has too few arguments.
func (p *player) needs(c *script.Call, n int) {
	if len(c.Args) < n {
		p.wrong(p.event.Pos, "%s takes %d arguments and has %d", c.Name, n, len(c.Args))
	}
}

// add gives a program a new socket, by the number that the script says it gets.
func (p *player) add(c *script.Call, s *socket) outcome {
	fd := int(c.Result.Number)
	if c.Result.Kind != script.Number || fd < 0 {
		fd = len(p.sockets) + 3
	}
	if p.sockets[fd] != nil {
		p.wrong(c.Result.Pos, "there is a socket %d already", fd)
	}
	s.fd, s.born = fd, p.made
	p.made++
	if s.options == nil {
		s.options = map[option]int64{}
	}
	p.sockets[fd] = s
	return ok(int64(fd))
}

// adopt makes a connection that of a socket.
func (p *player) adopt(s *socket, en *tcp.Entry) {
	s.entry = en
	en.Owner = s
	s.flow = p.flowTo(en.Tuple())
	s.flow.socket = s
	s.flow.wrote, s.flow.read = nil, 0
	p.flow = s.flow
}

// act calls the endpoint about a connection.
func (p *player) act(s *socket, call func(e *tcp.Endpoint, now clock.Time)) {
	if s.entry != nil {
		call(p.host.TCP(), p.now)
	}
}

// once is a call that never waits.
func once(o outcome) (attempt, *waiting) {
	return func() (outcome, bool) { return o, true }, &waiting{giveUp: clock.Never}
}

// forever is a call that waits as long as it takes, where its socket does: of one that does
// not, EAGAIN is what it gives.
func forever(s *socket, wait bool, try attempt) (attempt, *waiting) {
	w := &waiting{giveUp: clock.Never, gaveUp: failure("EAGAIN")}
	if s.nonBlocking || !wait {
		w.giveUp = 0
	}
	return try, w
}
