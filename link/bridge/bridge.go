// Package bridge is an Ethernet switch between links: virtual machines on one network,
// and a host of ours among them.
//
//	b, _ := bridge.New(bridge.Options{})
//	device, _ := b.Host(bridge.Host{MTU: 1500})
//	h.Attach(device, handfast.LinkOptions{Addresses: addresses})
//	go b.Serve(machine)
//
// It learns which addresses are behind which port (IEEE 802.1D), and sends frames to
// groups, and to addresses that it does not know, to all other ports. What is known
// has a bound for each port, and so has what waits for a machine: the link's queue.
package bridge

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/internal/setting"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Options are the bounds of a bridge. The zero value has the defaults.
type Options struct {
	Ports     int           // at most, 1 to 4096; default 64
	Addresses int           // that are known of a port at most, 1 to 65536; default 64. A new one takes the place of the oldest
	Age       time.Duration // after which an address that is not heard of is forgotten, 1 s to a day; default 5 min
}

func (o *Options) setDefaults() error {
	table := []setting.Setting{
		setting.Of("bridge.Options.Ports", &o.Ports, 64, 1, 4096),
		setting.Of("bridge.Options.Addresses", &o.Addresses, 64, 1, 1<<16),
		setting.Of("bridge.Options.Age", &o.Age, 5*time.Minute, time.Second, 24*time.Hour),
	}
	err := setting.Check(table)
	setting.Settle(table)
	return err
}

// Bridge is a switch. Its methods may be called by several goroutines at the same time.
type Bridge struct {
	epoch    time.Time
	counters Counters
	hosts    sync.WaitGroup // that run for the ends that Host returned

	mu     sync.Mutex
	table  *table
	ports  []link.Link // by number; nil: free
	closed bool
}

// Counters are what has become of frames.
type Counters struct {
	Forwarded atomic.Uint64 // to one port
	Flooded   atomic.Uint64 // to all other ports
	Filtered  atomic.Uint64 // to an address on the port where it came from, or meant for the bridge itself
	Invalid   atomic.Uint64 // shorter than a header, or from a group
	Spoofed   atomic.Uint64 // from an address of a host on another port
}

// New makes a bridge without ports.
func New(o Options) (*Bridge, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	return &Bridge{epoch: time.Now(), table: newTable(o.Ports, o.Addresses, o.Age), ports: make([]link.Link, o.Ports)}, nil
}

// Counters returns the counters, which go on counting.
func (b *Bridge) Counters() *Counters { return &b.counters }

// Serve makes a link a port and carries its frames until it ends, of which it returns
// the reason. The link is closed then. It must be an Ethernet link, with one queue.
func (b *Bridge) Serve(l link.Link) error {
	defer l.Close()
	n, err := b.plug(l, nil)
	if err != nil {
		return err
	}
	return b.run(n, l)
}

// plug gives a link a port. pinned, if any, is the address that no other port has.
func (b *Bridge) plug(l link.Link, pinned *link.HardwareAddr) (n int, err error) {
	if a := l.Attributes(); a.Medium != link.Ethernet || a.Queues != 1 {
		return 0, fmt.Errorf("bridge: link %s: it must be an Ethernet link with one queue", a.Name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, net.ErrClosed
	}
	for n := range b.ports {
		if b.ports[n] == nil {
			b.ports[n] = l
			if pinned != nil {
				b.table.pin(*pinned, n)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("bridge: all %d ports are in use: Options.Ports can give it more", len(b.ports))
}

// unplug frees a port. Batches that were decided before may still be written to the link that
// was there, which drops them when it is closed.
func (b *Bridge) unplug(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ports[n] = nil
	b.table.forget(n)
}

func (b *Bridge) run(n int, l link.Link) error {
	defer b.unplug(n)
	f := forwarder{bridge: b, port: n}
	for {
		count, err := l.Read(0, f.batch[:])
		if err != nil {
			return err
		}
		f.forward(f.batch[:count])
	}
}

// Host says what the end of a host is.
type Host struct {
	Name         string            // default "bridge"
	MTU          int               // default 1500
	HardwareAddr link.HardwareAddr // default 02:68:66:00:00:01. No machine can take it over
}

// Host makes a port for a host of ours and returns the link to attach. Closing it
// frees the port.
func (b *Bridge) Host(o Host) (link.Link, error) {
	if o.Name == "" {
		o.Name = "bridge"
	}
	if o.HardwareAddr == (link.HardwareAddr{}) {
		o.HardwareAddr = link.HardwareAddr{2, 'h', 'f', 0, 0, 1}
	}
	ours, theirs := pipe.New(pipe.Options{
		Name: o.Name, Medium: link.Ethernet, MTU: o.MTU, HardwareAddrs: [2]link.HardwareAddr{o.HardwareAddr, o.HardwareAddr},
	})
	n, err := b.plug(theirs, &o.HardwareAddr)
	if err != nil {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	b.hosts.Go(func() { b.run(n, theirs) })
	return &end{Link: ours, port: theirs, name: o.Name}, nil
}

// end is the host's end of its port.
type end struct {
	link.Link
	port link.Link
	name string
}

// Attributes has the name as it was given, not that of one side of a pipe.
func (e *end) Attributes() link.Attributes {
	a := e.Link.Attributes()
	a.Name = e.name
	return a
}

// Close closes both sides of the port.
func (e *end) Close() error { return errors.Join(e.Link.Close(), e.port.Close()) }

// Close closes the links of all ports, which ends Serve.
func (b *Bridge) Close() error {
	// Links are closed outside the lock: their readers take it to unplug themselves.
	b.mu.Lock()
	b.closed = true
	ports := slices.Clone(b.ports)
	b.mu.Unlock()
	for _, l := range ports {
		if l != nil {
			l.Close()
		}
	}
	b.hosts.Wait()
	return nil
}

func (b *Bridge) now() clock.Time { return clock.Time(time.Since(b.epoch)) }
