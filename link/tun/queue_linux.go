package tun

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/internal/netdev"
	"github.com/handfast-tcp/handfast/link/offload"
)

// frameStart is where a received packet starts in its block. The virtio-net
// header lies right before it, and the IP header at a multiple of 16.
const frameStart = 16

// queue is one file descriptor of the device. It is not blocking; the Go
// runtime's poller waits for it, so that a Read that waits costs no thread and
// Close ends it.
type queue struct {
	device *Device
	conn   syscall.RawConn

	// What the closures work on. They are made once: one per call would be an
	// allocation per batch.
	drain, send func(fd uintptr) bool
	in          []*buf.Packet
	got         int
	waited      bool // this read found nothing at first
	readError   error
	spare       *buf.Packet // ready to receive; left over when a read found nothing

	writing    sync.Mutex
	out        []*buf.Packet
	writeError error
	header     [offload.HeaderSize]byte
}

func newQueue(d *Device, fd int) (*queue, error) {
	file := os.NewFile(uintptr(fd), "/dev/net/tun")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	netdev.Own(&d.Device, file)
	q := &queue{device: d, conn: conn}
	q.drain, q.send = q.drainReady, q.sendAll
	return q, nil
}

func (q *queue) read(batch []*buf.Packet) (int, error) {
	q.in, q.got, q.readError, q.waited = batch, 0, nil, false
	err := q.conn.Read(q.drain)
	q.in = nil
	if q.got > 0 {
		return q.got, nil
	}
	q.dropSpare()
	return 0, q.device.failure(err, q.readError)
}

// drainReady reads what is there. It returns false when that is nothing, and
// is called again when something came.
func (q *queue) drainReady(fd uintptr) bool {
	for q.got < len(q.in) {
		switch err := q.readOne(int(fd)); err {
		case nil, unix.EINTR:
			// What ends a wait is mostly alone, and somebody waits for the answer. The next
			// read, which finds out, has to ask the kernel in any case.
			if q.waited && q.got > 0 {
				return true
			}
		// Whoever has something does not wait for more.
		case unix.EAGAIN:
			q.waited = true
			return q.got > 0
		default:
			q.readError = err
			return true
		}
	}
	return true
}

// readOne reads one packet. Each has a block of the largest size, because its length is known
// only when it lies there; one that is not used is there for the next read.
func (q *queue) readOne(fd int) error {
	p := q.spare
	if p == nil {
		p = buf.NewPacket()
		p.ReceiveInto(buf.LargeSize)
		q.spare = p
	}
	mem := p.Block.Bytes()
	from := frameStart
	if q.device.vnet {
		from -= offload.HeaderSize
	}
	n, err := unix.Read(fd, mem[from:])
	if err != nil {
		return err
	}
	if n <= frameStart-from+q.device.l3 || !q.accept(p, mem[:from+n]) {
		q.device.Drops().Read.Add(1)
		return nil
	}
	q.in[q.got], q.spare = p, nil
	q.got++
	return nil
}

// accept makes p the packet that lies in mem.
func (q *queue) accept(p *buf.Packet, mem []byte) bool {
	p.Data, p.L3 = mem[frameStart:], uint16(q.device.l3)
	return !q.device.vnet || offload.Decode(mem[frameStart-offload.HeaderSize:], p)
}

// dropSpare gives the block back while nothing comes: an idle device holds none.
func (q *queue) dropSpare() {
	if q.spare != nil {
		q.spare.Release()
		q.spare = nil
	}
}

func (q *queue) write(batch []*buf.Packet) error {
	q.writing.Lock()
	defer q.writing.Unlock()
	q.out, q.writeError = batch, nil
	err := q.conn.Write(q.send)
	q.out = nil
	netdev.Release(batch)
	return q.device.failure(err, q.writeError)
}

// sendAll writes all of q.out. It never waits: what the kernel does not take
// is dropped.
func (q *queue) sendAll(fd uintptr) bool {
	for _, p := range q.out {
		switch err := q.sendOne(fd, p); err {
		case 0:
		// The device is gone, and so it is for all packets. Anything else is this packet's own:
		// a full queue, or a device that is down, drops like a card.
		case unix.EBADFD:
			q.writeError = err
			return true
		default:
			q.device.Drops().Write.Add(1)
		}
	}
	return true
}

func (q *queue) sendOne(fd uintptr, p *buf.Packet) unix.Errno {
	if !q.carries(p) {
		return unix.EMSGSIZE
	}
	var header []byte
	if q.device.vnet {
		header = q.header[:]
		offload.Encode(header, p)
	}
	var pieces netdev.Pieces
	n := pieces.Gather(header, p)
	for {
		_, _, err := unix.Syscall(unix.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&pieces[0])), uintptr(n))
		if err != unix.EINTR {
			return err
		}
	}
}

// carries reports whether p is what the attributes say that the link takes.
func (q *queue) carries(p *buf.Packet) bool {
	if p.GSOSize == 0 && p.Checksum != buf.ChecksumPartial {
		return true
	}
	return q.device.vnet && offload.Valid(p) && p.Len() <= offload.MaxSegment+ipv6Header+q.device.l3
}
