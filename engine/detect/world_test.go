package detect_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// world is a server, its clients and other senders of SYNs, in virtual time.
type world struct {
	tb        testing.TB
	t         trace
	r         *rand.Rand
	now       clock.Time
	onset     clock.Time
	over      clock.Time // what the label says ends
	server    *tcp.Endpoint
	listeners []*tcp.Listener
	acceptAt  clock.Time // when a slow program accepts next
	clients   map[wire.Tuple]*client
	events    events
	sources   []source
	scanned   int
	syns      int // that reached the server
	accepted  int
	out       tcp.Output
}

// client is one attempt of an honest client to connect.
type client struct {
	tuple       wire.Tuple
	isn, synAck seq.Num
	rtt         time.Duration
	tries       int
	connected   bool // as far as it knows
	bot         bool
}

// source brings something at random intervals.
type source struct {
	next  clock.Time
	wait  func() time.Duration
	bring func()
}

func newWorld(tb testing.TB, t trace, cookies tcp.CookieMode) *world {
	return newWorldWith(tb, t, tcp.Config{Cookies: cookies})
}

func newWorldWith(tb testing.TB, t trace, cfg tcp.Config) *world {
	w := &world{tb: tb, t: t, r: rand.New(rand.NewPCG(t.Seed, 77)), now: start, onset: start.Add(warmUp), over: clock.Never, clients: map[wire.Tuple]*client{}}
	cfg.Secret = [16]byte{byte(t.Seed), byte(t.Seed >> 8), 3}
	w.server = tcp.NewEndpoint(&cfg)
	for i := range t.Open + 1 {
		w.listen(uint16(80 + 1000*i))
	}
	w.add(start, w.poisson(w.honestRate), w.connect)
	w.add(start, w.poisson(func() float64 { return 0.5 }), w.radiation)
	w.add(start.Add(time.Duration(w.r.IntN(60))*time.Second), w.every(time.Minute), w.cron)
	switch t.Label {
	case "flood":
		w.add(w.onset, w.poisson(func() float64 { return t.Rate }), w.spoof)
	case "scan":
		w.add(w.onset, w.every(time.Duration(float64(time.Second)/t.Rate)), w.scan)
	}
	return w
}

func (w *world) listen(port uint16) {
	l, err := w.server.Listen(wire.Addr{}, port, 4096, w)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.listeners = append(w.listeners, l)
}

func (w *world) add(from clock.Time, wait func() time.Duration, bring func()) {
	w.sources = append(w.sources, source{from.Add(wait()), wait, bring})
}

func (w *world) poisson(rate func() float64) func() time.Duration {
	return func() time.Duration { return time.Duration(w.r.ExpFloat64() / rate() * 1e9) }
}

func (w *world) every(d time.Duration) func() time.Duration {
	return func() time.Duration { return time.Duration(float64(d) * (0.8 + 0.4*w.r.Float64())) }
}

// began reports whether what the label says goes on.
func (w *world) began() bool { return w.now >= w.onset && w.now < w.over }

// honestRate swings slowly; a crowd comes at the onset, at once or in a second.
func (w *world) honestRate() float64 {
	rate := w.t.Honest * (1 + 0.4*math.Sin(2*math.Pi*w.now.Seconds()/120+float64(w.t.Seed)))
	if w.t.Label != "crowd" || !w.began() {
		return rate
	}
	times := w.t.Rate
	if w.t.Mode == "ramp" {
		times = 1 + (times-1)*min(1, w.now.Sub(w.onset).Seconds())
	}
	return rate * times
}

// step goes to the next event, and returns false when that is after the end.
func (w *world) step(end clock.Time) bool {
	next := min(w.server.Deadline(), w.events.next())
	var from *source
	for i := range w.sources {
		if s := &w.sources[i]; s.next < next {
			next, from = s.next, s
		}
	}
	if next > end {
		return false
	}
	w.now = max(w.now, next)
	switch {
	case from != nil:
		from.bring()
		from.next = from.next.Add(max(1, from.wait()))
	case w.events.next() <= w.now:
		w.events.pop().what()
	default:
		w.server.Advance(w.now)
	}
	w.settle()
	return true
}

