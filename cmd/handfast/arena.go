package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// The network between the kernel's side and ours.
var (
	kernelAddrs = []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}
	ourAddrs    = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")}
)

// What the two sides are called.
const (
	ourName    = "Handfast"
	kernelName = "the kernel's TCP"
	oursToo    = "Handfast as well"
)

// arena is where a trial takes place: a server's host, and a client's way to it.
type arena struct {
	link   string // what lies between, in words
	client string // whose TCP the client uses
	server *handfast.Host
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	undo   []func()
}

// later adds what close must do; the last comes first.
func (a *arena) later(f func()) { a.undo = append(a.undo, f) }

func (a *arena) close() {
	for i := len(a.undo) - 1; i >= 0; i-- {
		a.undo[i]()
	}
}

// serve attaches a host to l, which it then owns.
func (a *arena) serve(l link.Link, own []netip.Prefix, trace func([]tcp.Event)) (*handfast.Host, error) {
	h, err := handfast.New(handfast.Config{Trace: trace})
	if err != nil {
		return nil, err
	}
	if err := h.Attach(l, handfast.LinkOptions{Addresses: own}); err != nil {
		h.Close()
		return nil, fmt.Errorf("%s: %w", l.Attributes().Name, err)
	}
	a.later(func() { h.Close() })
	return h, nil
}

// newMemoryArena has two hosts of ours at the ends of a pipe.
func newMemoryArena(r *live.Recorder) (*arena, error) {
	theirs, ours := pipe.New(pipe.Options{MaxGSO: 65535, ChecksumOffload: true})
	a := &arena{link: "a pipe in memory, MTU 1500", client: oursToo}
	a.later(func() { theirs.Close(); ours.Close() })
	r.Peer = a.client
	var err error
	if a.server, err = a.serve(ours, ourAddrs, r.Events); err != nil {
		return a, err
	}
	client, err := a.serve(theirs, kernelAddrs, r.PeerEvents)
	if err == nil {
		a.dial = client.DialContext
	}
	return a, err
}
