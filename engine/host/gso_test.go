package host

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// TestSuperSegmentsChangeNothing: a host that takes super-segments apart and puts
// segments together sends the same packets, byte for byte, as one that does
// everything with each segment, although the network loses some, delays some and
// brings some twice; and all that is known of both ends is the same, except for the
// fields in mayDiffer. (In one of some thousand such conversations it is not: by
// the window in question an ACK is a duplicate, or none; or of several ACKs at once the
// first finds the congestion window full, and a single one does not.)
func TestSuperSegmentsChangeNothing(t *testing.T) {
	for name, c := range map[string]config{
		"IPv4": {}, "IPv6": {v6: true}, "ethernet": {ethernet: true}, "small": {mtu: 576}, "jumbo": {v6: true, ethernet: true, mtu: 9000},
		"marks": {host: withECN("cubic", cc.ECNOn)}, "marks, DCTCP": {v6: true, host: withECN("dctcp", cc.ECNOn)},
		"AccECN": {host: withECN("cubic", cc.ECNAccurate)}, "AccECN, DCTCP": {v6: true, host: withECN("dctcp", cc.ECNAccurate)},
	} {
		c.host.TCP.QuickAcks = -1 // they are counted by arrivals
		t.Run(name, func(t *testing.T) {
			seeds := uint64(20)
			if testing.Short() {
				seeds = 3
			}
			var all talk
			for seed := range seeds {
				k := converse(t, c, seed)
				all.parts, all.merged, all.marked, all.asked = all.parts+k.parts, all.merged+k.merged, all.marked+k.marked, all.asked+len(k.server.got)
			}
			if all.parts == 0 || all.merged == 0 || all.asked < int(seeds)*5000 {
				t.Errorf("the servers got %d bytes; %d segments came out of larger ones, %d batches made larger ones", all.asked, all.parts, all.merged)
			}
			if c.host.TCP.ECN != cc.ECNDefault && all.marked == 0 {
				t.Error("nothing was marked")
			}
		})
	}
}

func withECN(congestion string, m cc.ECNMode) Config {
	return Config{TCP: tcp.Config{ECN: m, CongestionControl: congestion}}
}

func converse(t *testing.T, c config, seed uint64) *talk {
	fast, plain := newTalk(t, c, false), newTalk(t, c, true)
	r, q := rand.New(rand.NewPCG(seed, 8)), rand.New(rand.NewPCG(seed, 8))
	for step := range 200 {
		fast.step(r)
		plain.step(q)
		if !bytes.Equal(fast.sent, plain.sent) {
			t.Fatalf("seed %d, step %d: what leaves differs: %d and %d bytes", seed, step, len(fast.sent), len(plain.sent))
		}
		for i, pushed := range plain.pushed {
			if pushed && !fast.pushed[i] {
				t.Fatalf("seed %d, step %d: packet %d has PSH on the plain host alone", seed, step, i)
			}
		}
		for i := range fast.looks {
			if d := differences(fast.looks[i], plain.looks[i], mayDiffer); d != nil {
				t.Fatalf("seed %d, step %d: of the fast and the plain host %v", seed, step, d)
			}
		}
	}
	if got := fast.server.got; !bytes.HasPrefix(stream1MiB[:fast.asked], got) || !bytes.Equal(got, plain.server.got) {
		t.Errorf("seed %d: the server got %d bytes of %d", seed, len(got), fast.asked)
	}
	if fast.marked > 0 && fast.a.Counters().IpExtInCEPkts+fast.b.Counters().IpExtInCEPkts == 0 || plain.parts != 0 {
		t.Errorf("seed %d: %d packets were marked, and none was seen; %d parts of super-segments where there are none", seed, fast.marked, plain.parts)
	}
	return fast
}

// mayDiffer are the fields of tcp.Info that may differ for a moment, and why.
var mayDiffer = map[string]string{
	"SndWnd": "of segments that came together, and whose text came before, the window is taken from a later one",
}

var stream1MiB = pattern(1 << 20)

// talk is a conversation of which the packets travel in batches.
type talk struct {
	*pair
	client, server *stream
	sent           []byte                  // all that has left in this step
	pushed         []bool                  // which of that had PSH
	looks          []tcp.Info              // what the ends looked like when nothing was left to send
	asked          int                     // bytes that the client was given to send
	held           map[*Host][]*buf.Packet // what has left and not arrived
	parts, merged  int                     // packets that were parts; batches in which segments were merged
	marked         int                     // packets that the network marked
}

