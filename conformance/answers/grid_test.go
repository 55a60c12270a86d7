package answers

import (
	"flag"
	"slices"

	"github.com/handfast-tcp/handfast/engine/wire"
)

const all31 = 1 << 31

var (
	// sequences are the places where a sequence number may be judged in another way.
	sequences = []point{{next, -all31 + 1}, {next, -100}, {next, -5}, {next, -2}, {next, -1}, {next, 0}, {next, 1},
		{edge, -5}, {edge, -1}, {edge, 0}, {edge, 1}, {next, all31 - 1}}
	// acks are those of an acknowledgment number.
	acks = []point{{una, -all31 + 1}, {una, -70000}, {una, -2}, {una, -1}, {una, 0}, {una, 1}, {end, -1}, {end, 0},
		{end, 1}, {end, 100000}, {end, all31 - 1}}
)

// combinations returns all sets of the given flags.
func combinations(flags ...wire.Flags) (sets []wire.Flags) {
	sets = []wire.Flags{0}
	for _, f := range flags {
		for _, s := range slices.Clone(sets) {
			sets = append(sets, s|f)
		}
	}
	return sets
}

// questions are the single segments that a connection in any state is asked.
func questions() (all []segment) {
	all = append(all, numberQuestions()...)
	for _, f := range combinations(wire.FIN, wire.SYN, wire.ACK) {
		for _, more := range []wire.Flags{wire.PSH, wire.URG, wire.ECE | wire.CWR, wire.AE} {
			all = append(all, segment{flags: f | more, urgent: 1, text: 3})
		}
		for _, w := range []window{closed, tiny} {
			all = append(all, segment{flags: f, window: w})
		}
	}
	for _, kind := range optionNames {
		all = append(all, segment{flags: wire.ACK, options: kind}, segment{flags: wire.ACK, options: kind, seq: point{next, -1}})
		for _, f := range []wire.Flags{wire.ACK, wire.SYN, wire.RST, wire.RST | wire.ACK, synAck, finAck} {
			all = append(all, segment{flags: f, options: kind, text: 5})
		}
	}
	return all
}

// numberQuestions are those about sequence and acknowledgment numbers.
func numberQuestions() (all []segment) {
	for _, f := range combinations(wire.FIN, wire.SYN, wire.RST, wire.ACK) {
		for _, text := range []int{0, 5} {
			for _, s := range sequences {
				all = append(all, segment{flags: f, seq: s, text: text})
			}
		}
		if !f.Has(wire.ACK) {
			continue
		}
		for _, a := range acks {
			for _, s := range []segment{{text: 5}, {}, {seq: point{next, -1}}, {seq: point{edge, 1}}} {
				s.flags, s.ack = f, a
				all = append(all, s)
			}
		}
	}
	return all
}

// everyQuestion asks four times as much as there is time for in each run.
var everyQuestion = flag.Bool("all", false, "ask every question in every state, over both versions of IP")

// segmentGrid returns every question in every other state, by turns over IPv4
// without options and over IPv6 with all.
func segmentGrid() (all []probe) {
	none, full := offer{}, offer{timestamps: true, sack: true, scale: true}
	for i, s := range states {
		for j, q := range questions() {
			one := probe{state: s, irs: 1000, segments: []segment{q}}
			for k, v := range []struct {
				v6 bool
				offer
			}{{false, none}, {true, full}, {true, none}, {false, full}} {
				if *everyQuestion || (i+j)%4 == 2*k {
					one.v6, one.offer = v.v6, v.offer
					all = append(all, one)
				}
			}
		}
	}
	return all
}

// packetGrid returns every question in raw packets, with programs that listen
// and without.
func packetGrid() (all []probe) {
	for _, v6 := range []bool{false, true} {
		kinds := append(transportKinds(v6), ipv4Kinds()...)
		if v6 {
			kinds = append(transportKinds(v6), ipv6Kinds()...)
		}
		for _, k := range kinds {
			for _, s := range []state{states[0], serving} {
				all = append(all, probe{state: s, v6: v6, irs: 1000, packets: k})
			}
		}
	}
	return all
}
