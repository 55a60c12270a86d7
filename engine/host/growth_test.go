package host

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// bulk is a transfer in rounds of 50 ms, of which all the packets, and all the
// ACKs, travel at the same time.
type bulk struct {
	*pair
	client, server *stream
	looks          []tcp.Info // the client, at the end of each round
}

// transfer sends total bytes in so many rounds. The ACKs of a round arrive one by
// one, with output after each, or in batches.
func transfer(t *testing.T, c config, batches bool, total, rounds int) *bulk {
	c.host.TCP.SendBuffer, c.host.TCP.ReceiveBuffer = 8<<20, 8<<20
	b := &bulk{pair: newPair(t, c)}
	b.client, b.server = b.connect()
	b.a.TCP().SendCopy(b.now, b.client.Entry, make([]byte, total))
	out := b.pull(b.a)
	for range rounds {
		acks := b.bring(b.b, out, false)
		b.server.read(b.pair)
		acks = append(acks, b.pull(b.b)...)
		out = b.bring(b.a, acks, batches)
		b.looks = append(b.looks, b.client.Info(b.now))
	}
	for _, p := range out {
		p.Release()
	}
	return b
}

func (b *bulk) pull(h *Host) (all []*buf.Packet) {
	for {
		p, _ := h.Output(b.now)
		if p == nil {
			return all
		}
		p.Flatten()
		all = append(all, p)
	}
}

// bring has packets arrive at h, half a round trip later, and returns what it sends.
func (b *bulk) bring(h *Host, packets []*buf.Packet, batches bool) (out []*buf.Packet) {
	b.now = b.now.Add(25 * time.Millisecond)
	h.Advance(b.now)
	out = b.pull(h)
	n := 1
	if batches {
		n = 64
	}
	for part := range slices.Chunk(packets, n) {
		h.ReceiveBatch(b.now, 0, part)
		out = append(out, b.pull(h)...)
	}
	return out
}

// In slow start the window doubles in each round, whether ACKs arrive one by one
// or in batches, and however many of them there are: each is asked whether the
// flight that it acknowledges filled the window.
func TestSlowStartDoubles(t *testing.T) {
	for name, link := range map[string]LinkConfig{"segments": {}, "super-segments": {MaxGSO: 65535, ChecksumOffload: true}} {
		for _, batches := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, batches %v", name, batches), func(t *testing.T) {
				var got []int
				for _, i := range transfer(t, config{link: link}, batches, 4<<20, 4).looks {
					got = append(got, i.SndCwnd)
				}
				if want := []int{20, 40, 80, 160}; !slices.Equal(got, want) {
					t.Errorf("cwnd per round %v, want %v", got, want)
				}
				one := transfer(t, config{link: link}, batches, 10*1448, 1).looks[0]
				if one.SndCwnd != 20 || one.Unacked != 0 || !one.AppLimited {
					t.Errorf("exactly a window: cwnd %d, unacked %d, AppLimited %v", one.SndCwnd, one.Unacked, one.AppLimited)
				}
				few := transfer(t, config{link: link}, batches, 4*1448, 1).looks[0]
				if few.SndCwnd != 10 || !few.AppLimited {
					t.Errorf("less than half a window: cwnd %d, AppLimited %v", few.SndCwnd, few.AppLimited)
				}
			})
		}
	}
}

// sampled are the fields of tcp.Info that one ACK in a round trip decides, and which
// that is depends on what had left before it came.
var sampled = map[string]string{
	"DeliveryRate": "a sample", "DeliveryRateAppLimited": "of the same",
}

// TestBatchesChangeNothing compares all that is known of a connection at the end
// of each round, for packets that arrive one by one and in batches.
func TestBatchesChangeNothing(t *testing.T) {
	for name, c := range map[string]config{
		"IPv4": {}, "IPv6": {v6: true}, "ethernet": {ethernet: true}, "small": {mtu: 576}, "jumbo": {mtu: 9000},
	} {
		c.host.TCP.QuickAcks = -1
		for _, total := range []int{1000, 14480, 50000, 4 << 20} {
			one, batch := transfer(t, c, false, total, 8), transfer(t, c, true, total, 8)
			for round := range one.looks {
				for _, d := range differences(one.looks[round], batch.looks[round], sampled) {
					t.Errorf("%s, %d bytes, round %d: one by one and in batches %s", name, total, round+1, d)
				}
			}
		}
	}
}

// differences lists the fields in which two connections differ, except some.
func differences(a, b tcp.Info, except map[string]string) (all []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		name, v, w := x.Type().Field(i).Name, x.Field(i).Interface(), y.Field(i).Interface()
		if except[name] == "" && v != w {
			all = append(all, fmt.Sprintf("%s is %v and %v", name, v, w))
		}
	}
	return all
}
