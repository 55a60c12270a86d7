package packet

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/link"
)

// Where a filter finds what is not in the frame.
const (
	packetType = 0xfffff000 + 4  // SKF_AD_OFF + SKF_AD_PKTTYPE
	hasVLANTag = 0xfffff000 + 48 // SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT
)

// filter accepts frames to ours and to groups. It refuses what the machine
// itself sends by the device, and frames of a VLAN, whose tag the kernel has
// taken off so that they look like others.
//
// https://docs.kernel.org/networking/filter.html
func filter(ours link.HardwareAddr) []unix.SockFilter {
	const (
		load      = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		loadHalf  = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		loadByte  = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		ifEqual   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		ifBitsSet = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		give      = unix.BPF_RET | unix.BPF_K
	)
	high, low := binary.BigEndian.Uint32(ours[:4]), binary.BigEndian.Uint16(ours[4:])
	const refuse, accept = 10, 11 // where the program ends
	return []unix.SockFilter{
		0:      {Code: load, K: packetType},
		1:      {Code: ifEqual, K: unix.PACKET_OUTGOING, Jt: refuse - 2},
		2:      {Code: load, K: hasVLANTag},
		3:      {Code: ifEqual, K: 0, Jf: refuse - 4},
		4:      {Code: loadByte, K: 0}, // the low bit says that it is a group
		5:      {Code: ifBitsSet, K: 1, Jt: accept - 6},
		6:      {Code: load, K: 0},
		7:      {Code: ifEqual, K: high, Jf: refuse - 8},
		8:      {Code: loadHalf, K: 4},
		9:      {Code: ifEqual, K: uint32(low), Jt: accept - 10},
		refuse: {Code: give, K: 0},
		accept: {Code: give, K: 0xffffffff},
	}
}

func setFilter(fd int, ours link.HardwareAddr) error {
	program := filter(ours)
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// networkOrder returns v as the kernel wants a protocol number.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
