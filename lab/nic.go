package lab

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// largestOffload is the largest super-segment, as an IP packet in bytes, that a network
// interface with segmentation offload takes.
const largestOffload = 65535

// cut does what a network interface with offload does with a packet of TCP: it makes
// of a super-segment packets of one segment each, and completes their checksums. Others
// it returns as they are.
func cut(p *buf.Packet) (packets [][]byte) {
	var ip wire.IP
	var h wire.TCP
	if p.GSOSize == 0 && p.Checksum != buf.ChecksumPartial || wire.ParseIP(p.Data, &ip) != wire.None || ip.Proto != wire.ProtoTCP {
		return [][]byte{append([]byte(nil), p.Data...)}
	}
	n, _ := wire.ParseTCP(p.Data[ip.HeaderLen:], &h) // it is our own engine's
	header, payload := p.Data[:ip.HeaderLen+n], p.Data[ip.HeaderLen+n:]
	size := int(p.GSOSize)
	if size == 0 {
		size = max(len(payload), 1)
	}
	for from := 0; from == 0 || from < len(payload); from += size {
		to := min(from+size, len(payload))
		b := append(append(make([]byte, 0, len(header)+to-from), header...), payload[from:to]...)
		finishPart(b, &ip, &h, from, to == len(payload))
		packets = append(packets, b)
	}
	return packets
}

// finishPart makes the copied headers those of the part of a super-segment that begins
// at byte from.
func finishPart(b []byte, ip *wire.IP, h *wire.TCP, from int, last bool) {
	t := b[ip.HeaderLen:]
	binary.BigEndian.PutUint32(t[4:], uint32(h.Seq.Add(seq.Size(from))))
	if !last {
		t[13] &^= byte(wire.PSH | wire.FIN)
	}
	// What congestion is answered with, once: RFC 3168 §6.1.2. As three bits of AccECN it
	// would be another number, but such super-segments the engine cuts up itself.
	if from > 0 {
		t[13] &^= byte(wire.CWR)
	}
	if ip.Version == 4 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], wire.Checksum(wire.Sum(b[:ip.HeaderLen], 0)))
	} else {
		binary.BigEndian.PutUint16(b[4:], uint16(len(b)-wire.IPv6Size))
	}
	t[16], t[17] = 0, 0
	binary.BigEndian.PutUint16(t[16:], wire.Checksum(wire.Sum(t, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(t)))))
}
