package soak

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
)

// Report is what a life came to.
type Report struct {
	Seed     uint64
	Plan     string        // all that was drawn from the seed, in words
	Packets  int           // put on wires
	Bytes    int           // delivered to programs
	Conns    int           // connections that programs had, both ends counted as one
	Life     time.Duration // how long the world lived
	Polite   int           // connections that had to deliver all, and did
	Failures int           // connections that ended with an error, as expected
	// Relation is the name of the relation that was tried, or empty.
	Relation string
	// Coverage is what it reached of the engine.
	Coverage *Coverage
	// Err is nil when the life was as it has to be.
	Err error
}

// Run plays the life of a seed, and for one of four seeds once more, with something changed
// that should make no difference: a Relation.
func Run(seed uint64) Report {
	rep := newLife(seed, draw(seed)).play()
	d := diceOf(seed, forRelations<<32)
	if rep.Err != nil || seed%gigaSeeds == gigaSeeds-1 || !d.chance(0.25) {
		return rep
	}
	if r := oneOf(d, relations...); r.applies(new(draw(seed))) {
		rep.Relation = r.Name
		rep.Err = Compare(seed, r)
	}
	return rep
}

// Replay plays the life of a seed, and returns all that happened.
func Replay(seed uint64) (Report, *lab.Result) {
	x := newLife(seed, draw(seed))
	x.keep = true
	rep := x.play()
	var failed []string
	if rep.Err != nil {
		failed = []string{rep.Err.Error()}
	}
	return rep, x.w.Result(fmt.Sprintf("life %d", seed), failed...)
}

// life is a life while it is played.
type life struct {
	Report
	w       *lab.World
	names   [2]string
	plan    plan
	keep    bool   // all that happens
	secrets uint64 // another seed for them; 0: that of the life
	visits  []*visit
	errs    []error
	calmAt  clock.Time
	seen    [2]memory
	digest  *digest // of what is sent; nil: nobody asks
}

func newLife(seed uint64, p plan) *life {
	return &life{Report: Report{Seed: seed}, w: lab.NewWorld(seed), names: [2]string{"client", "server"}, plan: p}
}

// longest is how long a life lasts at most.
const longest = 60 * 24 * time.Hour

func (x *life) play() Report {
	x.Plan = inWords(&x.plan)
	x.build()
	err := x.w.Run(x.w.Now().Add(longest))
	if err != nil {
		x.fault("%v: %v", err, x.w.Waiting())
	}
	for _, v := range x.visits {
		v.judge()
		if v.ends[0].started || v.ends[1].started {
			x.Conns++
		}
	}
	for _, name := range x.names {
		x.judgeHost(name, err == nil)
	}
	x.Coverage.Rows = x.w.Relation.Coverage()
	x.Packets, x.Life = x.w.Sent(), x.w.Life()
	x.Err = errors.Join(x.errs...)
	return x.Report
}

// judgeHost says what must be true of a host at the end.
func (x *life) judgeHost(name string, ended bool) {
	e := x.w.Host(name).TCP()
	if left := e.Len(); left > 0 && ended {
		x.fault("%s: %d connections left, and nothing to come", name, left)
	}
	if used, _, _ := e.BufferMemory(); used != 0 && ended {
		x.fault("%s: %d bytes of buffers left, and no connection", name, used)
	}
	x.Coverage.addCounters(x.w.Host(name))
}

func (x *life) fault(format string, args ...any) {
	if len(x.errs) < 10 {
		x.errs = append(x.errs, fmt.Errorf("at %v: "+format, append([]any{x.w.Life()}, args...)...))
	}
}

// addresses of the hosts, by family.
var addresses = [2][2]string{{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}}

func (x *life) address(side int) netip.Addr {
	family := 0
	if x.plan.v6 {
		family = 1
	}
	return netip.MustParseAddr(addresses[family][side])
}

