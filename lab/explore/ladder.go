package explore

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

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

// twoOpen are two ends without a listener. Who is asked before it opens itself refuses, so
// an error is right.
func twoOpen(name string, b Budget, left, right []Op) *Rung {
	return &Rung{Name: name, Hosts: []string{"left", "right"}, Listens: []int{0, 0}, Scripts: [][]Op{left, right}, Config: config(), Budget: b, Reorder: 2}
}

// probes is a keep-alive that gives up after two probes without an answer.
var probes = tcp.KeepAlive{Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2}

// The budgets. More than one of them in one world, with text, are more states than a
// machine has room for.
var (
	loses   = Budget{Drop: 1, Early: 1}
	doubles = Budget{Duplicate: 1, Early: 1}
	either  = Budget{Drop: 1, Duplicate: 1, Early: 1}
	forges  = Budget{Mutate: 1, Early: 1}
)

func clientCloses(b Budget) *Rung {
	return oneListens("the client closes first", b, true, []Op{Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close})
}

func serverCloses(b Budget) *Rung {
	return oneListens("the server closes first", b, true, []Op{Open, ReadEnd, Close}, []Op{Accept, CloseWrite, ReadEnd, Close})
}

func bothClose(b Budget) *Rung {
	return oneListens("both close", b, true, []Op{Open, CloseWrite, ReadEnd, Close}, []Op{Accept, CloseWrite, ReadEnd, Close})
}

func openAndClose() []*Rung {
	silence := oneListens("a minute of silence", loses, true, []Op{Open, Sleep, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close})
	marked := clientCloses(doubles)
	marked.Name, marked.Config.ECN = "with ECN", cc.ECNOn
	return []*Rung{clientCloses(either), serverCloses(either), bothClose(loses), bothClose(doubles), silence.probing(), marked}
}

func bothOpen() []*Rung {
	return []*Rung{opensTwice(loses), opensTwice(Budget{Duplicate: 1}), opensToItself(either), opensAndGoes(Budget{Drop: 1})}
}

func opensTwice(b Budget) *Rung {
	ops := []Op{Open, CloseWrite, ReadEnd, Close}
	return twoOpen("both open", b, ops, ops)
}

func opensToItself(b Budget) *Rung {
	return &Rung{Name: "one opens to itself", Hosts: []string{"alone"}, Listens: []int{0}, Scripts: [][]Op{{Open, CloseWrite, ReadEnd, Close}},
		Config: config(), Budget: b, Reorder: 2, Polite: true}
}

// opensAndGoes: a program that closes in SYN-SENT or SYN-RECEIVED.
func opensAndGoes(b Budget) *Rung {
	return twoOpen("both open, and one goes", b, []Op{Open, Close}, []Op{Open, CloseWrite, ReadEnd, Close}).probing()
}

func text() []*Rung {
	return []*Rung{segments(Budget{Drop: 1}).prompt(), crossing(loses).prompt(), oneWay(loses).prompt(), unread(loses), aborts(loses), lateForNobody(loses).prompt(), stamped(doubles).prompt(),
		stampedLate(doubles).prompt()}
}

func segments(b Budget) *Rung {
	return oneListens("two segments each way", b, true,
		[]Op{Open, Write, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, Write, Write, CloseWrite, ReadEnd, Close})
}

// crossing: text that comes again acknowledges what left meanwhile.
func crossing(b Budget) *Rung {
	return oneListens("a segment each way", b, true,
		[]Op{Open, Write, Sleep, CloseWrite, ReadEnd, Close}, []Op{Accept, Write, CloseWrite, ReadEnd, Close})
}

func oneWay(b Budget) *Rung {
	return oneListens("two segments one way", b, true, []Op{Open, Write, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close})
}

func unread(b Budget) *Rung {
	return oneListens("closed with text unread", b, false, []Op{Open, Write, Close}, []Op{Accept, Close})
}

// aborts: the RST may be lost, so who reads has to probe.
func aborts(b Budget) *Rung {
	return oneListens("aborted", b, false, []Op{Open, Write, Abort}, []Op{Accept, ReadEnd, Close}).probing()
}

// lateForNobody: text comes to somebody who has gone.
func lateForNobody(b Budget) *Rung {
	return oneListens("text for nobody", b, false, []Op{Open, CloseWrite, Close}, []Op{Accept, Write, Write, CloseWrite, ReadEnd, Close}).probing()
}

// stamped: both have timestamps, and old ones may come.
func stamped(b Budget) *Rung {
	r := oneListens("with timestamps", b, false, []Op{Open, CloseWrite, ReadEnd, Close}, []Op{Accept, Write, CloseWrite, ReadEnd, Close})
	r.Config.NoTimestamps = false
	return r.probing()
}

// stampedLate: what was sent before a sleep comes again to a program that has not closed yet.
func stampedLate(b Budget) *Rung {
	r := oneListens("with timestamps, and a sleep", b, false, []Op{Open, Write, Sleep, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Sleep, Close})
	r.Config.NoTimestamps = false
	return r.probing()
}

func shutWindow() []*Rung {
	two := Budget{Drop: 2}
	return []*Rung{shut(two).prompt(), shut(loses).prompt(), shutExactly(loses).prompt(), shutHalf(two).prompt(), shutInText(Budget{Early: 1}).prompt()}
}

// shut: five segments, of which the window takes not four, and a program that reads late.
func shut(b Budget) *Rung {
	r := oneListens("the window shuts", b, true,
		[]Op{Open, Write, Write, Write, Write, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, Sleep, ReadSome, ReadEnd, Close})
	r.Config.UserTimeout = 5 * time.Minute // probes are half a minute apart by then, and two may be lost
	return r
}

