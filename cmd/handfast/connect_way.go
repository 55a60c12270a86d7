package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/door"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
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
	text      say.Text // where we are
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

// neighbourhood is which running handfast has which addresses.
type neighbourhood struct {
	of map[netip.Addr]inspect.Instance
}

// lookAround asks those that run for their addresses. One that does not answer
// has none.
func lookAround(ctx context.Context) (*neighbourhood, error) {
	running, err := inspect.Running()
	if err != nil {
		return nil, err
	}
	// Two may have the same address: both try, say, and serve. The first that is asked has
	// it, and connect says through whom it goes.
	n := &neighbourhood{map[netip.Addr]inspect.Instance{}}
	for _, i := range running {
		report, err := i.Report(ctx)
		if err != nil {
			continue
		}
		for _, l := range report.Links {
			for _, p := range l.Addresses {
				if _, taken := n.of[p.Addr()]; !taken {
					n.of[p.Addr()] = i
				}
			}
		}
	}
	return n, nil
}

func (n *neighbourhood) has(a netip.Addr) bool {
	_, ok := n.of[a]
	return ok
}

// way goes through the door of a running handfast that has the address, or makes
// a TUN.
func (n *neighbourhood) way(to netip.Addr, r *live.Recorder) (*way, error) {
	if i, ok := n.of[to]; ok {
		v, err := door.Enter(doorOf(i.Path))
		if err != nil {
			return nil, say.Errorf(say.Text{"no way to %v of handfast %v: %w", "无法到达 handfast %[2]v 的 %[1]v：%[3]w"}, to, i, err)
		}
		return &way{v, v.Addresses(), everywhere(netip.Addr{}, netip.Addr{}), say.Text{fmt.Sprintf("inside, through handfast %v", i), fmt.Sprintf("从内部经由 handfast %v", i)}}, nil
	}
	l, err := openConnectLink(r)
	if err != nil {
		return nil, say.Errorf(say.Text{"no handfast of yours has the address %v, and there is no route to other hosts:\n  %w", "你的 handfast 都没有地址 %v，也没有通往其他主机的路由：\n  %w"}, to, err)
	}
	name := l.Attributes().Name
	return &way{l, connectAddrs, everywhere(connectKernelAddrs[0].Addr(), connectKernelAddrs[1].Addr()), say.Text{"the TUN " + name, "从 TUN " + name}}, nil
}

// doorOf returns where the door of a program lies: beside its control socket.
func doorOf(control string) string { return strings.TrimSuffix(control, controlSuffix) + doorSuffix }

const (
	controlSuffix = ".sock" // as package inspect has it
	doorSuffix    = ".door"
)

// withheldLink lets SYNs out, and of the rest of TCP nothing. It carries IP. Our host
// knows nothing of it: to say of it that it is ESTABLISHED, and to see the peer in
// SYN_RECV, is the lesson.
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
