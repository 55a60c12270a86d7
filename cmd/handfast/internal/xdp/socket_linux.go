package xdp

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// Sizes of a socket: frames for each direction, and so entries of each ring.
const (
	frames   = 2048
	headroom = 256 // XDP_PACKET_HEADROOM: of a received frame's memory
	l3Start  = 14
	// blockStart is where a received frame begins in its block, so that IP's header lies at a multiple of 8.
	blockStart = 10
)

// socket is an AF_XDP socket of one queue of the device. The first half of its memory is for frames
// that come, the second for those that go.
type socket struct {
	file  *os.File
	conn  syscall.RawConn
	drops *Drops
	size  int // of a frame's memory: 2048 or 4096

	reading sync.Mutex // held while a Read looks at the rings
	fill    ring[uint64]
	in      ring[unix.XDPDesc]
	batch   []*buf.Packet
	got     int
	drain   func(fd uintptr) bool

	writing sync.Mutex
	done    ring[uint64]
	out     ring[unix.XDPDesc]
	free    []uint64         // frames to send in
	lost    error            // the device has gone
	send    func(fd uintptr) // made once, as drain
	memory  []byte           // guarded by both
}

// newSocket makes a socket, which is not bound yet.
func newSocket(name string, size int, drops *Drops) (*socket, error) {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{size: size, drops: drops}
	s.drain, s.send = s.drainReady, s.kick
	if err := s.setup(fd); err != nil {
		unix.Close(fd)
		s.unmap()
		return nil, err
	}
	s.file = os.NewFile(uintptr(fd), "xdp "+name)
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) setup(fd int) (err error) {
	s.memory, err = unix.Mmap(-1, 0, 2*frames*s.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	umem := unix.XDPUmemReg{Addr: uint64(uintptr(unsafe.Pointer(&s.memory[0]))), Len: uint64(len(s.memory)), Size: uint32(s.size)}
	if err := setOption(fd, unix.XDP_UMEM_REG, unsafe.Pointer(&umem), unsafe.Sizeof(umem)); err != nil {
		return os.NewSyscallError("XDP_UMEM_REG", err)
	}
	for _, option := range []int{unix.XDP_UMEM_FILL_RING, unix.XDP_UMEM_COMPLETION_RING, unix.XDP_RX_RING, unix.XDP_TX_RING} {
		if err := unix.SetsockoptInt(fd, unix.SOL_XDP, option, frames); err != nil {
			return os.NewSyscallError("setsockopt of a ring", err)
		}
	}
	if err := s.mapRings(fd); err != nil {
		return os.NewSyscallError("mmap of a ring", err)
	}
	for i := range uint64(frames) {
		*s.fill.at(uint32(i)) = i * uint64(s.size)
		s.free = append(s.free, (frames+i)*uint64(s.size))
	}
	s.fill.produced(frames)
	return nil
}

func (s *socket) mapRings(fd int) (err error) {
	var o unix.XDPMmapOffsets
	length := uint32(unsafe.Sizeof(o))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_XDP, unix.XDP_MMAP_OFFSETS,
		uintptr(unsafe.Pointer(&o)), uintptr(unsafe.Pointer(&length)), 0)
	if e != 0 {
		return e
	}
	if s.fill, err = mapRing[uint64](fd, unix.XDP_UMEM_PGOFF_FILL_RING, o.Fr, frames); err != nil {
		return err
	}
	if s.done, err = mapRing[uint64](fd, unix.XDP_UMEM_PGOFF_COMPLETION_RING, o.Cr, frames); err != nil {
		return err
	}
	if s.in, err = mapRing[unix.XDPDesc](fd, unix.XDP_PGOFF_RX_RING, o.Rx, frames); err != nil {
		return err
	}
	s.out, err = mapRing[unix.XDPDesc](fd, unix.XDP_PGOFF_TX_RING, o.Tx, frames)
	return err
}

func setOption(fd, option int, value unsafe.Pointer, length uintptr) error {
	_, _, e := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_XDP, uintptr(option), uintptr(value), length, 0)
	if e != 0 {
		return e
	}
	return nil
}

