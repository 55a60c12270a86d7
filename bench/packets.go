package main

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// packetOptions say what packetStack is wanted.
type packetOptions struct {
	capacity int  // how many entries of each kind it must have room for; 0: its defaults
	forward  bool // accept connections to every address and port
}

// packetStack is one stack whose link is in our hands: packets go in by send
// and come out by receive.
type packetStack struct {
	listener net.Listener
	// send passes IP packets to the stack, which do not change any more. It may
	// wait for the stack.
	send func(batch [][]byte)
	// receive waits for packets from the stack and calls f with each; f must
	// not keep them.
	receive func(f func(packet []byte)) error
	// entries counts the connections of any state; nil where that is unknown.
	entries func() int
}

// sendBatch is how many packets go in at a time.
const sendBatch = 64

// segment is a TCP segment in an IPv4 packet.
type segment struct {
	src, dst netip.AddrPort
	wire.TCP
	payload []byte
}

// append appends the packet, checksums and all.
func (s *segment) append(b []byte) []byte {
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, DontFragment: true,
		Src: wire.AddrFrom(s.src.Addr()), Dst: wire.AddrFrom(s.dst.Addr())}
	s.SrcPort, s.DstPort, s.Checksum = s.src.Port(), s.dst.Port(), 0
	n := s.HeaderLen() + len(s.payload)
	b = ip.Append(b, n)
	start := len(b)
	b = append(s.TCP.Append(b), s.payload...)
	sum := wire.Checksum(wire.Sum(b[start:], wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoTCP, n)))
	binary.BigEndian.PutUint16(b[start+16:], sum)
	return b
}

// parse reads a packet; ok is false when it is not TCP over IPv4. payload
// refers to b.
func (s *segment) parse(b []byte) (ok bool) {
	var ip wire.IP
	if wire.ParseIP(b, &ip) != wire.None || ip.Proto != wire.ProtoTCP {
		return false
	}
	n, drop := wire.ParseTCP(b[ip.HeaderLen:ip.TotalLen], &s.TCP)
	s.src, s.dst = netip.AddrPortFrom(ip.Src.Netip(), s.SrcPort), netip.AddrPortFrom(ip.Dst.Netip(), s.DstPort)
	s.payload = b[ip.HeaderLen+n : ip.TotalLen]
	return drop == wire.None
}

// answer returns the segment that goes back, acknowledging all of s.
func (s *segment) answer(flags wire.Flags) segment {
	a := segment{src: s.dst, dst: s.src}
	a.Seq, a.Ack, a.Flags, a.Window = s.Ack, s.Seq.Add(seq.Size(len(s.payload))), flags, 502
	if s.Flags&(wire.SYN|wire.FIN) != 0 {
		a.Ack = a.Ack.Add(1)
	}
	if s.Options.Has(wire.OptTimestamps) {
		a.Options.Set, a.Options.TSVal, a.Options.TSEcr = wire.OptTimestamps, s.Options.TSEcr+1, s.Options.TSVal
	}
	return a
}

// synOptions are those of a usual SYN.
var synOptions = wire.Options{
	Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptWindowScale | wire.OptTimestamps,
	MSS: 1460, WindowScale: synScale, TSVal: 1000,
}

const synScale = 7

// syn is the first segment of connection number i of a crowd.
func syn(i int, to netip.AddrPort) segment {
	first := binary.BigEndian.Uint32(crowdNet[:])
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], first+uint32(i/crowdPerAddress))
	s := segment{src: netip.AddrPortFrom(netip.AddrFrom4(a), uint16(crowdFirstPort+i%crowdPerAddress)), dst: to}
	s.Seq = seq.Num(i * 7919)
	s.Flags, s.Window, s.Options = wire.SYN, 64240, synOptions
	return s
}

const (
	crowdPerAddress = 50_000
	crowdFirstPort  = 1024
)

// crowdNet is where the crowd lives.
var crowdNet = [4]byte{11, 0, 0, 1}

// benchTarget is what the crowd connects to.
var benchTarget = netip.AddrPortFrom(nearAddr, benchPort)
