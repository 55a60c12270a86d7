package explore

import (
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Rung is what is explored: who there is, what their programs do, and how much may go
// wrong.
type Rung struct {
	Level   int // 1 to 7: what kind of thing it looks at
	Name    string
	Hosts   []string
	Listens []int // backlog of each host's listener; 0: it has none
	Scripts [][]Op
	Config  tcp.Config
	Budget  Budget
	// Reorder is how many of the packets under way to a host may be the next to arrive.
	Reorder int
	// Polite says that all programs read to the end before they close, so that with
	// however many losses nobody may see an error.
	Polite    bool
	KeepAlive tcp.KeepAlive
}

// Rungs returns all rungs, which climb from a handshake to two incarnations and forged
// segments.
func Rungs() (all []*Rung) {
	for level, rungs := range [][]*Rung{
		slices.Concat(openAndClose(), twice(openAndClose(), "both close")), slices.Concat(bothOpen(), twice(bothOpen(), "both open")),
		text(), shutWindow(), cookies(), incarnations(), forged()} {
		for _, r := range rungs {
			r.Level = level + 1
			all = append(all, r)
		}
	}
	return all
}

// timed: both have timestamps, and old ones may come.
func timed() *Rung {
	r := oneListens("with timestamps, one packet changed", Budget{Mutate: 1}, false,
		[]Op{Open, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, Write, CloseWrite, ReadEnd, Close})
	r.Config.NoTimestamps, r.KeepAlive = false, probes
	return r
}

// twice is one of some rungs again, with a packet that arrives twice instead of one that
// is lost: both in one world are more states than a machine has room for.
func twice(rungs []*Rung, name string) []*Rung {
	i := slices.IndexFunc(rungs, func(r *Rung) bool { return r.Name == name })
	r := rungs[i]
	r.Name += ", a packet comes twice"
	r.Budget = Budget{Duplicate: 1, Early: 1}
	return []*Rung{r}
}

// config is what all rungs have in common: no option that has numbers of its own, and
// small buffers.
func config() tcp.Config {
	return tcp.Config{MSL: 30 * time.Second, NoTimestamps: true, CongestionControl: "newreno", ReceiveBuffer: tcp.MinBuffer, UserTimeout: time.Minute}
}

// oneListens is a client and a server.
func oneListens(name string, b Budget, polite bool, client, server []Op) *Rung {
	return &Rung{Name: name, Hosts: []string{"client", "server"}, Listens: []int{0, 4}, Scripts: [][]Op{client, server},
		Config: config(), Budget: b, Reorder: 2, Polite: polite}
}

func openAndClose() []*Rung {
	b := Budget{Drop: 1, Duplicate: 1, Early: 1}
	return []*Rung{
		oneListens("the client closes first", b, true, []Op{Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close}),
		oneListens("the server closes first", b, true, []Op{Open, ReadEnd, Close}, []Op{Accept, CloseWrite, ReadEnd, Close}),
		oneListens("both close", Budget{Drop: 1, Early: 1}, true, []Op{Open, CloseWrite, ReadEnd, Close}, []Op{Accept, CloseWrite, ReadEnd, Close}),
		idle(),
	}
}

// probes is a keep-alive that gives up after two probes without an answer.
var probes = tcp.KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2}

// idle: for a minute nobody has anything to say, and both probe.
func idle() *Rung {
	r := oneListens("a minute of silence", Budget{Drop: 1, Early: 1}, true, []Op{Open, Sleep, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close})
	r.KeepAlive = probes
	return r
}

// bothOpen are two ends without a listener. Who is asked before it opens itself refuses,
// so an error is right.
func bothOpen() []*Rung {
	b := Budget{Drop: 1, Duplicate: 1, Early: 1}
	ops := []Op{Open, CloseWrite, ReadEnd, Close}
	return []*Rung{
		{Name: "both open", Hosts: []string{"left", "right"}, Listens: []int{0, 0}, Scripts: [][]Op{ops, ops}, Config: config(), Budget: Budget{Drop: 1, Early: 1}, Reorder: 2},
		{Name: "one opens to itself", Hosts: []string{"alone"}, Listens: []int{0}, Scripts: [][]Op{ops}, Config: config(), Budget: b, Reorder: 2, Polite: true},
	}
}

func text() []*Rung {
	return []*Rung{
		oneListens("two segments each way", Budget{Drop: 1, Early: 1}, true,
			[]Op{Open, Write, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, Write, Write, CloseWrite, ReadEnd, Close}),
		oneListens("closed with text unread", Budget{Drop: 1, Duplicate: 1, Early: 1}, false, []Op{Open, Write, Close}, []Op{Accept, Close}),
		oneListens("aborted", Budget{Drop: 1, Duplicate: 1, Early: 1}, false, []Op{Open, Write, Abort}, []Op{Accept, ReadEnd, Close}),
	}
}

// shutWindow: five segments, of which the window takes not four, and a program that
// reads late.
func shutWindow() []*Rung {
	return []*Rung{
		oneListens("the window shuts", Budget{Drop: 2, Early: 1}, true,
			[]Op{Open, Write, Write, Write, Write, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadSome, ReadEnd, Close}),
	}
}

// cookies: what comes before the ACK of a cookie resets its sender, and the ACK may come
// all the same. Then the server is alone, and probes.
func cookies() (all []*Rung) {
	for _, mode := range []tcp.CookieMode{tcp.CookiesAlways, tcp.CookiesOff} {
		r := oneListens("cookies "+mode.String(), Budget{Drop: 1, Duplicate: 1, Early: 1}, false, []Op{Open, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close})
		r.Config.Cookies, r.Config.SynAckRetries = mode, 1
		r.KeepAlive = probes
		all = append(all, r)
	}
	return all
}

// incarnations: the same four-tuple again, TIME-WAIT on either side.
func incarnations() []*Rung {
	b := Budget{Duplicate: 2, Early: 1}
	return []*Rung{
		oneListens("again, the client waited", b, true,
			[]Op{Open, CloseWrite, ReadEnd, Close, Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close, Accept, ReadEnd, Close}),
		oneListens("again, the server waits", b, true,
			[]Op{Open, ReadEnd, Close, Open, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, CloseWrite, ReadEnd, Close, Accept, ReadEnd, Close}),
	}
}

// punctual are rungs in which no timer fires early when a packet is changed: with both
// they do not come to an end.
var punctual = []string{"both open", "two segments each way", "the window shuts"}

// forged are the first four levels, with one packet that is changed on its way. Then a
// side may be left alone, so both of them probe.
func forged() (all []*Rung) {
	for _, rungs := range [][]*Rung{openAndClose(), bothOpen(), text(), shutWindow()} {
		for _, r := range rungs {
			if r.KeepAlive.Count > 0 {
				continue // the others probe too, here
			}
			r.Budget, r.KeepAlive = Budget{Mutate: 1, Early: 1}, probes
			if slices.Contains(punctual, r.Name) {
				r.Budget.Early = 0
			}
			r.Name += ", one packet changed"
			all = append(all, r)
		}
	}
	return append(all, timed())
}