func (x *life) build() {
	if x.Coverage == nil {
		x.Coverage = &Coverage{}
	}
	if !x.keep {
		x.w.Forget()
	}
	if x.secrets != 0 {
		x.w.Renumber(x.secrets)
	}
	x.w.SetWatch(lab.Watch{Packet: x.inspect, Event: x.event, Fault: func(name string, err error) { x.fault("%s: %v", name, err) }})
	for side, name := range x.names {
		h := &x.plan.hosts[side]
		x.mustNot(x.w.AddHost(lab.HostConfig{Name: name, Address: x.address(side), MTU: h.mtu, Host: x.hostConfig(h), Clock: h.clock,
			Batches: h.batches, Supers: h.supers, Offload: h.offload}))
	}
	for side := range x.names {
		x.w.SetWireBetween(x.names[side], x.names[1-side], x.plan.wires[side])
	}
	x.befall()
	x.aim()
	for i := range x.plan.visits {
		x.newVisit(&x.plan.visits[i])
	}
}

// mustNot is for what cannot fail: names and addresses are ours.
func (x *life) mustNot(err error) {
	if err != nil {
		panic(err)
	}
}

func (x *life) start(side int, name string, program func(*lab.Proc)) {
	x.mustNot(x.w.Go(x.names[side], x.names[side]+" "+name, program))
}

// aim chooses where the streams of the first connection begin.
func (x *life) aim() {
	v, a := &x.plan.visits[0], &x.plan.aim
	for side, name := range x.names {
		switch {
		case !a.on[side]:
		case side == 0 || x.plan.both:
			x.w.AimISN(name, x.names[1-side], [2]uint16{v.ports[side], v.ports[1-side]}, v.open, a.want[side])
		default:
			x.w.AimCookies(name, a.want[side], 1<<19, 10_000)
		}
	}
}

// event sees what TCP does.
func (x *life) event(_ string, e *tcp.Event) {
	x.Coverage.addEvent(e)
	if e.Kind != tcp.StateChanged || e.State != tcp.Closed {
		return
	}
	switch e.Cause {
	case tcp.CauseTimeout, tcp.CauseUserTimeout, tcp.CauseKeepAlive, tcp.CauseFinWait2Over:
		for _, v := range x.visits {
			if p := v.plan.ports[1]; p == e.Tuple.LocalPort || p == e.Tuple.RemotePort {
				v.gaveUp = e.Cause
			}
		}
	}
}

// inspect looks at every packet that is sent.
func (x *life) inspect(from string, b []byte, forged bool) {
	if forged {
		return // it is ours
	}
	side := 0
	if from == x.names[1] {
		side = 1
	}
	var ip wire.IP
	switch d := wire.ParseIP(b, &ip); {
	case d != wire.None:
		x.fault("%s sent a packet that is wrong: %v", from, d)
		return
	case len(b) > x.plan.hosts[side].mtu && from == x.names[side]:
		x.fault("%s sent a packet of %d bytes, the link takes %d", from, len(b), x.plan.hosts[side].mtu)
	case x.w.Sent() == x.plan.mostPackets():
		x.fault("more than %d packets: a storm", x.plan.mostPackets())
		x.w.Cut(x.names[0], x.names[1], true)
	}
	if ip.Proto != wire.ProtoTCP {
		return
	}
	segment := b[ip.HeaderLen:ip.TotalLen]
	var h wire.TCP
	n, d := wire.ParseTCP(segment, &h)
	if d != wire.None {
		x.fault("%s sent a TCP header that is wrong: %v", from, d)
		return
	}
	if wire.Fold(wire.Sum(segment, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(segment)))) != 0xffff {
		x.fault("%s sent a wrong checksum", from)
	}
	x.seen[side].keep(b)
	if x.digest != nil {
		x.digest.add(x.w.Now(), side, &ip, &h, len(segment)-n)
	}
}

// mostPackets is more than a life needs.
func (p *plan) mostPackets() int {
	n := 400_000
	for i := range p.visits {
		v := &p.visits[i]
		n += (v.ends[0].total + v.ends[1].total) / 100 * v.rounds
	}
	return n
}
