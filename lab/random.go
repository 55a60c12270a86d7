package lab

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/clock"
	"github.com/handfast-tcp/handfast/host"
	"github.com/handfast-tcp/handfast/netem"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/wire"
)

// RandomReport is what a random run came to.
type RandomReport struct {
	Seed     uint64
	Plan     string        // all that was drawn from the seed, in words
	Packets  int           // sent by both hosts
	Bytes    int           // delivered to programs
	Life     time.Duration // how long the world lived
	Polite   int           // connections that had to deliver all, and did
	Failures int           // connections that ended with an error, as they had to
	// Err is nil when the run was as it has to be.
	Err error
}

// RandomRun lets two hosts with programs of random behaviour speak over random
// bad wires. The same seed gives the same run. What must be true of it:
//
//   - a reader gets a prefix of what was written, byte for byte;
//   - a reader that is told of the end has got all that was written before it;
//   - when nobody was impolite (closed before the end, aborted, rebooted) and
//     the wire was not cut for good, all arrives and nobody sees an error;
//   - every packet is well-formed, with right checksums, and no larger than
//     the link takes;
//   - every program ends, and no connection is left behind.
func RandomRun(seed uint64) RandomReport { return newRandomRun(seed, false).play() }

// ReplayRandom is RandomRun, with all that happened.
func ReplayRandom(seed uint64) (RandomReport, *Result) {
	x := newRandomRun(seed, true)
	rep := x.play()
	r := &Result{Scenario: &Scenario{Name: fmt.Sprintf("random run %d", seed)}, Seed: seed, Start: start, End: x.w.now,
		Events: x.w.record.events, Packets: x.w.record.packets}
	for _, n := range x.w.nodes {
		r.Hosts = append(r.Hosts, HostInfo{Name: n.Name, Address: n.Address.String()})
	}
	if rep.Err != nil {
		r.Failed = []string{rep.Err.Error()}
	}
	return rep, r
}

// randomRun is a random run while it is played.
type randomRun struct {
	RandomReport
	w      *World
	r      *rand.Rand
	names  [2]string
	plan   plan
	visits []*visit
	errs   []error
}

// plan is what the seed has drawn for the whole run.
type plan struct {
	wire     WireConfig
	v6       bool
	both     bool // simultaneous open
	visits   int
	cutFrom  time.Duration // 0: never
	cutFor   time.Duration // 0: for good
	reboot   time.Duration // of the server; 0: never
	hosts    [2]host.Config
	mtus     [2]int
	keepLong bool
}

func newRandomRun(seed uint64, keep bool) *randomRun {
	x := &randomRun{RandomReport: RandomReport{Seed: seed}, w: NewWorld(seed), names: [2]string{"client", "server"}}
	x.r = rand.New(rand.NewPCG(seed, 0x6c6162))
	x.w.record.off = !keep
	x.draw()
	return x
}

func (x *randomRun) chance(p float64) bool { return x.r.Float64() < p }

// upTo is a number from 0 to n, small ones more often.
func (x *randomRun) upTo(n int) int { return int(float64(n) * x.r.Float64() * x.r.Float64()) }

func (x *randomRun) time(most time.Duration) time.Duration {
	return time.Duration(x.upTo(int(most/time.Microsecond))) * time.Microsecond
}

// sometimes is a probability that is 0 in half of the runs.
func (x *randomRun) sometimes(most float64) float64 {
	if x.chance(0.5) {
		return 0
	}
	return most * x.r.Float64()
}