// settle has the program accept, and takes what the server sends.
func (w *world) settle() {
	for _, l := range w.listeners {
		for en := w.accept(l); en != nil; en = w.accept(l) {
			w.accepted++
			w.later(3*time.Second, func() { w.server.Abort(w.now, en) })
		}
	}
	for _, _, ok := w.server.NextReady(); ok; _, _, ok = w.server.NextReady() {
	}
	for w.server.Output(w.now, &w.out) {
		if w.out.Flags == wire.SYN|wire.ACK {
			w.synAckSent(&w.out)
		}
	}
}

// accept is what the program does: at once, or, when it is slow, five times as
// often as there are clients in quiet times.
func (w *world) accept(l *tcp.Listener) *tcp.Entry {
	if w.t.Mode == "slow" && w.now < w.acceptAt {
		return nil
	}
	en := w.server.Accept(l)
	if en != nil && w.t.Mode == "slow" {
		w.acceptAt = max(w.acceptAt, w.now.Add(-time.Second)).Add(time.Duration(1e9 / (5 * w.t.Honest)))
	}
	return en
}

// arrive gives the server a segment.
func (w *world) arrive(t wire.Tuple, f wire.Flags, sn, ack seq.Num) {
	s := tcp.Segment{TCP: wire.TCP{SrcPort: t.RemotePort, DstPort: t.LocalPort, Seq: sn, Ack: ack, Flags: f, Window: 64240}}
	if f == wire.SYN {
		s.Options = wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptWindowScale, MSS: 1460, WindowScale: 7}
		w.syns++
	}
	w.server.Receive(w.now, tcp.Path{MTU: 1500}, &t, &s)
}

// later does something after a while.
func (w *world) later(d time.Duration, what func()) { w.events.push(event{w.now.Add(d), what}) }

// lost reports whether a segment of a real client gets lost.
func (w *world) lost(toClient, syn bool) bool {
	loss := w.t.Loss
	if w.began() {
		switch m := w.t.Mode; {
		case w.t.Label == "crowd" && m == "lossy":
			loss = 0.1
		case w.t.Label != "broken":
		case toClient && (m == "synack" || m == "both"), !toClient && !syn && (m == "ack" || m == "both"):
			loss = w.t.Share
		}
	}
	return w.r.Float64() < loss
}

// connect is the beginning of an honest client, or of a bot.
func (w *world) connect() {
	n := uint32(float64(w.t.People) * w.r.Float64() * w.r.Float64()) // some come more often
	tuple := wire.Tuple{Local: serverAddr, LocalPort: 80, Remote: ip4(20<<24 + n*2654435761>>6), RemotePort: uint16(32768 + w.r.IntN(28000))}
	if w.clients[tuple] != nil {
		return
	}
	rtt := time.Duration(min(900, w.t.RTT*math.Exp(0.5*w.r.NormFloat64())) * 1e6)
	c := &client{tuple: tuple, isn: seq.Num(w.r.Uint32()), rtt: rtt, bot: w.r.Float64() < w.t.Bots}
	w.clients[tuple] = c
	w.syn(c)
}

// syn sends c's SYN, and again after 1, 3, 7 s.
func (w *world) syn(c *client) {
	if c.connected || c.tries > 3 || c.bot && c.tries > 0 {
		if !c.connected {
			delete(w.clients, c.tuple)
		}
		return
	}
	if !w.lost(false, true) {
		w.later(c.rtt/2+w.jitter(), func() { w.arrive(c.tuple, wire.SYN, c.isn, 0) })
	}
	w.later(time.Second<<c.tries+w.jitter(), func() { w.syn(c) })
	c.tries++
}

func (w *world) jitter() time.Duration { return time.Duration(w.r.IntN(4000)) * time.Microsecond }

// synAckSent is the server's SYN-ACK on its way.
func (w *world) synAckSent(out *tcp.Output) {
	c := w.clients[out.Tuple]
	if c == nil {
		w.strayAnswer(out.Tuple, out.Seq, out.Ack)
		return
	}
	if c.bot || w.lost(true, true) {
		return
	}
	sn := out.Seq
	w.later(c.rtt/2+w.jitter(), func() { c.synAck = sn; w.ack(c, 2) })
}

