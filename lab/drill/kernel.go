package drill

import (
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// Kernel is a host that is not ours and lives in real time: with it in Options the same
// script shows whether what it says is true of TCP, or only of us. What a script asks of
// the inside of our host (%{ }%) is not asked of it.
type Kernel interface {
	// Boot makes the host.
	Boot(m Machine) error
	// Arrive lets an IP packet arrive.
	Arrive(packet []byte) error
	// Begin begins a call, which Wait tells the outcome of. It fails where there is no such
	// call.
	Begin(c *script.Call) error
	// Wait returns the next thing that happens before an instant, counted from Boot; not ok:
	// nothing did.
	Wait(until time.Duration) (h Happening, ok bool)
}

// Machine is what a script says of the host before its first event.
type Machine struct {
	Version, MTU          int
	Local, Remote         netip.Addr
	BindPort, ConnectPort uint16
	Sysctls               []script.Setting
}

// Happening is a packet that has left a Kernel, or a call that has returned.
type Happening struct {
	At     time.Duration // since Boot
	Packet []byte        // nil: a call
	Value  int64
	Errno  string // "EAGAIN" and so on; empty: none
}

// Limits of a play in real time: machines are busy. What comes so much earlier or later than the
// script says is right, and what does not come for longer is missing.
const (
	kernelTolerance = 100 * time.Millisecond
	kernelPatience  = time.Second
	kernelBurst     = 20 * time.Millisecond // what leaves at once comes within
)

// bootKernel makes the host that is not ours. Ours is made too, and nothing happens to it.
func (p *player) bootKernel() {
	p.tolerance, p.tick = max(p.tolerance, kernelTolerance), 0
	err := p.Kernel.Boot(Machine{Version: p.version, MTU: p.mtu, Local: p.local, Remote: p.remote, BindPort: p.bindPort, ConnectPort: p.connectPort, Sysctls: p.asked})
	if err != nil {
		panic(stop{err}) // it has not begun
	}
}

// passes lets time pass in a kernel up to an instant.
func (p *player) passes(until clock.Time) {
	for p.heard(until) {
	}
	p.now = max(p.now, until)
}

// heard takes the next thing that happens in a kernel before an instant; false: nothing did.
func (p *player) heard(until clock.Time) bool {
	h, ok := p.Kernel.Wait(until.Sub(start))
	if !ok {
		return false
	}
	p.now = max(p.now, start.Add(h.At))
	if h.Packet == nil {
		if w := p.waiting; w != nil {
			p.waiting = nil
			p.returned(w, outcome{h.Value, h.Errno})
		}
		return true
	}
	if s, ok := parseSegment(h.Packet); ok && s.tuple.Remote == wire.AddrFrom(p.remote) {
		if s.tcp.Flags&(wire.SYN|wire.ACK) == wire.SYN {
			p.flow = p.flowTo(s.tuple) // by a port that the kernel has chosen
		}
		p.rec.sent(p, h.Packet)
		p.left = append(p.left, departure{p.now, h.Packet})
	}
	return true
}

// callKernel makes a call in a kernel. One that does not say when it returns does so at once.
func (p *player) callKernel(e *script.Event) {
	if err := p.Kernel.Begin(e.Call); err != nil {
		p.wrong(e.Pos, "%v", err)
	}
	p.waiting = &waiting{event: e, from: p.now, giveUp: clock.Never}
	if e.Call.End < 0 {
		p.settleKernel()
	}
}

// settleKernel waits until the call in a kernel has returned.
func (p *player) settleKernel() {
	limit := p.end(p.waiting).Add(kernelPatience)
	for p.waiting != nil {
		if w := p.waiting; !p.heard(limit) {
			p.event = w.event
			p.fail("the call has not returned, %v after it should", kernelPatience)
		}
	}
}

// acknowledged notes how far the script has acknowledged a kernel, whose errors quote what
// comes behind that.
func (f *flow) acknowledged(ack seq.Num) {
	if f.acked == 0 || f.acked.Less(ack) {
		f.acked = ack
	}
}