func (x *randomRun) draw() {
	p := &x.plan
	p.wire.Config = netem.Config{Delay: x.time(200 * time.Millisecond), Loss: x.sometimes(0.25), Duplicate: x.sometimes(0.2),
		Reorder: x.sometimes(0.3), ReorderDelay: x.time(300 * time.Millisecond), Corrupt: x.sometimes(0.05)}
	if x.chance(0.3) {
		p.wire.Jitter = x.time(100 * time.Millisecond)
	}
	if x.chance(0.2) {
		p.wire.Rate, p.wire.QueueBytes = uint64(50_000+x.upTo(10_000_000)), 3000+x.upTo(80_000)
	}
	if x.chance(0.2) { // losses that come together
		p.wire.Burst = netem.GilbertElliott{ToBad: 0.02 * x.r.Float64(), ToGood: 0.2 + 0.8*x.r.Float64(), LossBad: x.r.Float64()}
	}
	if x.chance(0.15) {
		p.wire.MTU = 1280 + x.upTo(200)
	}
	p.v6, p.both, p.visits = x.chance(0.3), x.chance(0.1), 1+x.upTo(4)
	if x.chance(0.2) {
		p.cutFrom = 1 + x.time(20*time.Second)
		if x.chance(0.7) {
			p.cutFor = 1 + x.time(2*time.Minute)
		}
	}
	if x.chance(0.05) {
		p.reboot = 1 + x.time(20*time.Second)
	}
	for i := range p.hosts {
		p.hosts[i].TCP = x.drawTCP()
		p.mtus[i] = 1280 + x.upTo(220)
		if !p.v6 && x.chance(0.3) {
			p.mtus[i] = 150 + x.r.IntN(1350)
		}
	}
	x.Plan = fmt.Sprintf("%+v", *p)
}

// drawTCP draws an engine that does not give up while there is hope: a run
// that is bad luck alone is no finding.
func (x *randomRun) drawTCP() tcp.Config {
	c := tcp.Config{SynRetries: 20, SynAckRetries: 20, UserTimeout: time.Hour, MSL: x.time(30*time.Second) + time.Millisecond,
		NoTimestamps: x.chance(0.3), NoSACK: x.chance(0.3), NoWindowScale: x.chance(0.3)}
	c.Cookies = []tcp.CookieMode{tcp.CookiesAuto, tcp.CookiesOff, tcp.CookiesAlways}[x.r.IntN(3)]
	if x.chance(0.5) {
		c.ReceiveBuffer = 2048 + x.upTo(1<<17)
	}
	if x.chance(0.5) {
		c.SendBuffer = 2048 + x.upTo(1<<17)
	}
	if x.chance(0.3) {
		c.DelayedAck = 1 + x.time(400*time.Millisecond)
	}
	if x.chance(0.2) {
		c.MinRTO = time.Millisecond + x.time(time.Second)
	}
	return c
}

// mercy says whether connections can live: the wire is not cut for longer than
// they bear, and the server remembers them. With cookies alone it does not: when
// the client's first segment after the SYN is lost or overtaken, the next one
// cannot prove the handshake, and is answered with a RST (RFC 4987 §3.6).
func (p *plan) mercy() bool {
	return (p.cutFrom == 0 || p.cutFor > 0) && p.reboot == 0 && p.hosts[1].TCP.Cookies != tcp.CookiesAlways
}

func (x *randomRun) play() RandomReport {
	x.build()
	err := x.w.Run(start.Add(30 * 24 * time.Hour))
	if err != nil {
		x.fault("%v: %v", err, x.w.Waiting())
	}
	for _, v := range x.visits {
		v.judge()
	}
	for _, name := range x.names {
		n := x.w.node(name)
		if left := n.host.TCP().Len(); left > 0 && err == nil {
			x.fault("%s: %s left, and nothing to come", n.Name, plural(left, "connection"))
		}
	}
	x.Packets, x.Life = x.w.record.sends, x.w.now.Sub(start)
	x.Err = errors.Join(x.errs...)
	return x.RandomReport
}

func (x *randomRun) fault(format string, args ...any) {
	if len(x.errs) < 10 {
		x.errs = append(x.errs, fmt.Errorf("at %v: "+format, append([]any{x.w.now.Sub(start)}, args...)...))
	}
}

func (x *randomRun) build() {
	addrs := [2]string{"10.0.0.1", "10.0.0.2"}
	if x.plan.v6 {
		addrs = [2]string{"fd00::1", "fd00::2"}
	}
	for i, name := range x.names {
		err := x.w.AddHost(HostConfig{Name: name, Address: netip.MustParseAddr(addrs[i]), MTU: x.plan.mtus[i], Host: x.plan.hosts[i]})
		if err != nil {
			panic(err) // both are ours
		}
	}
	x.w.SetWire(x.plan.wire)
	x.w.judge = x.inspect
	if p := &x.plan; p.cutFrom > 0 {
		x.w.when(condition{at: p.cutFrom}, func() { x.w.Cut(x.names[0], x.names[1], true) })
		if p.cutFor > 0 {
			x.w.when(condition{at: p.cutFrom + p.cutFor}, func() { x.w.Cut(x.names[0], x.names[1], false) })
		}
	}
	for i := range x.plan.visits {
		x.visits = append(x.visits, x.newVisit(i))
	}
	if x.plan.reboot > 0 {
		x.start(1, "reboot", func(p *Proc) {
			p.Sleep(x.plan.reboot)
			if err := p.Reboot(); err != nil {
				panic(err)
			}
		})
	}
}

