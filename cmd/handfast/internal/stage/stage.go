// Package stage makes the place where a client meets a host of ours: a network
// namespace, the link between the two, and the kernel's side of it.
package stage

import (
	"context"
	"net"
	"net/netip"
	"os"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// The network between the kernel's side and ours.
var (
	KernelAddrs = []netip.Prefix{netip.MustParsePrefix("10.77.0.1/24"), netip.MustParsePrefix("fd77::1/64")}
	OurAddrs    = []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64")}
)

// OurName is what our side is called.
const OurName = "Handfast"

// What the other side is called.
var (
	KernelName = say.Text{"the kernel's TCP", "内核的 TCP"}
	OursToo    = say.Text{"Handfast as well", "另一个 Handfast"}
)

// Inherited is the first file that InNamespace was given, in the program inside.
func Inherited() *os.File { return os.NewFile(3, "inherited") }

// Stage is where a trial takes place: a server's host, and a client's way to it.
type Stage struct {
	Link   say.Text // what lies between, in words
	Client say.Text // whose TCP the client uses
	Server *handfast.Host
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	undo   []func()
}

// Later adds what Close must do; the last comes first.
func (a *Stage) Later(f func()) { a.undo = append(a.undo, f) }

// Close undoes what was made.
func (a *Stage) Close() {
	for i := len(a.undo) - 1; i >= 0; i-- {
		a.undo[i]()
	}
}

// Host attaches a host to l, which it then owns.
func (a *Stage) Host(l link.Link, own []netip.Prefix, trace func([]tcp.Event)) (*handfast.Host, error) {
	h, err := handfast.New(handfast.Config{Trace: trace})
	if err != nil {
		return nil, err
	}
	if err := h.Attach(l, handfast.LinkOptions{Addresses: own}); err != nil {
		h.Close()
		return nil, say.Errorf(say.All("%s: %w"), l.Attributes().Name, err)
	}
	a.Later(func() { h.Close() })
	return h, nil
}

// NewMemory has two hosts of ours at the ends of a pipe.
func NewMemory(r *live.Recorder) (*Stage, error) {
	theirs, ours := pipe.New(pipe.Options{MaxGSO: 65535, ChecksumOffload: true})
	a := &Stage{Link: say.Text{"a pipe in memory, MTU 1500", "内存管道，MTU 1500"}, Client: OursToo}
	a.Later(func() { theirs.Close(); ours.Close() })
	r.Peer = a.Client[r.Lang]
	var err error
	if a.Server, err = a.Host(ours, OurAddrs, r.Events); err != nil {
		return a, err
	}
	client, err := a.Host(theirs, KernelAddrs, r.PeerEvents)
	if err == nil {
		a.Dial = client.DialContext
	}
	return a, err
}
