package lab

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Watch is who looks on while a world lives. A nil function looks at nothing.
type Watch struct {
	// Packet sees every IP packet that is put on a wire, before the wire treats it;
	// the bytes are not to be kept or changed. Forged ones nobody has sent.
	Packet func(from string, packet []byte, forged bool)
	// Event sees what a host's TCP does.
	Event func(host string, e *tcp.Event)
	// Fault hears what is wrong with a host: a fault of the engine. Without it the
	// world panics.
	Fault func(host string, err error)
}

// SetWatch says who looks on.
func (w *World) SetWatch(x Watch) {
	w.watch = x
	if x.Fault != nil {
		w.fault = func(n *node, err error) { x.Fault(n.Name, err) }
	}
}

// Forget keeps no record of what happens: a long life would fill the memory.
func (w *World) Forget() { w.record.off = true }

// Result returns all that happened, unless Forget was called, as that of a scenario
// with this name; failed is what did not come out as it had to.
func (w *World) Result(name string, failed ...string) *Result {
	return &Result{Scenario: &Scenario{Name: name, Title: name, TitleZH: name}, Seed: w.seed, Run: w.told(), Failed: failed}
}

// Life is how long the world has lived.
func (w *World) Life() time.Duration { return w.now.Sub(start) }

// Sent is how many packets were put on wires.
func (w *World) Sent() int { return w.record.sends }

// After does something when the world has lived for so long.
func (w *World) After(life time.Duration, do func()) { w.when(condition{at: life}, do) }

// Host returns the engine of a host, which is another one after each reboot; nil:
// it has none.
func (w *World) Host(name string) *host.Host {
	if n := w.node(name); n != nil {
		return n.host
	}
	return nil
}

// Clock returns the clock of a host.
func (w *World) Clock(name string) Clock { return w.node(name).Clock }

// Forge puts an IP packet on the wire that leads from a host to the one with the
// packet's destination, whoever it says it is from.
func (w *World) Forge(from string, packet []byte) { w.send(w.node(from), packet, true) }

// ChangeWire changes how packets travel from one host to another from now on. Those
// under way arrive as they would have.
func (w *World) ChangeWire(from, to string, c WireConfig) {
	l := w.link(w.node(from), w.node(to))
	l.WireConfig = c
	l.wire.SetConfig(c.Config)
}