func (x *randomRun) start(side int, name string, program func(*Proc)) {
	if err := x.w.Go(x.names[side], x.names[side]+" "+name, program); err != nil {
		panic(err) // the host is there
	}
}

// inspect looks at every packet that is sent.
func (x *randomRun) inspect(p *parcel) verdict {
	var ip wire.IP
	d := wire.ParseIP(p.data, &ip)
	switch {
	case d != wire.None:
		x.fault("packet %d: %v", p.id, d)
	case len(p.data) > p.from.MTU && p.from.MTU > 0:
		x.fault("packet %d has %d bytes, the link takes %d", p.id, len(p.data), p.from.MTU)
	case ip.Proto == wire.ProtoTCP && p.tcp == nil:
		x.fault("packet %d: its TCP header is broken", p.id)
	case p.tcp != nil && wire.Fold(wire.Sum(p.data[ip.HeaderLen:], wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(p.data)-ip.HeaderLen))) != 0xffff:
		x.fault("packet %d: its checksum is wrong", p.id)
	case p.id == maxRandomPackets:
		x.fault("more than %d packets: a storm", maxRandomPackets)
		x.w.Cut(x.names[0], x.names[1], true)
	}
	return verdict{}
}

// maxRandomPackets is more than any run needs.
const maxRandomPackets = 300_000

// visit is one connection of a random run, with what both ends did and saw.
type visit struct {
	run  *randomRun
	port uint16
	ends [2]visitor
}

// visitor is what one end of a visit means to do, and what came of it.
type visitor struct {
	visit *visit
	side  int

	total   int           // bytes that it wants to write
	chunk   int           // at most so many at a time
	readBy  int           // at most so many at a time
	pause   time.Duration // now and then, at most
	quit    string        // "": stays until both streams have ended; close, abort: leaves in between
	quitAt  time.Duration
	noDelay bool

	conn     *Conn
	written  int
	finished bool // wrote all it wanted, or failed
	promised bool // a FIN follows what was written
	got      int
	eof      bool
	err      error // the first one
}

func (x *randomRun) newVisit(i int) *visit {
	v := &visit{run: x, port: uint16(80 + i)}
	for side := range v.ends {
		v.ends[side] = x.newVisitor(v, side)
	}
	open := x.time(3 * time.Second)
	x.start(0, fmt.Sprint("opens ", i), func(p *Proc) { v.open(p, 0, open) })
	if x.plan.both {
		x.start(1, fmt.Sprint("opens ", i), func(p *Proc) { v.open(p, 1, open) })
	} else {
		x.start(1, fmt.Sprint("accepts ", i), v.accept)
	}
	return v
}

func (x *randomRun) newVisitor(v *visit, side int) visitor {
	e := visitor{visit: v, side: side, total: x.upTo(60_000), chunk: 1 + x.upTo(20_000), readBy: 1 + x.upTo(20_000),
		noDelay: x.chance(0.3)}
	if x.chance(0.2) {
		e.total = 0
	}
	// Small pieces of much would only take long.
	e.total = min(e.total, 60*min(e.chunk, e.readBy))
	if x.chance(0.5) {
		e.pause = x.time(3 * time.Second)
	}
	if x.chance(0.3) {
		e.quit, e.quitAt = "close", x.time(10*time.Second)
		if x.chance(0.3) {
			e.quit = "abort"
		}
	}
	return e
}

func (v *visit) open(p *Proc, side int, after time.Duration) {
	p.Sleep(after)
	from := uint16(0)
	if v.run.plan.both {
		from = v.port
	}
	c, err := p.Dial(v.run.names[1-side], v.port, from)
	if err != nil {
		v.ends[side].failed(err)
	}
	if c != nil {
		v.ends[side].live(p, c)
	}
}

