package main

import "fmt"

// kind is a way of measuring.
type kind string

// The kinds.
const (
	bulk     kind = "bulk"     // one way, as fast as it goes
	crr      kind = "crr"      // connect, one byte each way, close; many at a time
	pingpong kind = "pingpong" // one byte to and fro on one connection
)

// row is one line of questions: each of its peers answers with one figure.
type row struct {
	name    string
	title   string
	kind    kind
	path    path
	streams int  // connections at a time
	fromFar bool // the far end sends, or dials
	peers   []string
}

const crrWorkers = 64

// rows lists what can be measured; streams multiplies the bulk rows.
func rows(streams int) []row {
	n := fmt.Sprintf(", %d streams", streams)
	if streams == 1 {
		n = ", 1 stream"
	}
	memory := []string{"handfast", "gvisor", "kernel"}
	overTUN := []string{"handfast", "gvisor", "gvisor-vnet"}
	return []row{
		{name: "mem1500", title: "in memory, MTU 1500" + n, kind: bulk, path: mem1500, streams: streams, peers: memory},
		{name: "mem64k", title: "in memory, 64 KiB segments" + n, kind: bulk, path: mem64k, streams: streams, peers: memory},
		{name: "tun-up", title: "TUN, stack sends to the kernel" + n, kind: bulk, path: tun, streams: streams, peers: overTUN},
		{name: "tun-down", title: "TUN, kernel sends to the stack" + n, kind: bulk, path: tun, streams: streams, fromFar: true, peers: overTUN},
		{name: "crr", title: "connect, 1 byte each way, close; in memory", kind: crr, path: mem1500, streams: crrWorkers, peers: memory},
		{name: "crr-dial", title: "the same over TUN, the stack dials", kind: crr, path: tun, streams: crrWorkers, peers: overTUN},
		{name: "crr-accept", title: "the same over TUN, the kernel dials", kind: crr, path: tun, streams: crrWorkers, fromFar: true, peers: overTUN},
		{name: "pingpong", title: "ping-pong of 1 byte, in memory", kind: pingpong, path: mem1500, streams: 1, peers: memory},
		{name: "pingpong-tun", title: "ping-pong of 1 byte, TUN", kind: pingpong, path: tun, streams: 1, peers: overTUN},
	}
}
