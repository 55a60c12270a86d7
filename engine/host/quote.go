package host

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// quote is what can be read of a packet that an ICMP error brings back, perhaps
// cut short: RFC 792 promises 8 bytes of the transport header.
type quote struct {
	ip    wire.IP
	tuple wire.Tuple // Local is who sent the packet; no ports unless TCP or UDP
	seq   seq.Num    // TCP only
	kind  uint8      // of an ICMP message, and the identifier that it has if it is an echo
	id    uint16
}

// parseQuote reads the beginning of an IP packet. ok is false for a fragment
// other than the first, and when the transport header's first 8 bytes are not there.
func parseQuote(b []byte) (q quote, ok bool) {
	if wire.ParseQuotedIP(b, &q.ip) != wire.None || q.ip.FragOffset != 0 {
		return q, false
	}
	q.tuple.Local, q.tuple.Remote = q.ip.Src, q.ip.Dst
	return q, q.parsePorts(b[q.ip.HeaderLen:])
}

func (q *quote) parsePorts(b []byte) bool {
	// Enough for ports and, of TCP, the sequence number: with it a forger has to guess 32
	// bits more (RFC 5927 §4.1).
	if len(b) < 8 {
		return false
	}
	if q.ip.Proto != wire.ProtoTCP && q.ip.Proto != wire.ProtoUDP {
		q.kind, q.id = b[0], binary.BigEndian.Uint16(b[echoIDAt:])
		return true
	}
	var t wire.TCP // the ports of UDP are in the same place
	wire.ParseQuotedTCP(b, &t)
	q.tuple.LocalPort, q.tuple.RemotePort, q.seq = t.SrcPort, t.DstPort, t.Seq
	return true
}