func (v *visit) accept(p *Proc) {
	l, err := p.Listen(v.port, 4)
	if err != nil {
		v.run.fault("listen: %v", err)
		return
	}
	c, err := l.Accept(start.Add(24 * time.Hour))
	l.Close()
	if err == nil {
		v.ends[1].live(p, c)
	}
}

func (e *visitor) failed(err error) {
	if e.err == nil {
		e.err = err
	}
}

// live is an end's life: it reads, while another program writes, and perhaps a
// third one quits.
func (e *visitor) live(p *Proc, c *Conn) {
	x := e.visit.run
	e.conn = c
	c.SetNoDelay(e.noDelay)
	c.SetKeepAlive(tcp.KeepAlive{Idle: 2 * time.Minute, Interval: 20 * time.Second, Count: 40})
	x.start(e.side, "writes", e.write)
	if e.quit != "" {
		x.start(e.side, "quits", e.leave)
	}
	e.read(c)
	p.Wait(func() bool { return e.finished }, clock.Never)
	e.close(c)
}

// close lets go. With something unread it is a RST, and nothing is promised.
func (e *visitor) close(c *Conn) {
	if c.Close() == nil && c.entry.Failure() != tcp.Aborted {
		e.promised = true
	}
}

func (e *visitor) leave(p *Proc) {
	p.Sleep(e.quitAt)
	if c := e.conn.For(p); e.quit == "abort" {
		c.Abort()
	} else {
		e.close(c)
	}
}

func (e *visitor) rest(p *Proc) {
	if e.pause > 0 && e.visit.run.chance(0.2) {
		p.Sleep(e.visit.run.time(e.pause))
	}
}

func (e *visitor) write(p *Proc) {
	x, c := e.visit.run, e.conn.For(p)
	defer func() { e.finished = true }()
	for e.written < e.total {
		e.rest(p)
		b := make([]byte, min(1+x.r.IntN(e.chunk), e.total-e.written))
		for i := range b {
			b[i] = e.octet(e.written + i)
		}
		send := c.Write
		if x.chance(0.02) {
			send = c.WriteUrgent
		}
		n, err := send(b)
		e.written += n
		if err != nil {
			e.failed(err)
			return
		}
	}
	if c.CloseWrite() == nil {
		e.promised = true
	}
}

// octet is the byte at a place of the stream that the end writes.
func (e *visitor) octet(at int) byte {
	return byte(uint32(at)*2654435761>>13) ^ byte(at) ^ byte(e.visit.port) ^ byte(e.side<<7)
}

func (e *visitor) read(c *Conn) {
	x, peer := e.visit.run, &e.visit.ends[1-e.side]
	for {
		e.rest(c.proc)
		b := make([]byte, 1+x.r.IntN(e.readBy))
		n, err := c.Read(b)
		for i, got := range b[:n] {
			if want := peer.octet(e.got + i); got != want {
				x.fault("%s, port %d: byte %d is %#x, should be %#x", x.names[e.side], e.visit.port, e.got+i, got, want)
				return
			}
		}
		e.got += n
		x.Bytes += n
		if e.got > peer.written+peer.chunk {
			x.fault("%s, port %d: got %d bytes of %d", x.names[e.side], e.visit.port, e.got, peer.written)
		}
		switch {
		case err == io.EOF:
			e.eof = true
			return
		case err != nil:
			e.failed(err)
			return
		}
	}
}

// judge says what must be true of a visit when it is over.
func (v *visit) judge() {
	x := v.run
	polite := x.plan.mercy() && v.ends[0].quit == "" && v.ends[1].quit == ""
	failures := 0
	for side := range v.ends {
		e, peer := &v.ends[side], &v.ends[1-side]
		who := fmt.Sprintf("%s, port %d", x.names[side], v.port)
		if e.eof && (!peer.promised || e.got != peer.written) {
			x.fault("%s: told of the end after %d bytes; %d were written, FIN promised: %v", who, e.got, peer.written, peer.promised)
		}
		if e.err != nil {
			failures = 1
		}
		if polite && (e.err != nil || !e.eof || e.written != e.total) {
			x.fault("%s: error %v, end %v, wrote %d of %d, got %d of %d: nobody was impolite", who, e.err, e.eof, e.written, e.total, e.got, peer.total)
		}
	}
	x.Failures += failures
	if polite && failures == 0 {
		x.Polite++
	}
}
