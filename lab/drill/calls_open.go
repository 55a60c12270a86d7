package drill

import (
	"errors"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
	"github.com/handfast-tcp/handfast/lab/trace"
)

const (
	traceCall    = trace.Call
	traceOutcome = trace.Outcome
)

// calls are the system calls, each as what makes an attempt of it.
var calls map[string]func(p *player, c *script.Call) (attempt, *waiting)

func init() {
	calls = map[string]func(p *player, c *script.Call) (attempt, *waiting){
		"socket": callSocket, "bind": callBind, "listen": callListen, "accept": callAccept, "accept4": callAccept,
		"connect": callConnect, "close": callClose, "shutdown": callShutdown,
		"read": callRead, "readv": callRead, "recv": callRead, "recvfrom": callRead, "recvmsg": callRead,
		"write": callWrite, "writev": callWrite, "send": callWrite, "sendto": callWrite, "sendmsg": callWrite,
		"setsockopt": callSetOption, "getsockopt": callGetOption, "fcntl": callFcntl, "ioctl": callIoctl,
		"poll": callPoll, "epoll_create": callEpollCreate, "epoll_create1": callEpollCreate, "epoll_ctl": callEpollCtl, "epoll_wait": callEpollWait,
	}
}

func outcomeText(o outcome) string {
	s := strconv.FormatInt(o.n, 10)
	if o.errno != "" {
		s += " " + o.errno
	}
	return s
}

func constant(name string) int64 { return script.Constants[name] }

func callSocket(p *player, c *script.Call) (attempt, *waiting) {
	p.needs(c, 3)
	kind := c.Args[1].Number
	if kind&0xf != constant("SOCK_STREAM") {
		p.wrong(c.Args[1].Pos, "only SOCK_STREAM is played here: scripts are about TCP")
	}
	s := &socket{nonBlocking: kind&constant("SOCK_NONBLOCK") != 0}
	if p.alwaysAlive {
		s.options = map[option]int64{optKeepAlive: 1}
	}
	return once(p.add(c, s))
}

// portOf returns the port of an address that a script gives, 0 where it leaves it open.
func portOf(v *script.Value) uint16 {
	for _, name := range []string{"sin_port", "sin6_port"} {
		if f := v.Field(name); f != nil {
			return uint16(f.Number)
		}
	}
	return 0
}

func callBind(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	p.needs(c, 2)
	if s.local != 0 || s.entry != nil {
		return once(failure("EINVAL"))
	}
	if s.local = portOf(&c.Args[1]); s.local == 0 {
		s.local = p.bindPort
	}
	return once(ok(0))
}

func callListen(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	p.needs(c, 2)
	if s.listener != nil {
		s.listener.Backlog = max(int(c.Args[1].Number), 1)
		return once(ok(0))
	}
	if s.local == 0 {
		s.local = p.bindPort
	}
	l, err := p.host.TCP().Listen(wire.Addr{}, s.local, int(c.Args[1].Number)+1, s) // Linux takes one more than it is told
	if err != nil {
		return once(failure("EADDRINUSE"))
	}
	s.listener, s.tried = l, false
	p.applyToListener(s)
	return once(ok(0))
}

func callAccept(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	if s.listener == nil {
		return once(failure("EINVAL"))
	}
	nonBlocking := c.Name == "accept4" && len(c.Args) > 3 && c.Args[3].Number&constant("SOCK_NONBLOCK") != 0
	return forever(s, true, func() (outcome, bool) {
		if s.listener == nil {
			return failure("EINVAL"), true
		}
		en := p.host.TCP().Accept(s.listener)
		if en == nil {
			return outcome{}, false
		}
		child := &socket{nonBlocking: nonBlocking, local: s.local, options: map[option]int64{}}
		o := p.add(c, child)
		p.adopt(child, en)
		p.inherit(child, s)
		return o, true
	})
}

func callConnect(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	switch {
	case len(c.Args) > 1 && c.Args[1].Text == "AF_UNSPEC":
		p.disconnect(s)
		return once(ok(0))
	case s.listener != nil:
		return once(failure("EISCONN"))
	}
	if o, done := connectedAgain(s); done {
		return once(o)
	}
	p.needs(c, 2)
	if s.entry == nil && s.options[optFastConnect] != 0 {
		if o, early := p.openFast(s, &c.Args[1]); early || o.errno != "" {
			return once(o)
		}
	} else if s.entry == nil {
		if o := p.open(s, &c.Args[1]); o.errno != "" {
			return once(o)
		}
	}
	try, w := forever(s, true, func() (outcome, bool) { return p.connected(s) })
	w.gaveUp = failure("EINPROGRESS")
	return try, w
}

// connectedAgain is connect on a socket that has called it before; not done: it may call it now.
func connectedAgain(s *socket) (o outcome, done bool) {
	switch {
	case s.entry == nil:
		return o, false
	case s.connecting && s.nonBlocking && s.entry.State() == tcp.SynSent:
		return failure("EALREADY"), true
	case !s.connecting && s.entry.State() == tcp.SynSent && s.entry.SynRoom() == 0: // its SYN has text
		return failure("EALREADY"), true
	case s.untold && s.entry.State().Synchronized(): // as in Linux the next connect tells, and no other
		s.untold = false
		return ok(0), true
	}
	return failure("EISCONN"), !s.connecting
}

