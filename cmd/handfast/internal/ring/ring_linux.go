package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/lab/capture"
)

const (
	// blockSize and blocks are the ring's: 32 MiB, in pieces that the kernel hands over
	// when they are full, or after retire.
	blockSize = 1 << 20
	blocks    = 32
	retire    = 20 * time.Millisecond

	// The places of a block's fields, of a packet's header, and of the address behind that.
	blockStatus, blockCount, blockFirst = 8, 12, 16
	addressAt                           = 48
	addressSize                         = 20
)

// Ring is an open ring. It is for one goroutine.
type Ring struct {
	fd       int
	memory   []byte
	loopback int // the index of the loopback interface: what passes there passes twice
	block    int
	taken    bool   // the block is ours
	left     uint32 // packets of it that are not read
	at       uint32 // of the next one, in memory
	packet   capture.Packet
	seen     Statistics
}

// Open opens a ring for an interface, or for Any, that keeps so many bytes of each packet.
func Open(name string, snap int) (*Ring, error) {
	index := 0
	if name != Any {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, ErrNoInterface)
		}
		index = i.Index
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0) // hears nothing yet
	if err != nil {
		return nil, rights(err)
	}
	r := &Ring{fd: fd}
	if lo, err := net.InterfaceByName("lo"); err == nil {
		r.loopback = lo.Index
	}
	if err := r.open(index, snap); err != nil {
		r.Close()
		return nil, rights(err)
	}
	return r, nil
}

func rights(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return ErrRights
	}
	return err
}

func (r *Ring) open(index, snap int) error {
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("PACKET_VERSION: %w", err)
	}
	keep := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: uint32(snap)}}
	if err := unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &keep[0]}); err != nil {
		return fmt.Errorf("SO_ATTACH_FILTER: %w", err)
	}
	const frame = 2048 // says nothing in this version, but must divide the block
	req := unix.TpacketReq3{Block_size: blockSize, Block_nr: blocks, Frame_size: frame, Frame_nr: blockSize / frame * blocks,
		Retire_blk_tov: uint32(retire / time.Millisecond)}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("PACKET_RX_RING: %w", err)
	}
	memory, err := unix.Mmap(r.fd, 0, blockSize*blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	r.memory = memory
	var all [2]byte
	binary.BigEndian.PutUint16(all[:], unix.ETH_P_ALL)
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(all[:]), Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// status is whose a block is.
func (r *Ring) status(block int) *uint32 {
	return (*uint32)(unsafe.Pointer(&r.memory[block*blockSize+blockStatus]))
}

// Next returns the next packet, which is valid until the next call. It waits for one so
// long, and then returns nil.
func (r *Ring) Next(wait time.Duration) (*capture.Packet, error) {
	for {
		if r.left > 0 {
			if p := r.take(); p != nil {
				return p, nil
			}
			continue
		}
		if r.taken { // nobody needs its last packet any more
			atomic.StoreUint32(r.status(r.block), unix.TP_STATUS_KERNEL)
			r.block, r.taken = (r.block+1)%blocks, false
		}
		if atomic.LoadUint32(r.status(r.block))&unix.TP_STATUS_USER == 0 {
			if ready, err := r.wait(wait); err != nil || !ready {
				return nil, err
			}
			continue
		}
		b := r.memory[r.block*blockSize:]
		r.taken, r.left = true, binary.NativeEndian.Uint32(b[blockCount:])
		r.at = uint32(r.block*blockSize) + binary.NativeEndian.Uint32(b[blockFirst:])
	}
}

// take takes a packet of the block: nil when it is one that passes a second time.
func (r *Ring) take() *capture.Packet {
	h := r.memory[r.at:]
	n := binary.NativeEndian.Uint32
	seconds, nanoseconds, kept, size := n(h[4:]), n(h[8:]), n(h[12:]), n(h[16:])
	begin := uint32(binary.NativeEndian.Uint16(h[24:]))
	address := h[addressAt : addressAt+addressSize]
	index, kind := n(address[4:]), address[10]
	r.packet = capture.Packet{Number: r.packet.Number, Time: clock.Time(int64(seconds)*1e9 + int64(nanoseconds)), Link: capture.LinkRaw,
		Interface: int(index), Data: h[begin : begin+kept : begin+kept], Size: int(size)}
	r.at += n(h)
	r.left--
	if kind == unix.PACKET_OUTGOING && int(index) == r.loopback {
		return nil
	}
	r.packet.Number++
	return &r.packet
}

// wait waits until the kernel has handed a block over.
func (r *Ring) wait(most time.Duration) (ready bool, err error) {
	p := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR}}
	n, err := unix.Poll(p, int(most/time.Millisecond))
	switch {
	case errors.Is(err, unix.EINTR):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("poll: %w", err)
	case p[0].Revents&unix.POLLERR != 0:
		return false, ErrGone
	}
	return n > 0, nil
}

// Statistics tells what became of all packets so far.
func (r *Ring) Statistics() (Statistics, error) {
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS) // since the last time
	if err != nil {
		return r.seen, fmt.Errorf("PACKET_STATISTICS: %w", err)
	}
	r.seen.Packets += uint64(s.Packets)
	r.seen.Dropped += uint64(s.Drops)
	return r.seen, nil
}

// Close gives the ring up.
func (r *Ring) Close() error {
	if r.memory != nil {
		_ = unix.Munmap(r.memory)
		r.memory = nil
	}
	return unix.Close(r.fd)
}
