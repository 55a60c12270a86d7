package packet

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/internal/netdev"
	"github.com/handfast-tcp/handfast/link/offload"
)

// writeBatch is how many frames one system call takes at most: a host's whole batch.
const writeBatch = 64

// sender is the writing half of a queue.
type sender struct {
	device *Device
	conn   syscall.RawConn

	mu        sync.Mutex
	send      func(fd uintptr) bool // made once: one per call would be an allocation per batch
	batch     []*buf.Packet
	callError error

	headers  [writeBatch][offload.HeaderSize]byte
	pieces   [writeBatch]netdev.Pieces
	messages [writeBatch]unix.Mmsghdr
}

func (s *sender) init(d *Device, conn syscall.RawConn) {
	s.device, s.conn, s.send = d, conn, s.sendAll
	for i := range s.messages {
		s.messages[i].Hdr.Iov = &s.pieces[i][0]
	}
}

func (s *sender) write(batch []*buf.Packet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch, s.callError = batch, nil
	err := s.conn.Write(s.send)
	s.batch = nil
	netdev.Release(batch)
	return s.device.failure(err, s.callError)
}

// sendAll sends all of s.batch. It never waits: what the kernel does not take
// is dropped.
func (s *sender) sendAll(fd uintptr) bool {
	for rest := s.batch; len(rest) > 0 && s.callError == nil; {
		taken, count := s.prepare(rest)
		s.sendPrepared(fd, count)
		rest = rest[taken:]
	}
	return true
}

// prepare fills messages from the start of batch. It returns how many packets
// that used up and how many messages they became.
func (s *sender) prepare(batch []*buf.Packet) (taken, count int) {
	for _, p := range batch {
		if count == writeBatch {
			break
		}
		taken++
		if !s.carries(p) {
			s.drop(1)
			continue
		}
		s.fill(count, p)
		count++
	}
	return taken, count
}

// fill makes message i of p. The pieces point into p, which is not released before the call
// is over: nothing is copied.
func (s *sender) fill(i int, p *buf.Packet) {
	offload.Encode(s.headers[i][:], p)
	s.messages[i].Hdr.SetIovlen(s.pieces[i].Gather(s.headers[i][:], p))
}

func (s *sender) carries(p *buf.Packet) bool {
	return offload.Valid(p) && p.Len() <= buf.LargeSize
}

// sendPrepared sends the first count messages, and drops those that the kernel
// does not take.
func (s *sender) sendPrepared(fd uintptr, count int) {
	for from := 0; from < count && s.callError == nil; {
		n, _, err := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.messages[from])), uintptr(count-from), unix.MSG_DONTWAIT, 0, 0)
		switch err {
		case 0:
			from += int(n)
		case unix.EINTR:
		// The socket's buffer is full, or the device is down: so it is for the rest, too.
		case unix.EAGAIN, unix.ENETDOWN:
			s.drop(count - from)
			return
		case unix.ENXIO, unix.ENODEV:
			s.drop(count - from)
			s.callError = err
		default: // this frame only
			s.drop(1)
			from++
		}
	}
}

func (s *sender) drop(count int) { s.device.Drops().Write.Add(uint64(count)) }
