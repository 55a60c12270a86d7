package packet

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/offload"
)

// readBatch is how many frames one system call takes at most. Each needs a
// block that waits for it; the gain per frame is small from here on.
const readBatch = 32

// frameStart is where a received frame starts in its block. The virtio-net
// header lies right before it, and the IP header at a multiple of 8.
const frameStart = 10

// l3Start is where the IP header lies in a frame.
const l3Start = 14

// downCheck is how often a reader looks whether a device that went down is
// gone for good. The kernel wakes it for the one, but not for the other.
const downCheck = 200 * time.Millisecond

// receiver is the reading half of a queue.
type receiver struct {
	device *Device
	file   *os.File
	conn   syscall.RawConn

	drain     func(fd uintptr) bool // made once: one per call would be an allocation per batch
	batch     []*buf.Packet
	got       int
	callError error
	down      bool // the kernel said so, and a deadline is set

	spare    [readBatch]*buf.Packet // each ready to receive
	pieces   [readBatch]unix.Iovec
	messages [readBatch]unix.Mmsghdr
}

func (r *receiver) init(d *Device, file *os.File, conn syscall.RawConn) {
	r.device, r.file, r.conn, r.drain = d, file, conn, r.drainReady
	for i := range r.messages {
		r.messages[i].Hdr.Iov = &r.pieces[i]
		r.messages[i].Hdr.SetIovlen(1)
	}
}

func (r *receiver) read(batch []*buf.Packet) (int, error) {
	r.batch, r.got, r.callError = batch, 0, nil
	err := r.conn.Read(r.drain)
	for errors.Is(err, os.ErrDeadlineExceeded) {
		r.file.SetReadDeadline(time.Now().Add(downCheck))
		err = r.conn.Read(r.drain)
	}
	r.batch = nil
	if r.got > 0 {
		return r.got, nil
	}
	r.dropSpares()
	return 0, r.device.failure(err, r.callError)
}

// drainReady takes what is there. It returns false when that is nothing, and
// is called again when something came.
func (r *receiver) drainReady(fd uintptr) bool {
	for r.got == 0 && r.callError == nil {
		switch err := r.receive(fd); err {
		case 0, unix.EINTR:
		case unix.EAGAIN:
			return r.checkDown(fd)
		case unix.ENETDOWN:
			r.setDown(true)
			return r.checkDown(fd)
		case unix.EINVAL:
			// The kernel has no virtio-net header for this frame, and dropped it.
			r.device.Drops().Read.Add(1)
		default:
			r.callError = err
		}
	}
	r.setDown(false)
	return true
}

// checkDown reports whether the device is gone, when it is known to be down.
func (r *receiver) checkDown(fd uintptr) bool {
	if r.down && isGone(int(fd)) {
		r.callError = unix.ENODEV
	}
	return r.callError != nil
}

// setDown notes that the device is down, and makes the wait end once in a
// while to look again; or notes that it is not.
func (r *receiver) setDown(down bool) {
	if down == r.down {
		return
	}
	r.down = down
	deadline := time.Time{}
	if down {
		deadline = time.Now().Add(downCheck)
	}
	r.file.SetReadDeadline(deadline)
}

// receive makes one system call.
func (r *receiver) receive(fd uintptr) unix.Errno {
	want := min(len(r.batch), readBatch)
	r.prepare(want)
	n, _, err := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.messages)), uintptr(want), unix.MSG_DONTWAIT, 0, 0)
	if err != 0 {
		return err
	}
	for i := range int(n) {
		if r.accept(r.spare[i], &r.messages[i]) {
			r.batch[r.got], r.spare[i] = r.spare[i], nil
			r.got++
			continue
		}
		r.device.Drops().Read.Add(1)
	}
	return 0
}

// prepare gives the first count messages a packet each.
func (r *receiver) prepare(count int) {
	for i := range count {
		if r.spare[i] != nil {
			continue
		}
		p := buf.NewPacket()
		room := p.ReceiveInto(buf.LargeSize)[frameStart-offload.HeaderSize:]
		r.spare[i] = p
		r.pieces[i].Base = &room[0]
		r.pieces[i].SetLen(len(room))
	}
}

// accept makes p the frame that m received into it.
func (r *receiver) accept(p *buf.Packet, m *unix.Mmsghdr) bool {
	// What did not fit is no frame, and what has no whole header tells nothing.
	if m.Hdr.Flags&unix.MSG_TRUNC != 0 || m.Len < offload.HeaderSize+l3Start {
		return false
	}
	mem := p.Block.Bytes()[frameStart-offload.HeaderSize:][:m.Len]
	p.Data, p.L3 = mem[offload.HeaderSize:], l3Start
	return offload.Decode(mem, p)
}

// dropSpares gives back the blocks that wait for frames. While frames come they are kept: a
// block is as large as a super-segment.
func (r *receiver) dropSpares() {
	for i, p := range r.spare {
		if p != nil {
			p.Release()
			r.spare[i] = nil
		}
	}
}