// shutExactly: the window takes four segments, but no FIN.
func shutExactly(b Budget) *Rung {
	r := shut(b)
	r.Name += " before a FIN"
	r.Scripts = [][]Op{{Open, Write, Write, Write, Write, CloseWrite, ReadEnd, Close}, {Accept, Sleep, CloseWrite, ReadSome, ReadEnd, Close}}
	r.Config.ReceiveBuffer = 4 * unit
	return r
}

// shutHalf: the same, and who reads late has closed before.
func shutHalf(b Budget) *Rung {
	r := shutExactly(b)
	r.Name = "the window shuts, half closed"
	r.Scripts[1] = []Op{Accept, CloseWrite, Sleep, ReadSome, ReadEnd, Close}
	return r
}

// shutInText: the same, and text is left that the window does not take.
func shutInText(b Budget) *Rung {
	r := shut(b)
	r.Name = "the window shuts in text, half closed"
	r.Scripts[1] = []Op{Accept, CloseWrite, Sleep, ReadSome, ReadEnd, Close}
	return r
}

// cookies: what comes before the ACK of a cookie resets its sender, and the ACK may come
// all the same. Then the server is alone, and probes.
func cookies() (all []*Rung) {
	for _, mode := range []tcp.CookieMode{tcp.CookiesAlways, tcp.CookiesOff} {
		for _, b := range []Budget{loses, doubles} {
			r := openedWith(mode, b)
			r.Prompt = b == doubles
			all = append(all, r.probing())
		}
	}
	return all
}

func openedWith(mode tcp.CookieMode, b Budget) *Rung {
	r := oneListens("cookies "+mode.String(), b, false, []Op{Open, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close})
	r.Config.Cookies, r.Config.SynAckRetries = mode, 1
	return r
}

// incarnations: the same four-tuple again, TIME-WAIT on either side. Old duplicates may make
// a connection that nobody opened; whoever opens then resets it, and its program sees that.
func incarnations() []*Rung {
	b := Budget{Duplicate: 2}
	return []*Rung{clientWaited(b).prompt(), serverWaits(b).prompt(), againStamped(doubles).prompt()}
}

func clientWaited(b Budget) *Rung {
	return oneListens("again, the client waited", b, false,
		[]Op{Open, CloseWrite, ReadEnd, Close, Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close, Accept, ReadEnd, Close}).probing()
}

func serverWaits(b Budget) *Rung {
	return oneListens("again, the server waits", b, false,
		[]Op{Open, ReadEnd, Close, Open, Write, CloseWrite, ReadEnd, Close}, []Op{Accept, CloseWrite, ReadEnd, Close, Accept, ReadEnd, Close}).probing()
}

func againStamped(b Budget) *Rung {
	r := serverWaits(b)
	r.Name, r.Config.NoTimestamps = r.Name+", with timestamps", false
	return r
}

// forged are the first levels, with one packet that is changed on its way. Then a side may
// be left alone, so both of them probe.
func forged() (all []*Rung) {
	punctual := Budget{Mutate: 1} // no timer fires early
	for _, r := range []*Rung{
		clientCloses(forges), serverCloses(forges), bothClose(forges), opensTwice(punctual), opensToItself(forges), opensAndGoes(punctual),
		oneWay(punctual).prompt(), unread(punctual), aborts(punctual), lateForNobody(punctual).prompt(),
		shutExactly(punctual).prompt(), shutHalf(punctual).prompt(), stamped(punctual).prompt(), againStamped(punctual).prompt(),
	} {
		all = append(all, r.probing())
	}
	return all
}

// batches: what comes together is answered when all of it was taken in. The first levels, and a
// peer that opens again at once, behind its RST or behind the last ACK. Both sides probe, since
// a RST may be lost, or for nobody any more.
func batches() (all []*Rung) {
	lost, late, copied, bent := Budget{Drop: 1, Together: 1}, Budget{Drop: 1, Early: 1, Together: 1}, Budget{Duplicate: 1, Together: 1}, Budget{Mutate: 1, Together: 1}
	three := Budget{Drop: 1, Together: 2} // three segments may be in one
	for _, r := range []*Rung{
		clientCloses(late), clientCloses(copied), clientCloses(bent), serverCloses(late), serverCloses(copied), serverCloses(bent),
		bothClose(three), bothClose(copied), bothClose(bent), opensTwice(three), opensTwice(copied), opensToItself(late), opensAndGoes(lost),
		segments(Budget{Together: 1}).prompt(), crossing(lost).prompt(), oneWay(three).prompt(), unread(three), aborts(three), lateForNobody(three).prompt(),
		stamped(copied).prompt(), shutExactly(lost).prompt(), openedWith(tcp.CookiesAlways, copied).prompt(), openedWith(tcp.CookiesOff, copied).prompt(),
		abortedAgain(lost), abortedAgain(copied), abortedAgain(bent).prompt(), waitAborted(lost), waitAborted(copied),
	} {
		all = append(all, r.probing())
	}
	return all
}

func abortedAgain(b Budget) *Rung {
	return oneListens("again, after a RST", b, false,
		[]Op{Open, Abort, Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close, Accept, ReadEnd, Close})
}

func waitAborted(b Budget) *Rung {
	return oneListens("again, after TIME-WAIT was aborted", b, false,
		[]Op{Open, CloseWrite, ReadEnd, Abort, Open, CloseWrite, ReadEnd, Close}, []Op{Accept, ReadEnd, Close, Accept, ReadEnd, Close})
}
