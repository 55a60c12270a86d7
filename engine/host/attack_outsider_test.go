package host

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// What somebody learns who forges packets of one connection and watches what comes back
// to another address: nothing. The same attack is played on hosts whose connection differs
// in all that the attacker wants to know, and what he sees must be the same to the bit
// (CVE-2016-5696, CVE-2020-36516, CVE-2026-23247).

// victim is a connection of the host with somebody else, and its secrets.
type victim struct {
	what  string
	state tcp.State // Closed: there is none
	port  uint16
	irs   uint32
	text  int // bytes that the host has sent and that nobody has acknowledged
}

const victimPort, victimISN = 4000, 5_000_000

var victims = []victim{
	{"as guessed", tcp.Established, victimPort, victimISN, 0},
	{"another number", tcp.Established, victimPort, victimISN + 1000, 0},
	{"far from it", tcp.Established, victimPort, victimISN ^ 1<<31, 0},
	{"another port", tcp.Established, victimPort + 1, victimISN, 0},
	{"text under way", tcp.Established, victimPort, victimISN, 30000},
	{"closed by the peer", tcp.CloseWait, victimPort, victimISN, 0},
	{"in TIME-WAIT", tcp.TimeWait, victimPort, victimISN, 0},
	{"half-open", tcp.SynReceived, victimPort, victimISN, 0},
	{"there is none", tcp.Closed, victimPort, victimISN, 0},
}

func TestOutsiderSeesNothing(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		first := ""
		for i, v := range victims {
			o := newOutsider(t, v6, &v)
			o.attack()
			switch {
			case i == 0:
				first = o.seen
			case o.seen != first:
				t.Errorf("IPv6 %v: the attacker tells %q from %q: %s", v6, v.what, victims[0].what, difference(first, o.seen))
			}
		}
		if len(first) < 10000 {
			t.Errorf("the attacker sees next to nothing: %d bytes", len(first))
		}
	}
}

// difference shows where two texts part.
func difference(a, b string) string {
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	return fmt.Sprintf("at %d: %.200q and %.200q", at, a[max(at-100, 0):], b[max(at-100, 0):])
}

// outsider is an attacker at address a, who can forge packets of another address.
type outsider struct {
	*pair
	other wire.Addr
	seen  string
	last  map[wire.Addr]wire.TCP // the last segment that came, by who gets it
}

func newOutsider(t *testing.T, v6 bool, v *victim) *outsider {
	o := &outsider{pair: newPair(t, config{v6: v6}), other: addr("10.0.0.9"), last: map[wire.Addr]wire.TCP{}}
	if v6 {
		o.other = addr("fd00::9")
	}
	l, err := o.b.TCP().Listen(wire.Addr{}, 80, 16, "listener")
	if err != nil {
		t.Fatal(err)
	}
	o.open(o.b, 53, wire.Addr{}, 0)
	o.make(l, v)
	return o
}

// make makes the victim's connection.
func (o *outsider) make(l *tcp.Listener, v *victim) {
	o.Helper()
	if v.state == tcp.Closed {
		return
	}
	h := wire.TCP{SrcPort: v.port, DstPort: 80, Seq: seq.Num(v.irs), Flags: wire.SYN, Window: 60000, Options: wire.Options{Set: wire.OptMSS, MSS: 1400}}
	o.say(o.other, h, nil)
	if v.state == tcp.SynReceived {
		return
	}
	h.Seq, h.Ack, h.Flags, h.Options = h.Seq+1, o.last[o.other].Seq+1, wire.ACK, wire.Options{}
	if v.state == tcp.CloseWait {
		h.Flags |= wire.FIN
	}
	o.say(o.other, h, nil)
	en := o.b.TCP().Accept(l)
	if v.state == tcp.TimeWait {
		o.b.TCP().CloseWrite(o.now, en)
		o.watch()
		h.Ack, h.Flags = h.Ack+1, wire.ACK|wire.FIN
		o.say(o.other, h, nil)
	}
	if en == nil || en.State() != v.state {
		o.Fatalf("%s: no connection", v.what)
	}
	if v.state == tcp.TimeWait {
		o.b.TCP().Close(o.now, en)
	}
	if v.text > 0 {
		o.b.TCP().SendCopy(o.now, en, pattern(v.text))
		o.watch()
	}
}

// say has a segment arrive from an address, and watches what comes of it.
func (o *outsider) say(from wire.Addr, h wire.TCP, text []byte) {
	ip := o.fromA(wire.ProtoTCP)
	ip.Src = from
	o.inject(ip, segment(ip, h, text))
	o.watch()
}

