package drill

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// option is a socket option: its level and its number.
type option struct{ level, name int64 }

func named(level, name string) option { return option{constant(level), constant(name)} }

var (
	optLinger         = named("SOL_SOCKET", "SO_LINGER")
	optError          = named("SOL_SOCKET", "SO_ERROR")
	optReceiveBuffer  = named("SOL_SOCKET", "SO_RCVBUF")
	optSendBuffer     = named("SOL_SOCKET", "SO_SNDBUF")
	optReceiveTimeout = named("SOL_SOCKET", "SO_RCVTIMEO")
	optSendTimeout    = named("SOL_SOCKET", "SO_SNDTIMEO")
	optKeepAlive      = named("SOL_SOCKET", "SO_KEEPALIVE")
	optType           = named("SOL_SOCKET", "SO_TYPE")
	optListens        = named("SOL_SOCKET", "SO_ACCEPTCONN")
	optNoDelay        = named("SOL_TCP", "TCP_NODELAY")
	optKeepIdle       = named("SOL_TCP", "TCP_KEEPIDLE")
	optKeepInterval   = named("SOL_TCP", "TCP_KEEPINTVL")
	optKeepCount      = named("SOL_TCP", "TCP_KEEPCNT")
	optUserTimeout    = named("SOL_TCP", "TCP_USER_TIMEOUT")
	optCongestion     = named("SOL_TCP", "TCP_CONGESTION")
	optMaxSegment     = named("SOL_TCP", "TCP_MAXSEG")
	optInfo           = named("SOL_TCP", "TCP_INFO")
	optQueued         = named("SOL_TCP", "TCP_INQ")
	optFastOpen       = named("SOL_TCP", "TCP_FASTOPEN")
	optFastOpenKey    = named("SOL_TCP", "TCP_FASTOPEN_KEY")
	optFastConnect    = named("SOL_TCP", "TCP_FASTOPEN_CONNECT")
	optCork           = named("SOL_TCP", "TCP_CORK")
	optQuickAck       = named("SOL_TCP", "TCP_QUICKACK")
	optLowat          = named("SOL_TCP", "TCP_NOTSENT_LOWAT")
	optTOS            = named("SOL_IP", "IP_TOS")
	optClass          = named("SOL_IPV6", "IPV6_TCLASS")
	optTTL            = named("SOL_IP", "IP_TTL")
	optHops           = named("SOL_IPV6", "IPV6_UNICAST_HOPS")
	optZeroCopy       = named("SOL_SOCKET", "SO_ZEROCOPY")
	optStamping       = named("SOL_SOCKET", "SO_TIMESTAMPING")
	optSyncCount      = named("SOL_TCP", "TCP_SYNCNT")
	optPorts          = named("SOL_IP", "IP_LOCAL_PORT_RANGE")
	optDefer          = named("SOL_TCP", "TCP_DEFER_ACCEPT")
	optKeepInit       = named("SOL_TCP", "TCP_KEEPINIT")
)

// setting applies an option to a connection.
type settingFunc = func(p *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64)

// connOptions are the options that the engine has for a connection.
var connOptions = map[option]settingFunc{
	optNoDelay: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetNoDelay(now, s.entry, n != 0)
	},
	optTOS:   setTOS,
	optClass: setTOS,
	optTTL:   setTTL,
	optHops:  setTTL,
	optUserTimeout: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetUserTimeout(now, s.entry, time.Duration(n)*time.Millisecond)
	},
	optReceiveBuffer: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetReceiveBuffer(now, s.entry, int(n))
	},
	optSendBuffer: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetSendBuffer(now, s.entry, int(n))
	},
	optCork: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) { e.SetCork(now, s.entry, n != 0) },
	optQuickAck: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetQuickAck(now, s.entry, n != 0)
	},
	optLowat: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetNotSentLowat(now, s.entry, lowat(n))
	},
	optMaxSegment: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetMaxSegment(now, s.entry, int(n))
	},
	optSyncCount: func(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
		e.SetSynRetries(now, s.entry, int(n))
	},
	optKeepInit:     setKeepInit,
	optKeepAlive:    func(p *player, e *tcp.Endpoint, now clock.Time, s *socket, _ int64) { p.setKeepAlive(e, now, s) },
	optKeepIdle:     func(p *player, e *tcp.Endpoint, now clock.Time, s *socket, _ int64) { p.setKeepAlive(e, now, s) },
	optKeepInterval: func(p *player, e *tcp.Endpoint, now clock.Time, s *socket, _ int64) { p.setKeepAlive(e, now, s) },
	optKeepCount:    func(p *player, e *tcp.Endpoint, now clock.Time, s *socket, _ int64) { p.setKeepAlive(e, now, s) },
}

