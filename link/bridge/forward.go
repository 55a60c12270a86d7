package bridge

import (
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// As many frames as a link reads at once: what costs a lock or a wake-up is shared by them.
const (
	batchSize      = 64
	ethernetHeader = 14
)

// What becomes of a frame instead of a port's number.
const (
	everywhere = -1
	nowhere    = -2
)

// forwarder carries the frames of one port. One goroutine uses it.
type forwarder struct {
	bridge *Bridge
	port   int
	batch  [batchSize]*buf.Packet
	to     [batchSize]int
	ports  []link.Link // as they were when the batch came
	copies [batchSize]*buf.Packet
}

// forward decides about a batch at once, and sends what goes the same way together.
func (f *forwarder) forward(batch []*buf.Packet) {
	f.decide(batch)
	for from := 0; from < len(batch); {
		next := from + 1
		for next < len(batch) && f.to[next] == f.to[from] {
			next++
		}
		f.send(f.to[from], batch[from:next])
		from = next
	}
	clear(f.ports)
}

// decide finds where each frame goes, under one lock for all. The ports are copied, because
// writing to them happens outside it: a link may take its time.
func (f *forwarder) decide(batch []*buf.Packet) {
	b := f.bridge
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for i, p := range batch {
		f.to[i] = nowhere
		// A sender with the address of a group would have all that is for the group sent to it.
		if len(p.Data) < ethernetHeader || p.Data[6]&1 != 0 {
			b.counters.Invalid.Add(1)
			continue
		}
		to, from := link.HardwareAddr(p.Data[:6]), link.HardwareAddr(p.Data[6:12])
		if !b.table.learn(now, from, f.port) {
			b.counters.Spoofed.Add(1)
			continue
		}
		port, known := b.table.find(now, to)
		switch {
		case isReserved(to) || known && port == f.port:
			b.counters.Filtered.Add(1)
		case known:
			b.counters.Forwarded.Add(1)
			f.to[i] = port
		default: // unknown, or a group
			b.counters.Flooded.Add(1)
			f.to[i] = everywhere
		}
	}
	f.ports = append(f.ports[:0], b.ports...)
}

// isReserved reports whether frames to an address end at the first bridge: spanning
// tree, pause, LLDP (IEEE 802.1D table 7-10).
func isReserved(a link.HardwareAddr) bool {
	return a[0] == 1 && a[1] == 0x80 && a[2] == 0xc2 && a[3] == 0 && a[4] == 0 && a[5] < 0x10
}

// send gives frames to a port, which takes them over. What is wrong with a link its
// own reader finds out.
func (f *forwarder) send(to int, frames []*buf.Packet) {
	switch {
	case to == everywhere:
		for n, l := range f.ports {
			if l != nil && n != f.port {
				l.Write(0, f.clone(frames))
			}
		}
	case to >= 0 && f.ports[to] != nil:
		f.ports[to].Write(0, frames)
		return
	}
	for i, p := range frames {
		p.Release()
		frames[i] = nil
	}
}

// clone copies frames: who gets one may change it.
func (f *forwarder) clone(frames []*buf.Packet) []*buf.Packet {
	for i, p := range frames {
		f.copies[i] = p.Copy()
	}
	return f.copies[:len(frames)]
}
