package stage

import (
	"context"
	"io"
	"net/netip"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// What is made last is undone first: a host goes before the link that it uses.
func TestCloseUndoesBackwards(t *testing.T) {
	var order []int
	a := &Stage{}
	for i := range 3 {
		a.Later(func() { order = append(order, i) })
	}
	a.Close()
	if want := []int{2, 1, 0}; !slices.Equal(order, want) {
		t.Errorf("undone in the order %v, want %v", order, want)
	}
}

// A client dials the server across the stage, over both families.
func TestMemoryStage(t *testing.T) {
	a, err := NewMemory(live.New(live.Options{Host: OurName}))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for _, p := range OurAddrs {
		greet(t, a, netip.AddrPortFrom(p.Addr(), 7))
	}
}

// greet has the server of a stage send a word to its client.
func greet(t *testing.T, a *Stage, where netip.AddrPort) {
	t.Helper()
	l, err := a.Server.Listen("tcp", where.String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.WriteString(c, "hello")
			c.Close()
		}
	}()
	c, err := a.Dial(context.Background(), "tcp", where.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if text, err := io.ReadAll(c); string(text) != "hello" || err != nil {
		t.Errorf("over %v came %q, %v", where, text, err)
	}
}

// A host that cannot be attached is closed: its stage neither knows it nor stops
// it later.
func TestHostThatCannotBeAttached(t *testing.T) {
	near, far := pipe.New(pipe.Options{})
	defer far.Close()
	defer near.Close()
	a := &Stage{}
	defer a.Close()
	if h, err := a.Host(near, []netip.Prefix{{}}, nil); err == nil || h != nil {
		t.Errorf("no address at all gave a host: %v", err)
	}
	if len(a.undo) != 0 {
		t.Errorf("%d things are left to undo", len(a.undo))
	}
}

// The two sides of a stage are in the same networks, and are not the same host.
func TestSidesShareNetworks(t *testing.T) {
	for i, p := range KernelAddrs {
		if ours := OurAddrs[i]; p.Masked() != ours.Masked() || p == ours {
			t.Errorf("%v and %v", p, ours)
		}
	}
}
