package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// start is when a world begins: not 0, which some clocks read as "never was".
const start = clock.Time(time.Second)

// World is hosts, the wires between them and the programs on them. It has the
// shape of all that lives in time: Settle does what should be done now, Deadline
// says when it is wanted next, Advance lets time pass.
//
// It is a value of one goroutine, and chance in it comes from the seed alone:
// the same calls give the same bytes.
type World struct {
	now     clock.Time
	seed    uint64
	secrets uint64 // where those of hosts come from
	nodes   []*node
	byAddr  map[wire.Addr]*node
	links   [][]*link // by sender and receiver
	base    WireConfig
	back    waiting // held back by rules
	procs   []*Proc
	record  record

	// Relation holds what each segment brings about against RFC 9293 §3.10.7.
	Relation *oracle.Relation
	// Streams judges what programs write and read.
	Streams oracle.Streams

	watch Watch
	// judge decides about a packet before the wire's own chance does; nil: nobody.
	judge func(*parcel) verdict
	// fault hears of a connection that is not as it must be: a fault of the engine.
	fault func(*node, error)
}

// NewWorld returns an empty world.
func NewWorld(seed uint64) *World {
	w := &World{now: start, seed: seed, secrets: seed, byAddr: map[wire.Addr]*node{}, Relation: &oracle.Relation{}, base: WireConfig{Config: netem.Config{Delay: 10 * time.Millisecond}}}
	w.record.world = w
	w.fault = func(n *node, err error) { panic(fmt.Sprintf("lab: seed %d, at %v, %s: %v", seed, w.now, n.Name, err)) }
	return w
}

// Now returns the world's time. It begins at one second.
func (w *World) Now() clock.Time { return w.now }

// HostConfig is what a world must know to make a host.
type HostConfig struct {
	Name    string // words and wires use it; no two are the same
	Address netip.Addr
	MTU     int // of its link; 0: 1500
	// Host configures the engine; seed and secret are the world's to choose.
	Host host.Config
	// Scripted makes a host without an engine: programs play its segments.
	Scripted bool
	// Clock is the host's own clock.
	Clock Clock
	// Batches is a host under load: what has arrived by the same instant goes in
	// together.
	Batches bool
	// Supers lets the host make super-segments, and of the segments of a batch, too.
	// Otherwise it spares whoever looks on.
	Supers bool
	// Offload is a link that cuts super-segments up and completes checksums.
	Offload bool
	// Prompt lets programs run before the host sends what a segment made it
	// owe, as when a program answers within the batch in which the segment
	// came. Otherwise the answer leaves at once, as it does under load.
	Prompt bool
}

// AddHost adds a host. It fails when the name or the address is taken.
func (w *World) AddHost(c HostConfig) error {
	addr := wire.AddrFrom(c.Address)
	if w.node(c.Name) != nil || w.byAddr[addr] != nil {
		return fmt.Errorf("host %s: name or address is taken", c.Name)
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	n := &node{world: w, index: len(w.nodes), HostConfig: c, addr: addr, port: firstPort}
	w.nodes = append(w.nodes, n)
	w.byAddr[addr] = n
	w.links = append(w.links, nil)
	if !c.Scripted {
		return n.boot()
	}
	return nil
}

func (w *World) node(name string) *node {
	for _, n := range w.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Renumber draws the secrets of hosts that are added from now on, and so the first
// numbers of their connections, from another seed than the wires' chance.
func (w *World) Renumber(seed uint64) { w.secrets = seed }

// random returns a source of its own for the pair of numbers.
func (w *World) random(a, b int) *rand.Rand { return random(w.seed, a, b) }

// random makes a source for each purpose. With one for all, a packet more in one place would
// change what happens in every other.
func random(seed uint64, a, b int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(a)<<32|uint64(b)))
}

// Go starts a program on a host. It fails when there is no such host.
func (w *World) Go(hostName, name string, program func(*Proc)) error {
	n := w.node(hostName)
	if n == nil {
		return fmt.Errorf("there is no host %s", hostName)
	}
	w.procs = append(w.procs, newProc(w, n, name, program))
	return nil
}

// Settle does all that is due at this instant.
func (w *World) Settle() {
	for busy := true; busy; {
		// Programs go first: what they do now may be what the packets of this instant
		// meet. All is repeated until nothing happens, because any of it may wake any
		// other.
		busy = w.runPrograms()
		busy = w.arrive() || busy
		busy = w.runPrograms() || busy
		for _, n := range w.nodes {
			busy = n.live() || busy
		}
	}
}

// Deadline returns when Advance is wanted next; Never when nothing is to come.
func (w *World) Deadline() clock.Time {
	d := w.back.next()
	w.eachLink(func(l *link) { d = min(d, l.wire.Deadline()) })
	for _, n := range w.nodes {
		d = min(d, n.deadline())
	}
	for _, p := range w.procs {
		if !p.done {
			d = min(d, p.until)
		}
	}
	return d
}

// Advance moves to an instant that is not past the deadline, and settles.
func (w *World) Advance(now clock.Time) {
	w.now = max(w.now, now)
	w.Settle()
}

// ErrStuck says that programs still wait although nothing more will happen.
var ErrStuck = errors.New("lab: programs wait for what will never come")

// ErrLimit says that the world has lived for as long as it may.
var ErrLimit = errors.New("lab: the limit of time is reached")

// Run lets the world live until nothing more will happen, at most until limit.
// It fails with ErrStuck or ErrLimit. Programs that still wait are ended.
func (w *World) Run(limit clock.Time) error {
	w.Settle()
	for {
		next := w.Deadline()
		switch {
		case next > limit && next != clock.Never:
			w.now = max(w.now, limit)
			return w.end(ErrLimit)
		// Nothing will ever happen again. A program that still waits is a finding,
		// where a test in real time would only hang.
		case next == clock.Never:
			return w.end(nil)
		}
		w.Advance(next)
	}
}

// end stops the programs that still wait.
func (w *World) end(err error) error {
	for _, p := range w.procs {
		if !p.done {
			p.kill()
			// Those in the background, like a scripted cut of a wire, may wait for
			// longer than the run lasts.
			p.stuck = !p.background
			if err == nil && p.stuck {
				err = ErrStuck
			}
		}
	}
	return err
}

// Waiting returns the names of the programs that still waited when Run ended.
func (w *World) Waiting() (names []string) {
	for _, p := range w.procs {
		if p.stuck {
			names = append(names, p.name)
		}
	}
	return names
}
