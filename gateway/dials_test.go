package gateway

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast"
)

// flood begins dials, and counts those of each client to each server that were given up.
type flood struct {
	dials
	port  uint16
	given map[string]int // "client server"
}

func newFlood(limit int) *flood {
	f := &flood{given: map[string]int{}}
	f.init(limit)
	return f
}

// begin begins so many dials of a client.
func (f *flood) begin(client, server string, count int) (last *dial) {
	for range count {
		f.port++
		flow := flowTo(fmt.Sprint(client, ":", f.port), server+":80")
		last = f.dials.begin(flow, nil, func() { f.given[client+" "+server]++ })
	}
	return last
}

// scan begins dials of a client, each to a server of its own.
func (f *flood) scan(client string, first, count int) {
	for i := first; i < first+count; i++ {
		f.begin(client, fmt.Sprintf("10.9.%d.%d", i>>8, i&0xff), 1)
	}
}

// Ten thousand dials to dead destinations do not push out the few to a living one, while it has not
// answered: not those of another client, whatever the dead are, nor the client's own if they are
// to one destination.
func TestCrowdsGiveWay(t *testing.T) {
	const limit, many = 1024, 10_000
	for name, flooded := range map[string]func(f *flood, count int){
		"another client's to one":       func(f *flood, n int) { f.begin("10.0.0.9", "10.0.1.9", n) },
		"another client's to a network": func(f *flood, n int) { f.scan("10.0.0.9", 0, n) },
		"its own to one":                func(f *flood, n int) { f.begin("10.0.0.1", "10.0.1.9", n) },
		"of many clients to one": func(f *flood, n int) {
			for i := range n {
				f.begin(fmt.Sprintf("10.8.%d.%d", i>>8, i&0xff), "10.0.1.9", 1)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFlood(limit)
			flooded(f, many/2)
			f.begin("10.0.0.1", "10.0.1.1", 6)
			flooded(f, many/2)
			if n := f.given["10.0.0.1 10.0.1.1"]; n > 0 {
				t.Errorf("%d of 6 dials to a living destination were given up", n)
			}
			if f.len() != limit {
				t.Errorf("%d dials are under way", f.len())
			}
		})
	}
}

// Where all have as many, as when a client scans a network and looks at a server, the oldest
// goes: each has as long as it takes to begin all others.
func TestOldestGivesWay(t *testing.T) {
	const limit = 1024
	f := newFlood(limit)
	f.scan("10.0.0.1", 0, limit)
	f.begin("10.0.0.1", "10.0.1.1", 6)
	f.scan("10.0.0.1", limit, limit-6)
	if n := f.given["10.0.0.1 10.0.1.1"]; n > 0 {
		t.Errorf("%d were given up before all older ones", n)
	}
	f.scan("10.0.0.1", 2*limit, 1)
	if n := f.given["10.0.0.1 10.0.1.1"]; n != 1 {
		t.Errorf("%d of the oldest were given up, want 1", n)
	}
}

// An address whose dial has ended goes behind those whose have not.
func TestAnsweredGoesBehind(t *testing.T) {
	const limit = 1024
	f := newFlood(limit)
	answered := f.begin("10.0.0.1", "10.0.1.1", 1)
	f.begin("10.0.0.1", "10.0.1.1", 1)
	f.scan("10.0.0.1", 0, limit-2)
	f.finish(answered)
	f.scan("10.0.0.1", limit, limit-1)
	if n := f.given["10.0.0.1 10.0.1.1"]; n > 0 {
		t.Errorf("a dial to a destination that answers was given up")
	}
}

// When there are too many dials the oldest goes of those to the destination that has the
// most, and not one that is older to another.
func TestCrowdedDestinationGivesWay(t *testing.T) {
	f := newFlood(3)
	f.begin("10.0.0.1", "10.0.1.1", 1)
	f.begin("10.0.0.1", "10.0.1.2", 2)
	f.begin("10.0.0.1", "10.0.1.3", 1)
	if f.given["10.0.0.1 10.0.1.2"] != 1 || len(f.given) != 1 || f.len() != 3 {
		t.Errorf("given up: %v; %d are left", f.given, f.len())
	}
}

// However dials begin and end, the highest rank is that of the largest crowd, each is in as many
// crowds as it should be, and nothing is left.
func TestCrowdsAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	f := newFlood(256)
	var all []*dial
	for range 20_000 {
		if len(all) > 0 && r.IntN(100) < 48 {
			i := r.IntN(len(all))
			f.finish(all[i])
			all[i], all = all[len(all)-1], all[:len(all)-1]
		} else {
			all = append(all, f.begin(fmt.Sprint("10.0.0.", r.IntN(5)), fmt.Sprint("10.0.1.", r.IntN(1+r.IntN(40))), 1))
		}
		f.wantConsistent(t, f.clients)
		f.wantConsistent(t, f.servers)
	}
	for _, n := range all {
		f.finish(n)
	}
	if n := len(f.by) + len(f.clients.of) + len(f.servers.of); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func (f *flood) wantConsistent(t *testing.T, c *crowds) {
	t.Helper()
	dials, most := 0, 0
	for _, in := range c.of {
		dials += in.dials.Len()
		most = max(most, c.rankOf(in))
		if in.rank != c.rankOf(in) {
			t.Fatalf("%d dials have rank %d", in.dials.Len(), in.rank)
		}
		if in.to != nil {
			f.wantConsistent(t, in.to)
		}
	}
	if len(c.of) > 0 && c.most != most {
		t.Fatalf("the highest rank is %d, want %d", c.most, most)
	}
	if (c == f.clients || c == f.servers) && dials != len(f.by) {
		t.Fatalf("%d dials are in crowds, of %d", dials, len(f.by))
	}
}

// A dial costs as much in a full table as in a larger one.
func BenchmarkDials(b *testing.B) {
	for _, limit := range []int{1 << 10, 1 << 17} {
		for _, kind := range []string{"scan", "mixed"} {
			b.Run(fmt.Sprint(kind, limit), func(b *testing.B) {
				var d dials
				d.init(limit)
				client := netip.MustParseAddr("10.0.0.1")
				for i := 0; b.Loop(); i++ {
					server := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
					if kind == "mixed" { // a destination with two dials behind all with one
						server = netip.AddrFrom4([4]byte{10, byte(i >> 17), byte(i >> 9), byte(i >> 1)})
					}
					d.begin(Flow{Network: "tcp", Source: netip.AddrPortFrom(client, uint16(i)), Destination: netip.AddrPortFrom(server, 80)}, nil, func() {})
				}
			})
		}
	}
}

// A dial answers the latest SYN of its flow.
func TestLatestRequestIsAnswered(t *testing.T) {
	var d dials
	d.init(3)
	f, give := flowTo("10.0.0.1:1", "10.0.1.1:80"), func() {}
	first, second := &handfast.Request{}, &handfast.Request{}
	n := d.begin(f, first, give)
	if d.begin(f, second, give) != nil {
		t.Error("one flow is dialled twice")
	}
	if r := d.finish(n); r != second || d.len() != 0 || len(d.servers.of)+len(d.clients.of) != 0 {
		t.Errorf("the request of the first SYN: %v; %d dials are left, in %d crowds", r == first, d.len(), len(d.servers.of)+len(d.clients.of))
	}
}
