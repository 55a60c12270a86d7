package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/netem"
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
//     the wire was not cut for good, all arrives, nobody sees an error except for
//     the ACKs of its last text, and no connection gives up waiting;
//   - every packet is well-formed, with right checksums, and no larger than
//     the link takes;
//   - every connection is as tcp.Endpoint.Audit wants it, after every step;
//   - every program ends, and no connection is left behind.
func RandomRun(seed uint64) RandomReport { return newRandomRun(seed, false).play() }

// ReplayRandom is RandomRun, with all that happened.
func ReplayRandom(seed uint64) (RandomReport, *Result) {
	x := newRandomRun(seed, true)
	rep := x.play()
	r := &Result{Scenario: &Scenario{Name: fmt.Sprintf("random run %d", seed)}, Seed: seed, Run: x.w.told()}
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
	wire    WireConfig
	v6      bool
	both    bool // simultaneous open
	visits  int
	cutFrom time.Duration // 0: never
	cutFor  time.Duration // 0: for good
	reboot  time.Duration // of the server; 0: never
	hosts   [2]host.Config
	mtus    [2]int
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
	if x.Seed%3 > 0 { // and where it does not mark, it may drop
		p.wire.MarkBytes = p.wire.QueueBytes / 4
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
	names := cc.Names()
	for i := range p.hosts {
		p.hosts[i].TCP = x.drawTCP()
		p.hosts[i].TCP.CongestionControl = names[(x.Seed+uint64(i))%uint64(len(names))]
		p.hosts[i].TCP.ECN = cc.ECNMode((x.Seed/2 + uint64(i)) % uint64(cc.ECNAccurate+1))
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
	x.w.fault = func(n *node, err error) { x.fault("%s: %v", n.Name, err) }
	x.w.record.ended = x.ended
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

// ended notes connections that gave up, also those that no program holds any more.
func (x *randomRun) ended(t wire.Tuple, why tcp.Cause) {
	switch why {
	case tcp.CauseTimeout, tcp.CauseUserTimeout, tcp.CauseKeepAlive, tcp.CauseFinWait2Over:
		for _, v := range x.visits {
			if v.port == t.LocalPort || v.port == t.RemotePort {
				v.gaveUp = why
			}
		}
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
