package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/door"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link"
)

// The network between connect and the kernel: another than serve's, so that both
// may run.
var (
	connectKernelAddrs = prefixes{netip.MustParsePrefix("10.77.1.1/24"), netip.MustParsePrefix("fd77:0:0:1::1/64")}
	connectAddrs       = prefixes{netip.MustParsePrefix("10.77.1.2/24"), netip.MustParsePrefix("fd77:0:0:1::2/64")}
)

// way is how connect gets to the peer.
type way struct {
	link      link.Link
	addresses []netip.Prefix
	routes    []handfast.Route
	text      string
}

// host returns a host at the end of the way, which it owns.
func (w *way) host(r *live.Recorder) (*handfast.Host, error) {
	h, err := handfast.New(handfast.Config{Trace: r.Events})
	if err != nil {
		return nil, errors.Join(err, w.link.Close())
	}
	if err := h.Attach(w.link, handfast.LinkOptions{Addresses: w.addresses, Routes: w.routes}); err != nil {
		h.Close()
		return nil, errors.Join(err, w.link.Close())
	}
	return h, nil
}

// findWay goes through the door of a running handfast that has the address, or
// makes a TUN.
func findWay(ctx context.Context, to netip.Addr, r *live.Recorder) (*way, error) {
	running, err := inspect.Running()
	if err != nil {
		return nil, err
	}
	for _, i := range running {
		report, err := i.Report(ctx)
		if err != nil || !hasAddress(report, to) {
			continue
		}
		v, err := door.Enter(doorOf(i.Path))
		if err != nil {
			return nil, fmt.Errorf("no way to %v of handfast %v: %w", to, i, err)
		}
		return &way{v, v.Addresses(), everywhere(netip.Addr{}, netip.Addr{}), fmt.Sprintf("inside, through handfast %v", i)}, nil
	}
	l, err := openConnectLink(r)
	if err != nil {
		return nil, fmt.Errorf("no handfast of yours has the address %v, and there is no route to other hosts:\n  %w", to, err)
	}
	return &way{l, connectAddrs, everywhere(connectKernelAddrs[0].Addr(), connectKernelAddrs[1].Addr()), "the TUN " + l.Attributes().Name}, nil
}

func hasAddress(r *inspect.Report, to netip.Addr) bool {
	return slices.ContainsFunc(r.Links, func(l inspect.Link) bool {
		return slices.ContainsFunc(l.Addresses, func(p netip.Prefix) bool { return p.Addr() == to })
	})
}

// doorOf returns where the door of a program lies: beside its control socket.
func doorOf(control string) string { return strings.TrimSuffix(control, ".sock") + ".door" }

// withheldLink lets SYNs out, and of the rest of TCP nothing. It carries IP.
type withheldLink struct{ link.Link }

// Write sends what may leave.
func (w *withheldLink) Write(queue int, batch []*buf.Packet) error {
	rest := batch[:0]
	for _, p := range batch {
		if flags, ok := live.Flags(p.Data); ok && !flags.Has(wire.SYN) {
			p.Release()
			continue
		}
		rest = append(rest, p)
	}
	return w.Link.Write(queue, rest)
}