// read waits for frames.
func (s *socket) read(batch []*buf.Packet) (int, error) {
	s.batch, s.got = batch, 0
	err := s.conn.Read(s.drain)
	s.batch = nil
	if s.got > 0 {
		return s.got, nil
	}
	return 0, err
}

// drainReady takes what is there. It returns false when that is nothing, and is called again
// when something has come.
func (s *socket) drainReady(fd uintptr) bool {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.memory == nil {
		return true
	}
	n := min(s.in.filled(), uint32(len(s.batch)))
	from, to := *s.in.consumer, *s.fill.producer
	for i := range n {
		d := s.in.at(from + i)
		s.batch[i] = s.receive(d)
		*s.fill.at(to + i) = d.Addr &^ uint64(s.size-1)
	}
	s.fill.produced(n)
	s.in.consumed(n)
	s.got = int(n)
	if s.fill.sleeps() {
		unix.Syscall6(unix.SYS_RECVFROM, fd, 0, 0, unix.MSG_DONTWAIT, 0, 0)
	}
	return n > 0
}

// receive copies a frame: its memory is the card's again at once.
func (s *socket) receive(d *unix.XDPDesc) *buf.Packet {
	p := buf.NewPacket()
	frame := s.memory[d.Addr:][:d.Len]
	p.Data, p.L3 = p.ReceiveInto(blockStart + len(frame))[blockStart:][:len(frame)], l3Start
	copy(p.Data, frame)
	return p
}

// write sends frames, and drops those for which there is no room.
func (s *socket) write(batch []*buf.Packet) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.memory == nil {
		return nil
	}
	if s.reclaim(); len(s.free) < len(batch) { // what could not leave goes first
		s.conn.Control(s.send)
	}
	sent := uint32(0)
	for _, p := range batch {
		if !s.carries(p) || len(s.free) == 0 {
			s.drops.Write.Add(1)
			continue
		}
		s.put(s.out.at(*s.out.producer+sent), p)
		sent++
	}
	s.out.produced(sent)
	return errors.Join(s.conn.Control(s.send), s.lost)
}

// carries reports whether a frame is one that a card takes as it is.
func (s *socket) carries(p *buf.Packet) bool {
	return p.GSOSize == 0 && p.Checksum != buf.ChecksumPartial && p.Len() <= s.size-headroom
}

func (s *socket) put(d *unix.XDPDesc, p *buf.Packet) {
	last := len(s.free) - 1
	at := s.free[last]
	s.free = s.free[:last]
	n := copy(s.memory[at:], p.Data)
	for i := range p.N {
		n += copy(s.memory[at+uint64(n):], p.Views[i].Bytes())
	}
	*d = unix.XDPDesc{Addr: at, Len: uint32(n)}
}

// reclaim takes the memory of frames that have left.
func (s *socket) reclaim() {
	n := s.done.filled()
	for i := range n {
		s.free = append(s.free, *s.done.at(*s.done.consumer + i))
	}
	s.done.consumed(n)
}

// kick has the kernel send what is in the ring. Without a driver's help each call takes a few
// dozen frames; what it does not take now, for lack of memory or because the device is down, goes with
// the next write.
func (s *socket) kick(fd uintptr) {
	for range frames {
		if s.out.filled() == 0 || !s.out.sleeps() {
			return
		}
		switch _, _, err := unix.Syscall6(unix.SYS_SENDTO, fd, 0, 0, unix.MSG_DONTWAIT, 0, 0); err {
		case 0, unix.EAGAIN, unix.EINTR:
		case unix.ENXIO, unix.ENODEV:
			s.lost = err
			return
		default:
			return
		}
		s.reclaim()
	}
}

// end ends Reads, because the device has gone.
func (s *socket) end() { s.file.SetReadDeadline(time.Unix(1, 0)) }

// close ends a Read, and waits for it to be done with the rings before their memory goes.
func (s *socket) close() error {
	err := s.file.Close()
	s.reading.Lock()
	defer s.reading.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	s.unmap()
	return err
}

func (s *socket) unmap() {
	s.fill.unmap()
	s.done.unmap()
	s.in.unmap()
	s.out.unmap()
	if s.memory != nil {
		unix.Munmap(s.memory)
		s.memory = nil
	}
}