func newTalk(t *testing.T, c config, traced bool) *talk {
	k := &talk{pair: newPair(t, c), held: map[*Host][]*buf.Packet{}}
	if traced {
		k.a.SetTrace(new(tcp.Trace))
		k.b.SetTrace(new(tcp.Trace))
	}
	k.client, k.server = k.connect()
	return k
}

// step does something that r chooses.
func (k *talk) step(r *rand.Rand) {
	k.sent, k.pushed, k.looks = k.sent[:0], k.pushed[:0], k.looks[:0]
	switch n := 1 + r.IntN(20000); r.IntN(8) {
	case 0, 1, 2:
		if n <= min(k.client.SendSpace(), len(stream1MiB)-k.asked) {
			k.a.TCP().SendCopy(k.now, k.client.Entry, stream1MiB[k.asked:k.asked+n])
			k.asked += n
		}
	case 3:
		k.b.TCP().SendCopy(k.now, k.server.Entry, stream1MiB[:min(n, k.server.SendSpace())])
	case 4:
		k.server.read(k.pair)
	case 5:
		k.client.read(k.pair)
	case 6:
		k.a.TCP().SetNoDelay(k.now, k.client.Entry, n%2 == 0)
	case 7:
		k.now = k.now.Add(time.Duration(n) * 20 * time.Microsecond)
		k.a.Advance(k.now)
		k.b.Advance(k.now)
	}
	for range r.IntN(3) {
		k.carryAll(r, k.a, k.b)
		k.carryAll(r, k.b, k.a)
	}
	for _, h := range []*Host{k.a, k.b} { // before time passes, all must have left
		k.held[h] = k.pull(r, h)
	}
}

// look returns what h's end of the conversation looks like.
func (k *talk) look(h *Host) tcp.Info {
	if h == k.a {
		return k.client.Info(k.now)
	}
	return k.server.Info(k.now)
}

// carryAll brings what leaves from to the other side in batches.
func (k *talk) carryAll(r *rand.Rand, from, to *Host) {
	batch := append(k.held[from], k.pull(r, from)...)
	k.held[from] = nil
	if !from.traced {
		to.ReceiveBatch(k.now, 0, batch)
		for i := range to.desk.in {
			if to.desk.in[i].packet != nil && to.desk.in[i].segment.GSOSize > 0 {
				k.merged++
				break
			}
		}
		return
	}
	for _, p := range batch {
		to.Receive(k.now, 0, p)
	}
}

// withoutPush returns a packet without PSH, and without the checksum that it is in; and
// notes it. It ends a super-segment as in Linux, and so is the one thing that may differ.
func (k *talk) withoutPush(b []byte, l3 int) []byte {
	var ip wire.IP
	if wire.ParseIP(b[l3:], &ip) != wire.None || ip.Proto != wire.ProtoTCP {
		return b
	}
	h := l3 + ip.HeaderLen
	k.pushed = append(k.pushed, wire.Flags(b[h+13]).Has(wire.PSH))
	b = bytes.Clone(b)
	b[h+13] &^= byte(wire.PSH)
	b[h+tcpChecksumAt], b[h+tcpChecksumAt+1] = 0, 0
	return b
}

// pull returns what leaves from: most of it, in one piece or in several, and some
// of it too late or twice.
func (k *talk) pull(r *rand.Rand, from *Host) (batch []*buf.Packet) {
	var late []*buf.Packet
	for {
		p, _ := from.Output(k.now)
		if p == nil {
			break
		}
		if from.rest {
			k.parts++
		}
		b := bytes.Clone(p.Data)
		for _, v := range p.Views[:p.N] {
			b = append(b, v.Bytes()...)
		}
		if p.GSOSize == 0 && len(b)-int(p.L3) > k.mtu {
			k.Fatalf("a packet of %d bytes, on a link that takes %d", len(b)-int(p.L3), k.mtu)
		}
		k.sent = append(k.sent, k.withoutPush(b, int(p.L3))...)
		if r.IntN(2) == 0 {
			p.Flatten()
		}
		if r.IntN(6) == 0 && wire.MarkCE(p.Data[p.L3:]) {
			wire.MarkCE(b[p.L3:])
			k.marked++
		}
		switch r.IntN(60) {
		case 0:
			p.Release()
		case 1:
			late = append(late, p)
		case 2:
			batch = append(batch, p, received(b))
		default:
			batch = append(batch, p)
		}
	}
	k.looks = append(k.looks, k.look(from))
	return append(batch, late...)
}
