package main

import (
	"fmt"

	"github.com/handfast-tcp/handfast/lab/netem"
)

// kind is a way of measuring.
type kind string

// The kinds.
const (
	bulk     kind = "bulk"     // one way, as fast as it goes
	crr      kind = "crr"      // connect, one byte each way, close; many at a time
	pingpong kind = "pingpong" // some bytes back and forth on one connection
	idle     kind = "idle"     // memory of established connections, our end
	idleBoth kind = "idleboth" // the same, both ends
	halfOpen kind = "halfopen" // memory of connections whose handshake does not end
	timeWait kind = "timewait" // memory of connections that we have closed
	flood    kind = "flood"    // spoofed SYNs
	size     kind = "size"     // the binary of an echo server
	build    kind = "build"    // its cold build
	badWire  kind = "wire"     // one stream over an emulated wire, with pings beside it
)

// row is one line of questions: each of its peers answers with one figure.
type row struct {
	name    string
	title   string
	kind    kind
	path    path // bulk, crr, pingpong and idleBoth
	streams int  // connections at a time
	count   int  // entries; for pingpong bytes each way
	fromFar bool // the far end sends, or dials
	forward bool // flood: at a forwarder of all addresses, not at a listener
	once    bool // hardly varies: measured in one round only
	peers   []string
	theirs  string  // its name in forwarders
	group   string  // the chart that shows it
	seconds float64 // at least that many are measured, but with -quick

	data, back netem.Config // badWire: what the sender's packets meet, and those of the receiver
	buffers    int          // badWire: bytes that each end may buffer each way; 0: its default
	named      bool         // measured only when it is named
}

// measurable reports whether p has what the row needs.
func (r row) measurable(p *peer) bool {
	switch r.kind {
	case bulk, crr, pingpong, idleBoth:
		return p.attach[r.path] != nil
	case badWire:
		return p.attachWire != nil
	case runBulk, runConnect, runPingPong:
		return p.between != ""
	case size, build:
		return p.program != ""
	case flood:
		return p.packets != nil
	default:
		return p.packets != nil || p.objects[r.kind] != nil
	}
}

const crrWorkers = 64

// The charts.
const (
	chartBulk    = "bulk"
	chartConnect = "connect"
	chartLatency = "latency"
	chartMemory  = "memory"
	chartFlood   = "flood"
	chartBuild   = "build"
	chartWire    = "wire"
)

var (
	inMemory = []string{"handfast", "gvisor", "wireguard", "lneto", "kernel", "kernel-veth"}
	in64k    = []string{"handfast", "gvisor", "kernel", "kernel-veth"}
	overTUN  = []string{"handfast", "gvisor", "gvisor-vnet", "wireguard"}
	embedded = []string{"handfast", "gvisor", "kernel"}
	inTunnel = []string{"wgnet", "wireguard"}
	programs = []string{"handfast", "gvisor", "lneto", "kernel"}
)

// rows lists what can be measured, in the order of the table.
func rows() []row {
	all := append(bulkRows(1), bulkRows(manyStreams)...)
	all = append(all, connectRows()...)
	all = append(all, tunnelRows()...)
	all = append(all, betweenRows()...)
	all = append(all, wireRows()...)
	all = append(all, matrixRows()...)
	all = append(all, memoryRows()...)
	return append(all,
		row{name: "syn", title: "spoofed SYNs at a listener, cookies", kind: flood, once: true, peers: []string{"handfast", "gvisor"}, group: chartFlood},
		row{name: "syn-forward", title: "spoofed SYNs at a forwarder of all addresses", kind: flood, forward: true, once: true, peers: []string{"handfast", "gvisor"}, group: chartFlood},
		row{name: "size", title: "echo server, stripped binary", kind: size, once: true, peers: programs, group: chartBuild},
		row{name: "build", title: "echo server, built with an empty cache", kind: build, once: true, peers: programs, group: chartBuild},
	)
}

const manyStreams = 8