func setTOS(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
	e.SetTOS(now, s.entry, uint8(max(n, 0)))
}

func setTTL(p *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
	p.judge.TTLSet()
	e.SetTTL(now, s.entry, uint8(max(n, 0)))
}

// listenerOptions are the options that a listener has for its connections' handshakes.
var listenerOptions = map[option]func(l *tcp.Listener, n int64){
	optTOS:        func(l *tcp.Listener, n int64) { l.SetTOS(uint8(max(n, 0))) },
	optClass:      func(l *tcp.Listener, n int64) { l.SetTOS(uint8(max(n, 0))) },
	optTTL:        func(l *tcp.Listener, n int64) { l.SetTTL(uint8(max(n, 0))) },
	optHops:       func(l *tcp.Listener, n int64) { l.SetTTL(uint8(max(n, 0))) },
	optMaxSegment: func(l *tcp.Listener, n int64) { l.SetMaxSegment(int(n)) },
	optSyncCount:  func(l *tcp.Listener, n int64) { l.SetSynRetries(int(n)) },
	optDefer:      func(l *tcp.Listener, n int64) { l.DeferAccept = time.Duration(max(n, 0)) * time.Second },
	optFastOpen:   func(l *tcp.Listener, n int64) { l.FastOpen = int(n) },
	optLowat:      func(l *tcp.Listener, n int64) { l.SetNotSentLowat(lowat(n)) },
}

// lowat is a mark of as many bytes; -1, which scripts write for none, is as many as there are.
func lowat(n int64) int { return int(min(uint32(n), tcp.MaxBuffer)) }

// keptOptions are those that the socket layer itself obeys, or that mean nothing here.
var keptOptions = []option{
	optLinger, optReceiveTimeout, optSendTimeout, optQueued, optFastOpen, optFastConnect, optDefer, optZeroCopy, optStamping, optPorts, named("SOL_IP", "IP_FREEBIND"), named("SOL_SOCKET", "SO_REUSEADDR"), named("SOL_SOCKET", "SO_REUSEPORT"), named("SOL_SOCKET", "SO_PRIORITY"), named("SOL_SOCKET", "SO_DEBUG"),
	named("SOL_SOCKET", "SO_MARK"), named("SOL_SOCKET", "SO_BUSY_POLL"), named("SOL_IPV6", "IPV6_V6ONLY"), named("SOL_IP", "IP_BIND_ADDRESS_NO_PORT"),
	named("SOL_IP", "IP_MTU_DISCOVER"), named("SOL_IPV6", "IPV6_MTU_DISCOVER"),
}

// setKeepAlive gathers the four options that are one setting of the engine.
func (p *player) setKeepAlive(e *tcp.Endpoint, now clock.Time, s *socket) {
	k := tcp.KeepAlive{}
	if s.options[optKeepAlive] != 0 {
		k = p.keepAlive
		if n := s.options[optKeepIdle]; n > 0 {
			k.Idle = time.Duration(n) * time.Second
		}
		if n := s.options[optKeepInterval]; n > 0 {
			k.Interval = time.Duration(n) * time.Second
		}
		if n := s.options[optKeepCount]; n > 0 {
			k.Count = int(n)
		}
	}
	e.SetKeepAlive(now, s.entry, k)
}

