package wgnet

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/offload"
)

// roomBefore is what drivers may write in front of a packet: a virtio-net header, or the
// address family. It keeps the IP header at a multiple of 16.
const roomBefore = 16

// largestWrite is how long a buffer of Write is: drivers put segments that follow each
// other into one when it has the room.
const largestWrite = roomBefore + offload.MaxSegment

// TUN is a tun.Device of wireguard-go as a link of a host.
type TUN struct {
	device     tun.Device
	attributes link.Attributes
	done       chan struct{} // closed by Close
	once       sync.Once
	watcher    sync.WaitGroup // takes the device's events, which it would wait with

	reading sync.Mutex
	blank   []*buf.Packet // to read into, as many as the device reads at once
	bufs    [][]byte      // their memory
	sizes   []int
	arrived []*buf.Packet // read, but not taken

	writing sync.Mutex
	out     [][]byte
	lengths []int
	filled  [][]byte
	cut     cutter

	dropped atomic.Uint64
}

var _ link.Link = (*TUN)(nil)

// Link makes a link of a device, which it closes with its own Close. The device has its
// name, its addresses and its state from the system; its MTU must not change. It fails
// when the device does not say its name or its MTU.
func Link(d tun.Device) (*TUN, error) {
	name, err := d.Name()
	if err != nil {
		return nil, fmt.Errorf("wgnet: the device does not say its name: %w", err)
	}
	mtu, err := d.MTU()
	if err != nil {
		return nil, fmt.Errorf("wgnet: device %s does not say its MTU: %w", name, err)
	}
	l := &TUN{device: d, done: make(chan struct{})}
	l.attributes = link.Attributes{Name: name, MTU: mtu, Queues: 1, MaxGSO: offload.MaxSegment, ChecksumOffload: true}
	n := d.BatchSize()
	l.blank, l.bufs, l.sizes = make([]*buf.Packet, n), make([][]byte, n), make([]int, n)
	l.out, l.lengths, l.filled = make([][]byte, n), make([]int, n), make([][]byte, 0, n)
	for i := range l.out {
		l.out[i] = make([]byte, largestWrite)
	}
	l.watcher.Go(l.watch)
	return l, nil
}

// watch takes events: a driver waits until somebody does. What they tell, Read and Write find
// out.
func (l *TUN) watch() {
	for {
		select {
		case _, open := <-l.device.Events():
			if !open {
				return
			}
		case <-l.done:
			return
		}
	}
}

// Attributes returns what a host must know of the link. Super-segments are cut up and
// summed while they are copied for the driver.
func (l *TUN) Attributes() link.Attributes { return l.attributes }

// Read waits for packets from the device. See link.Link.
func (l *TUN) Read(_ int, batch []*buf.Packet) (n int, err error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	for len(l.arrived) == 0 {
		if err := l.receive(); err != nil {
			return 0, l.failure(err)
		}
	}
	n = copy(batch, l.arrived)
	clear(l.arrived[:n])
	l.arrived = l.arrived[n:]
	return n, nil
}

// receive reads what the device has, at least one packet unless that was of no use.
func (l *TUN) receive() error {
	for i, p := range l.blank {
		if p == nil {
			p = buf.NewPacket()
			l.bufs[i] = p.ReceiveInto(min(roomBefore+l.attributes.MTU, buf.LargeSize))
			l.blank[i] = p
		}
	}
	n, err := l.device.Read(l.bufs, l.sizes, roomBefore)
	l.arrived = l.arrived[:0:cap(l.arrived)]
	for i := range n {
		if l.sizes[i] > 0 {
			p := l.blank[i]
			p.Data = l.bufs[i][roomBefore : roomBefore+l.sizes[i]]
			l.arrived, l.blank[i] = append(l.arrived, p), nil
		}
	}
	if errors.Is(err, tun.ErrTooManySegments) || n > 0 {
		return nil // the rest of a super-segment is lost, or the next Read fails again
	}
	return err
}

// Write gives packets to the device. See link.Link. What the driver does not take is
// dropped and counted: a device that is gone is found out by Read.
func (l *TUN) Write(_ int, batch []*buf.Packet) (err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	for _, p := range batch {
		for all := false; !all && err == nil; {
			var n int
			n, all = l.cut.segments(p, l.out[len(l.filled):], l.lengths, roomBefore)
			for _, length := range l.lengths[:n] {
				l.filled = append(l.filled, l.out[len(l.filled)][:roomBefore+length])
			}
			if len(l.filled) == len(l.out) {
				err = l.send()
			}
		}
		p.Release()
	}
	if err == nil {
		err = l.send()
	}
	l.cut, l.filled = cutter{}, l.filled[:0]
	clear(batch)
	return err
}

// send gives the driver what is filled. An error is of the packets, unless the device is gone:
// drivers say of the one that they did not like only that it was among these.
func (l *TUN) send() error {
	if len(l.filled) == 0 {
		return nil
	}
	_, err := l.device.Write(l.filled, roomBefore)
	n := len(l.filled)
	l.filled = l.filled[:0]
	if err == nil {
		return nil
	}
	l.dropped.Add(uint64(n))
	if errors.Is(err, os.ErrClosed) {
		return l.failure(err)
	}
	return nil
}

// failure is what a Read or Write returns when the device said err.
func (l *TUN) failure(err error) error {
	select {
	case <-l.done:
		return link.ErrClosed
	default:
		return fmt.Errorf("device %s is gone: %w", l.attributes.Name, err)
	}
}

// Drops returns how many packets were in calls of Write that the driver refused, in whole
// or in part.
func (l *TUN) Drops() uint64 { return l.dropped.Load() }

// Close closes the device, and ends every Read and Write.
func (l *TUN) Close() (err error) {
	l.once.Do(func() {
		close(l.done)
		err = l.device.Close()
	})
	l.watcher.Wait()
	return err
}