func bulkRows(streams int) []row {
	suffix, n, group := "", ", 1 stream", chartBulk
	if streams != 1 {
		suffix, n, group = fmt.Sprintf("-%d", streams), fmt.Sprintf(", %d streams", streams), ""
	}
	all := []row{
		{name: "mem1500", title: "in memory, MTU 1500", path: mem1500, peers: inMemory},
		{name: "mem64k", title: "in memory, 64 KiB segments", path: mem64k, peers: in64k},
		{name: "tun-up", title: "TUN, stack sends to the kernel", path: tun, peers: overTUN},
		{name: "tun-down", title: "TUN, kernel sends to the stack", path: tun, fromFar: true, peers: overTUN},
	}
	for i := range all {
		r := &all[i]
		r.name, r.title, r.kind, r.streams, r.group = r.name+suffix, r.title+n, bulk, streams, group
	}
	return all
}

func connectRows() []row {
	all := []row{
		{name: "crr", title: "connect, 1 byte each way, close; in memory", kind: crr, path: mem1500, streams: crrWorkers, peers: inMemory, group: chartConnect},
		{name: "crr-dial", title: "the same over TUN, the stack dials", kind: crr, path: tun, streams: crrWorkers, peers: overTUN, group: chartConnect},
		{name: "crr-accept", title: "the same over TUN, the kernel dials", kind: crr, path: tun, streams: crrWorkers, fromFar: true, peers: overTUN, group: chartConnect},
	}
	for _, bytes := range []int{1, 1024} {
		suffix, group := "", chartLatency
		if bytes != 1 {
			suffix, group = "-1k", ""
		}
		all = append(all,
			row{name: "pingpong" + suffix, title: fmt.Sprintf("ping-pong of %d B, in memory", bytes), kind: pingpong, path: mem1500, streams: 1, count: bytes, peers: inMemory, group: group},
			row{name: "pingpong-tun" + suffix, title: fmt.Sprintf("ping-pong of %d B, TUN", bytes), kind: pingpong, path: tun, streams: 1, count: bytes, peers: overTUN, group: group})
	}
	return all
}

// tunnelRows are of networks behind wireguard-go.
func tunnelRows() (all []row) {
	for _, way := range []struct {
		name, title string
		path        path
	}{
		{"wg-mem", "WireGuard in memory", wgMemory},
		{"wg-udp", "WireGuard over loopback UDP", wgUDP},
	} {
		for _, streams := range []int{1, manyStreams} {
			suffix, n := "", ", 1 stream"
			if streams > 1 {
				suffix, n = fmt.Sprintf("-%d", streams), fmt.Sprintf(", %d streams", streams)
			}
			r := row{kind: bulk, path: way.path, streams: streams, peers: inTunnel}
			r.name, r.title = way.name+"-up"+suffix, way.title+", up"+n
			all = append(all, r)
			r.name, r.title, r.fromFar = way.name+"-down"+suffix, way.title+", down"+n, true
			all = append(all, r)
		}
		all = append(all,
			row{name: way.name + "-crr", title: "connect, 1 byte each way, close; " + way.title, kind: crr, path: way.path, streams: crrWorkers, peers: inTunnel},
			row{name: way.name + "-pingpong", title: "ping-pong of 1 B, " + way.title, kind: pingpong, path: way.path, streams: 1, count: 1, peers: inTunnel})
	}
	return all
}

// memoryRows: gVisor is asked for up to 100k, which takes it 1 GB; a million is
// for us alone.
func memoryRows() (all []row) {
	for _, m := range []struct {
		name, title string
		kind        kind
		peers       []string
	}{
		{"idle", "idle established connections, our end", idle, embedded},
		{"idle-both", "idle established connections, both ends", idleBoth, []string{"handfast", "gvisor", "wireguard"}},
		{"halfopen", "half-open connections", halfOpen, embedded},
		{"timewait", "connections in TIME-WAIT", timeWait, embedded},
	} {
		for _, n := range []int{10_000, 100_000, 1_000_000} {
			r := row{
				name: fmt.Sprintf("%s-%s", m.name, thousands(n)), title: thousands(n) + " " + m.title,
				kind: m.kind, path: mem1500, count: n, once: true, peers: m.peers,
			}
			switch {
			case n > 100_000:
				r.peers = []string{"handfast"}
			case n == 100_000 && m.kind != idleBoth:
				r.group = chartMemory
			}
			all = append(all, r)
		}
	}
	return all
}

func thousands(n int) string {
	if n%1_000_000 == 0 {
		return fmt.Sprintf("%dM", n/1_000_000)
	}
	return fmt.Sprintf("%dk", n/1000)
}
