package explore

import (
	"fmt"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Rung is what is explored: who there is, what their programs do, and how much may go
// wrong.
type Rung struct {
	Level   int // 1 to 8: what kind of thing it looks at
	Name    string
	Hosts   []string
	Listens []int // backlog of each host's listener; 0: it has none
	Scripts [][]Op
	Config  tcp.Config
	Budget  Budget
	// Reorder is how many of the packets under way to a host may be the next to arrive.
	Reorder int
	// Prompt has programs call as soon as they can, before anything else happens.
	Prompt bool
	// Polite says that all programs read to the end before they close, so that with
	// however many losses nobody may see an error.
	Polite    bool
	KeepAlive tcp.KeepAlive
}

// Rungs returns all rungs, which climb from a handshake to two incarnations and forged
// segments. The name of each says what it bears.
func Rungs() (all []*Rung) {
	for level, rungs := range [][]*Rung{openAndClose(), bothOpen(), text(), shutWindow(), cookies(), incarnations(), forged(), batches()} {
		for _, r := range rungs {
			r.Level = level + 1
			r.Name += ": " + r.bounds()
			all = append(all, r)
		}
	}
	return all
}

// bounds says what a rung bears.
func (r *Rung) bounds() string {
	var said []string
	for _, b := range []struct {
		n    uint8
		what string
	}{{r.Budget.Drop, "lost"}, {r.Budget.Duplicate, "twice"}, {r.Budget.Mutate, "changed"}, {r.Budget.Early, "early"}, {r.Budget.Together, "together"}} {
		if b.n > 0 {
			said = append(said, fmt.Sprintf("%d %s", b.n, b.what))
		}
	}
	if r.Reorder == 1 {
		said = append(said, "in order")
	}
	if r.Prompt {
		said = append(said, "prompt")
	}
	return strings.Join(said, ", ")
}

// prompt is a rung whose programs call as soon as they can.
func (r *Rung) prompt() *Rung {
	r.Prompt = true
	return r
}

// probing is a rung in which both sides probe, since one may be left alone.
func (r *Rung) probing() *Rung {
	r.KeepAlive = probes
	return r
}
