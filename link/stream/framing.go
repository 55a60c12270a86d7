package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Framing says where a frame begins and ends.
type Framing uint8

// The framings.
const (
	QEMU         Framing = iota // each frame has its length in front, 32 bits, big-endian
	HyperkitBare                // each frame has its length in front, 16 bits, little-endian
	Hyperkit                    // the same, after the handshake in VPNKit's part: the first Read waits for it
	Message                     // the socket keeps messages apart, each of which is a frame
	// Detect is QEMU or Hyperkit, as the first bytes say. Until these have come nothing
	// is sent.
	Detect
)

var framingNames = [...]string{"qemu", "hyperkit-bare", "hyperkit", "message", "detect"}

// String returns the framing's name.
func (f Framing) String() string {
	if int(f) < len(framingNames) {
		return framingNames[f]
	}
	return fmt.Sprintf("Framing(%d)", uint8(f))
}

// Sizes of frames in bytes. No Ethernet frame checksum is on the wire.
const (
	ethernetHeader = 14
	// MaxFrame is the largest frame that is taken: the largest IP packet, a header and
	// a VLAN tag.
	MaxFrame = 65535 + ethernetHeader + 4
)

// maxHeader is the longest length in front of a frame.
const maxHeader = 4

// headerSize is how long the length is.
func (f Framing) headerSize() int {
	switch f {
	case QEMU:
		return 4
	case HyperkitBare:
		return 2
	}
	return 0
}

// putHeader writes the length of a frame, and returns it.
func (f Framing) putHeader(b *[maxHeader]byte, n int) []byte {
	switch f {
	case QEMU:
		binary.BigEndian.PutUint32(b[:], uint32(n))
	case HyperkitBare:
		binary.LittleEndian.PutUint16(b[:], uint16(n))
	}
	return b[:f.headerSize()]
}

// frameSize reads the length that begins b.
func (f Framing) frameSize(b []byte) (int, error) {
	if f == HyperkitBare {
		return int(binary.LittleEndian.Uint16(b)), nil
	}
	// A length that cannot be is no reason to wait for so much: what comes is not what was
	// expected, and the first four bytes often say what it is.
	n := binary.BigEndian.Uint32(b)
	if n <= MaxFrame {
		return int(n), nil
	}
	if string(b[:4]) == hyperkitMagic[:4] {
		return 0, errors.New("it begins with hyperkit's handshake: its framing is Hyperkit, or Detect")
	}
	return 0, fmt.Errorf("it says that a frame of %d bytes follows, and the largest is %d: it speaks another framing than %s",
		n, MaxFrame, f)
}

// maxSent is the largest frame that can be sent: none before a handshake is over.
func (f Framing) maxSent() int {
	switch f {
	case HyperkitBare:
		return 1<<16 - 1
	case Hyperkit, Detect:
		return 0
	}
	return MaxFrame
}