// disconnect makes a socket what it was before connect, accept or listen.
func (p *player) disconnect(s *socket) {
	if s.listener != nil {
		p.host.TCP().CloseListener(p.now, s.listener)
	}
	p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.Abort(now, s.entry) })
	s.listener, s.entry, s.local = nil, nil, 0
	s.connecting, s.untold, s.failed, s.readClosed, s.writeClosed = false, false, false, false, false
	p.output()
}

// open begins a connection to an address that a script gives; nil: the usual one.
func (p *player) open(s *socket, address *script.Value) outcome {
	port := p.connectPort
	if address != nil && portOf(address) != 0 {
		port = portOf(address)
	}
	en, err := p.connectFrom(s, port)
	switch {
	case errors.Is(err, tcp.ErrInUse):
		return failure("EADDRNOTAVAIL")
	case errors.Is(err, host.ErrNoRoute), errors.Is(err, host.ErrDestination):
		return failure("ENETUNREACH")
	case err != nil:
		return failure("EADDRNOTAVAIL")
	}
	s.connecting = true
	p.adopt(s, en)
	s.flow.fresh = true
	p.applyToConn(s)
	return outcome{}
}

// localPorts is the range of ports that IP_LOCAL_PORT_RANGE asks for; zeros: it asks for none.
// A bound of 0, or outside those of net.ipv4.ip_local_port_range, is no bound.
func (s *socket) localPorts() (first, last uint16) {
	const lowest, highest = 32768, 60999
	within := func(port uint16) bool { return lowest <= port && port <= highest }
	ports := uint32(s.options[optPorts])
	low, high := uint16(ports), uint16(ports>>16)
	if !within(low) && !within(high) {
		return 0, 0
	}
	first, last = lowest, highest
	if within(low) {
		first = low
	}
	if within(high) {
		last = high
	}
	return first, last
}

// connectFrom connects from the port that a socket is bound to, or else from the first of
// those that it may have which is free.
func (p *player) connectFrom(s *socket, port uint16) (en *tcp.Entry, err error) {
	first, last := s.local, s.local
	if first == 0 {
		first, last = s.localPorts()
	}
	if first == 0 {
		first, last = p.nextLocal, p.nextLocal
		p.nextLocal++
	}
	for n := int(first); n <= int(last); n++ {
		en, err = p.host.Connect(p.now, wire.AddrFrom(p.local), uint16(n), wire.AddrFrom(p.remote), port, s)
		if err == nil {
			s.local = uint16(n)
		}
		if !errors.Is(err, tcp.ErrInUse) {
			break
		}
	}
	return en, err
}

// connected returns how a connection attempt went, once it is known.
func (p *player) connected(s *socket) (outcome, bool) {
	switch st := s.entry.State(); {
	case st == tcp.Closed:
		s.connecting = false
		o := p.failureOf(s)
		if o.errno == "" {
			o = failure("ECONNABORTED")
		}
		return o, true
	case st.Synchronized():
		s.connecting, s.untold = false, false
		return ok(0), true
	}
	return outcome{}, false
}

// errnos are the engine's failures as programs hear of them.
var errnos = map[tcp.Failure]string{
	tcp.Reset: "ECONNRESET", tcp.Refused: "ECONNREFUSED", tcp.TimedOut: "ETIMEDOUT", tcp.HostUnreachable: "EHOSTUNREACH",
	tcp.NetworkUnreachable: "ENETUNREACH", tcp.ProtocolError: "EPROTO", tcp.Aborted: "ECONNABORTED",
}

// failureOf returns what a connection failed with, once: a socket tells its error and
// forgets it.
func (p *player) failureOf(s *socket) outcome {
	if s.entry == nil || s.failed || s.entry.State() != tcp.Closed || s.entry.Failure() == tcp.NoFailure {
		return outcome{}
	}
	s.failed = true
	return failure(errnos[s.entry.Failure()])
}

func callShutdown(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	p.needs(c, 2)
	how := c.Args[1].Number
	switch {
	case s.listener != nil && how != constant("SHUT_WR"):
		p.host.TCP().CloseListener(p.now, s.listener)
		s.listener = nil
		return once(ok(0))
	case s.entry == nil || s.entry.State() == tcp.Closed || s.entry.State() == tcp.TimeWait:
		return once(failure("ENOTCONN"))
	}
	if how != constant("SHUT_WR") {
		p.shutRead(s)
	}
	if how != constant("SHUT_RD") {
		s.writeClosed = true
		p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.CloseWrite(now, s.entry) })
	}
	return once(ok(0))
}

// callClose closes. One that lingers waits for the rest to be delivered.
func callClose(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	delete(p.sockets, s.fd)
	switch {
	case s.listener != nil:
		p.host.TCP().CloseListener(p.now, s.listener)
		return once(ok(0))
	case s.entry == nil:
		return once(ok(0))
	}
	if on, set := s.options[optLinger]; set && on >= 0 {
		if on == 0 {
			p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.Abort(now, s.entry) })
			return once(ok(0))
		}
		return p.linger(s, time.Duration(on)*time.Second)
	}
	p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.Close(now, s.entry) })
	return once(ok(0))
}

func (p *player) linger(s *socket, d time.Duration) (attempt, *waiting) {
	p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.CloseWrite(now, s.entry) })
	closed := func() {
		p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.Close(now, s.entry) })
	}
	try := func() (outcome, bool) {
		late := p.waiting != nil && p.waiting.giveUp <= p.now
		if !s.entry.Delivered() && !late {
			return outcome{}, false
		}
		closed()
		return ok(0), true
	}
	return try, &waiting{giveUp: p.now.Add(d), gaveUp: ok(0)}
}