// watch takes all that leaves: what is for the attacker it sees, with the time.
func (o *outsider) watch() {
	for {
		packet, _ := o.b.Output(o.now)
		if packet == nil {
			return
		}
		packet.Flatten()
		var ip wire.IP
		wire.ParseIP(packet.Data, &ip)
		if ip.Proto == wire.ProtoTCP {
			var h wire.TCP
			wire.ParseTCP(packet.Data[ip.HeaderLen:], &h)
			o.last[ip.Dst] = h
		}
		if ip.Dst == o.addrA {
			o.seen += fmt.Sprintf("%v %x\n", o.now, packet.Data)
		}
		packet.Release()
	}
}

// pass lets time pass, with whatever timers of the host.
func (o *outsider) pass(d time.Duration) {
	for end := o.now.Add(d); ; {
		due := o.b.Deadline()
		if due > end {
			o.now = end
			return
		}
		o.now = max(o.now, due)
		o.b.Advance(o.now)
		o.watch()
	}
}

// attack guesses at the victim's connection, and looks after each guess.
func (o *outsider) attack() {
	mine := wire.TCP{SrcPort: 2000, DstPort: 80, Seq: 77, Flags: wire.SYN, Window: 5000, Options: wire.Options{Set: wire.OptTimestamps | wire.OptMSS, MSS: 1400, TSVal: 1}}
	o.say(o.addrA, mine, nil)
	synAck := o.last[o.addrA]
	mine.Seq, mine.Ack, mine.Flags = 78, synAck.Seq+1, wire.ACK
	mine.Options = wire.Options{Set: wire.OptTimestamps, TSVal: 2, TSEcr: synAck.Options.TSVal}
	o.say(o.addrA, mine, nil)
	for round, at := range []uint32{victimISN + 1, victimISN + 2, victimISN + 40000, victimISN + 70000, victimISN ^ 1<<31, 0} {
		for _, flags := range []wire.Flags{wire.SYN, wire.SYN | wire.ACK, wire.ACK, wire.FIN | wire.ACK, wire.RST | wire.ACK, wire.RST} {
			for range 4 {
				guess := wire.TCP{SrcPort: victimPort, DstPort: 80, Seq: seq.Num(at), Ack: seq.Num(at * 7), Flags: flags, Window: 100}
				o.say(o.other, guess, pattern(round%2*10))
				o.forgeTooBig(at)
				o.look(&mine, uint16(round))
				o.pass(37 * time.Millisecond)
			}
		}
	}
	o.pass(10 * time.Minute)
}

// forgeTooBig has a router say that a segment of the victim's was too large.
func (o *outsider) forgeTooBig(at uint32) {
	outer, quoted := o.fromA(o.protoICMP()), o.fromA(wire.ProtoTCP)
	quoted.Src, quoted.Dst = o.addrB, o.other
	c := wire.ICMP{Type: wire.ICMPv4Unreachable, Code: wire.ICMPv4FragmentationNeeded}
	if o.v6 {
		c = wire.ICMP{Type: wire.ICMPv6PacketTooBig}
	}
	c.SetMTU(1300)
	h := wire.TCP{SrcPort: 80, DstPort: victimPort, Seq: seq.Num(at)}
	o.inject(outer, icmp(outer, c, append(quoted.Append(nil, 1480), h.Append(nil)...)))
	o.watch()
}

// look does all that gets an answer: a challenge, text, an old segment, a SYN, a port
// where nobody listens, a stray ACK, a ping, and a datagram to nobody.
func (o *outsider) look(mine *wire.TCP, round uint16) {
	odd := *mine
	odd.Seq, odd.Flags = mine.Seq+100, wire.RST
	o.say(o.addrA, odd, nil)
	o.say(o.addrA, *mine, []byte("x"))
	mine.Seq, mine.Options.TSVal = mine.Seq+1, mine.Options.TSVal+1
	odd = *mine
	odd.Seq -= 50
	o.say(o.addrA, odd, []byte("old"))
	for _, port := range []uint16{80, 81} {
		o.say(o.addrA, wire.TCP{SrcPort: 3000 + round, DstPort: port, Seq: 5, Flags: wire.SYN, Window: 100}, nil)
		o.say(o.addrA, wire.TCP{SrcPort: 6000, DstPort: port, Seq: 5, Ack: 99, Flags: wire.ACK}, nil)
	}
	o.inject(o.echoRequest([]byte("ping")))
	o.watch()
	ip := o.fromA(wire.ProtoUDP)
	o.inject(ip, udp(ip, 9, 99, []byte("hello")))
	o.watch()
}