// ack sends c's last ACK, and soon the first data, which acknowledges the same.
func (w *world) ack(c *client, times int) {
	if times == 0 {
		return
	}
	c.connected = true
	if !w.lost(false, false) {
		w.later(c.rtt/2+w.jitter(), func() { w.arrive(c.tuple, wire.ACK, c.isn+1, c.synAck+1) })
	}
	w.later(max(200*time.Millisecond, 2*c.rtt), func() { w.ack(c, times-1) })
	if times == 2 {
		w.later(5*time.Second, func() { delete(w.clients, c.tuple) })
	}
}

// cron is a machine that opens fifty connections at once, each minute.
func (w *world) cron() {
	for range 50 {
		w.later(time.Duration(w.r.IntN(300))*time.Millisecond, w.connect)
	}
}

// radiation is a scanner that looks for a service that we do not have.
func (w *world) radiation() {
	ports := [...]uint16{22, 23, 445, 2323, 3389, 5555, 6379, 8080, 8443}
	w.arrive(wire.Tuple{Local: serverAddr, LocalPort: ports[w.r.IntN(len(ports))], Remote: ip4(w.r.Uint32()), RemotePort: 40000}, wire.SYN, seq.Num(w.r.Uint32()), 0)
}

// spoof is one SYN of a flood.
func (w *world) spoof() {
	if !w.began() {
		return
	}
	n := w.r.Uint32()
	if w.t.Sources > 0 {
		n = 77<<24 | uint32(w.t.Seed)<<8&0xffff00 | uint32(w.r.IntN(w.t.Sources))
	}
	w.arrive(wire.Tuple{Local: serverAddr, LocalPort: 80, Remote: ip4(n), RemotePort: uint16(1024 + w.r.IntN(64000))}, wire.SYN, seq.Num(w.r.Uint32()), 0)
}

// scan is one probe.
func (w *world) scan() {
	if !w.began() {
		return
	}
	n := w.scanned / w.t.Sources % (w.t.Ports + w.t.Open)
	port := uint16(10000 + n)
	if step := (w.t.Ports + w.t.Open) / (w.t.Open + 1); n%step == step-1 && n/step < w.t.Open {
		port = uint16(80 + 1000*(n/step+1))
	}
	w.arrive(wire.Tuple{Local: serverAddr, LocalPort: port, Remote: ip4(66<<24 + uint32(w.scanned%w.t.Sources)*77), RemotePort: uint16(40000 + w.r.IntN(20000))}, wire.SYN, seq.Num(w.r.Uint32()), 0)
	w.scanned++
}

// strayAnswer is how hosts that are not honest clients react to a SYN-ACK.
func (w *world) strayAnswer(t wire.Tuple, sn, ack seq.Num) {
	rtt := time.Duration(w.t.RTT * 1e6)
	switch {
	case w.t.Label == "flood" && w.r.Float64() < w.t.Share, w.t.Label == "scan" && w.t.Mode == "syn":
		w.later(rtt, func() { w.arrive(t, wire.RST, ack, 0) })
	case w.t.Label == "scan" && w.t.Mode == "connect":
		w.later(rtt, func() { w.arrive(t, wire.ACK, ack, sn+1) })
	}
}

// events is a heap of what happens when.
type events []event

type event struct {
	at   clock.Time
	what func()
}

func (e events) next() clock.Time {
	if len(e) == 0 {
		return clock.Never
	}
	return e[0].at
}

func (e *events) push(v event) {
	*e = append(*e, v)
	h := *e
	for i := len(h) - 1; i > 0 && h[i].at < h[(i-1)/2].at; i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (e *events) pop() event {
	h := *e
	first, last := h[0], len(h)-1
	h[0], h[last] = h[last], event{}
	h = h[:last]
	*e = h
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if h[c].at < h[least].at {
				least = c
			}
		}
		if least == i {
			return first
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
