package drill

import (
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// segment is a packet of TCP that has left the host.
type segment struct {
	ip      wire.IP
	tcp     wire.TCP
	tuple   wire.Tuple
	options []script.Option // with numbers as on the wire
	payload []byte
}

// parseSegment reads a packet; not ok: it is none of TCP.
func parseSegment(data []byte) (s segment, ok bool) {
	if wire.ParseIP(data, &s.ip) != wire.None || s.ip.Proto != wire.ProtoTCP {
		return s, false
	}
	b := data[s.ip.HeaderLen:s.ip.TotalLen]
	n, drop := wire.ParseTCP(b, &s.tcp)
	if drop != wire.None {
		return s, false
	}
	s.payload = b[n:]
	s.options = splitOptions(b[wire.TCPSize:n])
	s.tuple = wire.Tuple{Local: s.ip.Src, Remote: s.ip.Dst, LocalPort: s.tcp.SrcPort, RemotePort: s.tcp.DstPort}
	return s, true
}

// splitOptions reads options one by one, with their padding, as scripts write them.
func splitOptions(b []byte) (all []script.Option) {
	for len(b) > 0 {
		kind := script.OptionKind(b[0])
		if kind == script.EOL || kind == script.NOP {
			all, b = append(all, script.Option{Kind: kind}), b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return append(all, script.Option{Kind: script.Raw, Data: b})
		}
		all = append(all, readOption(kind, b[2:b[1]]))
		b = b[b[1]:]
	}
	return all
}

func readOption(kind script.OptionKind, v []byte) script.Option {
	o := script.Option{Kind: kind, Data: v}
	switch {
	case kind == script.SACK && len(v)%8 == 0:
		o.Data = nil
		for ; len(v) > 0; v = v[8:] {
			o.Blocks = append(o.Blocks, [2]seq.Num{seq.Num(binary.BigEndian.Uint32(v)), seq.Num(binary.BigEndian.Uint32(v[4:]))})
		}
	case kind == script.Timestamps && len(v) == 8:
		o.Data, o.Val, o.Ecr = nil, binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	}
	return o
}

// appendOption writes an option as it is on the wire.
func appendOption(b []byte, o *script.Option) []byte {
	switch o.Kind {
	case script.EOL, script.NOP:
		return append(b, byte(o.Kind))
	case script.Raw:
		return append(b, o.Data...)
	}
	b = append(b, byte(o.Kind), byte(o.Size()))
	switch o.Kind {
	case script.SACK:
		for _, k := range o.Blocks {
			b = binary.BigEndian.AppendUint32(b, uint32(k[0]))
			b = binary.BigEndian.AppendUint32(b, uint32(k[1]))
		}
	case script.Timestamps:
		b = binary.BigEndian.AppendUint32(b, o.Val)
		b = binary.BigEndian.AppendUint32(b, o.Ecr)
	}
	return append(b, o.Data...)
}