func callSetOption(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	p.needs(c, 4)
	o := option{c.Args[1].Number, c.Args[2].Number}
	v := &c.Args[3]
	switch o {
	case optCongestion:
		return once(p.setCongestionOf(s, textOf(v)))
	case optFastOpenKey:
		return once(p.setFastOpenKeyOf(c, s))
	}
	n := numberOf(v)
	if o == optLinger {
		n = lingerOf(v)
	}
	if o == optReceiveTimeout || o == optSendTimeout {
		n = microsOf(v)
	}
	if o == optFastConnect && p.config.TCP.FastOpen&fastopen.Client == 0 {
		return once(failure("EOPNOTSUPP"))
	}
	if r, bad := refused(o, n); bad {
		return once(r)
	}
	set, known := connOptions[o]
	if !known && !isKept(o) {
		p.wrong(c.Args[2].Pos, "setsockopt of %s, %s is not played here: docs/DRILL.md names those that are", c.Args[1].Text, c.Args[2].Text)
	}
	if s.options[o] = n; o == optStamping {
		s.stamping.ask(s.flow, n)
	}
	if known && s.entry != nil {
		p.act(s, func(e *tcp.Endpoint, now clock.Time) { set(p, e, now, s, n) })
	}
	if s.listener != nil {
		p.applyToListener(s)
	}
	return once(ok(0))
}

// refused returns what a value is refused with that Linux refuses.
func refused(o option, n int64) (outcome, bool) {
	bad := false
	switch o {
	case optKeepIdle, optKeepInterval:
		bad = n < 1 || n > 32767
	case optKeepCount, optSyncCount:
		bad = n < 1 || n > 127
	case optUserTimeout:
		bad = n < 0
	case optMaxSegment:
		bad = n != 0 && (n < tcp.MinMaxSegment || n > tcp.MaxMaxSegment)
	case optTTL:
		bad = n == 0 || n < -1 || n > 255
	case optClass, optHops:
		bad = n < -1 || n > 255
	case optPorts:
		lowest, highest := uint16(n), uint16(n>>16)
		bad = lowest != 0 && highest != 0 && lowest > highest
	}
	return failure("EINVAL"), bad
}

func isKept(o option) bool {
	for _, k := range keptOptions {
		if k == o {
			return true
		}
	}
	return false
}

// numberOf returns the number of [1] or 1.
func numberOf(v *script.Value) int64 {
	if v.Kind == script.List && len(v.Items) > 0 {
		return v.Items[0].Number
	}
	return v.Number
}

func textOf(v *script.Value) string {
	if v.Kind == script.List && len(v.Items) > 0 {
		return v.Items[0].Text
	}
	return v.Text
}

// lingerOf reads {onoff=1, linger=0}: the seconds, less than 0 where it is off.
func lingerOf(v *script.Value) int64 {
	for _, names := range [][2]string{{"onoff", "linger"}, {"l_onoff", "l_linger"}} {
		if on, n := v.Field(names[0]), v.Field(names[1]); on != nil && n != nil {
			if on.Number == 0 {
				return -1
			}
			return n.Number
		}
	}
	return -1
}

// microsOf reads {tv_sec=1, tv_usec=0}.
func microsOf(v *script.Value) (n int64) {
	if f := v.Field("tv_sec"); f != nil {
		n += f.Number * 1e6
	}
	if f := v.Field("tv_usec"); f != nil {
		n += f.Number
	}
	return n
}

func (p *player) setCongestionOf(s *socket, name string) outcome {
	if cc.Check(name) != nil {
		return failure("ENOENT")
	}
	s.congestion = name
	if s.listener != nil {
		s.listener.CongestionControl = name
	}
	if s.entry != nil {
		// Before the handshake is done it is kept, and set then.
		p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.SetCongestionControl(now, s.entry, name) })
	}
	return ok(0)
}

// applyToConn gives a new connection what its program has set before.
func (p *player) applyToConn(s *socket) {
	for _, o := range sortedOptions(s.options) {
		if set := connOptions[o]; set != nil {
			p.act(s, func(e *tcp.Endpoint, now clock.Time) { set(p, e, now, s, s.options[o]) })
		}
	}
}

// applyToListener gives a listener what its connections begin with.
func (p *player) applyToListener(s *socket) {
	s.listener.SetFastOpenKeys(s.fastOpenKeys)
	s.listener.CongestionControl = s.congestion
	for _, o := range sortedOptions(s.options) {
		if set := listenerOptions[o]; set != nil {
			set(s.listener, s.options[o])
		}
	}
}

// inherit gives an accepted connection the options of its listener.
func (p *player) inherit(child, parent *socket) {
	for o, n := range parent.options {
		child.options[o] = n
	}
	child.congestion = parent.congestion
	p.applyToConn(child)
}
