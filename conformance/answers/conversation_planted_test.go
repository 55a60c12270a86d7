package answers

import (
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// planted is our stack with a fault: each of its packets goes through change, which
// also knows what was asked.
type planted struct {
	*ours
	change func(asked [][]byte, h *wire.TCP, packet []byte) []byte
}

func (p planted) exchange(packets ...[]byte) (answers [][]byte) {
	for _, b := range p.ours.exchange(packets...) {
		var ip wire.IP
		var h wire.TCP
		if wire.ParseIP(b, &ip) != wire.None || ip.Proto != protoTCP {
			continue
		}
		wire.ParseTCP(b[ip.HeaderLen:], &h)
		if b = p.change(packets, &h, b); b == nil {
			continue
		}
		ipHeader{src: ip.Src.Netip(), dst: ip.Dst.Netip()}.summed(protoTCP, 16, b[ip.HeaderLen:])
		answers = append(answers, b)
	}
	return answers
}

// asks reports whether a segment with the flag is among packets.
func asks(packets [][]byte, flag wire.Flags) bool {
	for _, b := range packets {
		var ip wire.IP
		var h wire.TCP
		if wire.ParseIP(b, &ip) == wire.None && ip.Proto == protoTCP {
			wire.ParseTCP(b[ip.HeaderLen:], &h)
			if h.Flags.Has(flag) {
				return true
			}
		}
	}
	return false
}

// transport returns where the TCP header of a packet begins.
func transport(b []byte) []byte {
	var ip wire.IP
	wire.ParseIP(b, &ip)
	return b[ip.HeaderLen:]
}

// plants are faults that the comparison must see.
var plants = []struct {
	name   string
	change func(asked [][]byte, h *wire.TCP, b []byte) []byte
}{
	{"an ACK of one too much for a FIN", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if h.Flags == wire.ACK && asks(asked, wire.FIN) {
			be.PutUint32(transport(b)[8:], uint32(h.Ack)+1)
		}
		return b
	}},
	{"an ACK of one too little", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if h.Flags == wire.ACK {
			be.PutUint32(transport(b)[8:], uint32(h.Ack)-1)
		}
		return b
	}},
	{"no challenge to a SYN", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if h.Flags == wire.ACK && asks(asked, wire.SYN) {
			return nil
		}
		return b
	}},
	{"no challenge to a RST", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if h.Flags == wire.ACK && asks(asked, wire.RST) {
			return nil
		}
		return b
	}},
	{"a RST for a SYN", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if h.Flags == wire.ACK && asks(asked, wire.SYN) {
			transport(b)[13] = byte(wire.RST | wire.ACK)
		}
		return b
	}},
	{"no FIN", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		transport(b)[13] &^= byte(wire.FIN)
		return b
	}},
	{"text with another byte", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if t := transport(b); len(t) > int(t[12]>>4)*4 {
			t[len(t)-1]++
		}
		return b
	}},
	{"a window that is never shut", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if t := transport(b); h.Window == 0 && !h.Flags.Has(wire.RST) {
			t[15] = 1
		}
		return b
	}},
	{"no SACK blocks", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if t := transport(b); h.Options.Has(wire.OptSACK) {
			for i := 20; i < int(t[12]>>4)*4; i++ {
				t[i] = 1
			}
		}
		return b
	}},
	{"a timestamp that is never echoed", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if t := transport(b); h.Options.Has(wire.OptTimestamps) && t[20] == 1 && t[22] == 8 {
			be.PutUint32(t[28:], firstTimestamp)
		}
		return b
	}},
	{"no scale", func(asked [][]byte, h *wire.TCP, b []byte) []byte {
		if t := transport(b); h.Flags.Has(wire.SYN) {
			for i := 20; i+2 < int(t[12]>>4)*4; i++ {
				if t[i] == 3 && t[i+1] == 3 {
					t[i], t[i+1], t[i+2] = 1, 1, 1
				}
			}
		}
		return b
	}},
}

// What compares conversations sees each planted fault, in spite of what it allows: it compares
// our stack with and without it.
func TestConversationsSeePlants(t *testing.T) {
	all := grid(false)
	for _, plant := range append(plants[:len(plants):len(plants)], struct {
		name   string
		change func(asked [][]byte, h *wire.TCP, b []byte) []byte
	}{"nothing", func(_ [][]byte, _ *wire.TCP, b []byte) []byte { return b }}) {
		found := 0
		for i, c := range all {
			if i%23 != 0 {
				continue
			}
			here := netip.AddrPortFrom(peerAddr(c.v6, 1), 2000)
			there := netip.AddrPortFrom(stackAddr(c.v6), 2000)
			r := pair{conversation: c}
			r.playOurs(newPeer(planted{newOurs(), plant.change}, here, there, c.irs, c.offer))
			r.playKernels(newPeer(newOurs(), here, there, c.irs, c.offer))
			if r.judge().at >= 0 {
				found++
			}
		}
		t.Logf("%s: seen in %d conversations", plant.name, found)
		if (found > 0) != (plant.name != "nothing") {
			t.Errorf("%s: seen in %d conversations", plant.name, found)
		}
	}
}
