package tcp

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// figure is a figure of RFC 9293 §3.5 and §3.6: TCP Peer A on the left, Peer B
// on the right, both of them real, and the lines between them in the figure's
// own numbers.
type figure struct {
	world
	peers [2]*testConn
}

const (
	left = iota
	right
)

// carried is a segment under way.
type carried struct {
	to      int
	text    string
	payload []byte
}

func (w world) figure(issA, issB uint32) *figure {
	f := &figure{world: w}
	f.renew(left, issA)
	f.renew(right, issB)
	return f
}

// renew puts a peer without any memory in the place of one, which has crashed
// if it was there before.
func (f *figure) renew(side int, iss uint32) {
	w := f.world
	w.own, w.peer = seq.Num(iss), 0
	if side == right {
		w.tuple = w.tuple.Reverse()
	}
	c := w.newConn(Config{NoTimestamps: true})
	c.rel = isns{}
	f.peers[side] = c
}

// figures plays a figure over both address families.
func figures(t *testing.T, play func(w world)) {
	for _, w := range worlds(t)[:2] {
		t.Run(w.String(), func(t *testing.T) { w.T = t; play(w) })
	}
}

// leaves wants a segment from one side, and keeps it under way ("...").
func (f *figure) leaves(side int, text string) carried {
	f.Helper()
	c := f.peers[side]
	w := spell(f, text)
	out := &Output{}
	if c.answer != nil {
		out, c.answer = c.answer, nil
	} else if !c.conn.NextSegment(c.now, out) {
		c.fail("want %s, got nothing", text)
	}
	if !w.matches(&out.TCP, out.Len, c.rel) {
		c.fail("want %s\n\tgot  %s", text, describe(&out.TCP, out.Len, c.rel))
	}
	fl := carried{to: 1 - side, text: describe(&out.TCP, out.Len, c.rel)}
	for _, v := range out.Views {
		fl.payload = append(fl.payload, v.Bytes()...)
		v.Release()
	}
	c.note("> %s", fl.text)
	c.twin.release()
	c.twin = c.conn.Clone(nil)
	return fl
}

func (f *figure) arrives(fl carried) {
	f.Helper()
	f.peers[fl.to].receiveBytes(fl.text, fl.payload)
}

// carries is a line of the figure: a segment leaves one side and arrives.
func (f *figure) carries(side int, text string) { f.Helper(); f.arrives(f.leaves(side, text)) }

// states are those at both ends of a line.
func (f *figure) states(a, b State) {
	f.Helper()
	for side, want := range []State{a, b} {
		if got := f.peers[side].conn.state; got != want {
			f.peers[side].fail("peer %d: want %v, is %v", side, want, got)
		}
	}
}

func (f *figure) quiet() {
	f.Helper()
	for _, c := range f.peers {
		c.wantIdle("the figure ends")
	}
}

// established plays a handshake after which A sends 100 and B sends 300 next.
func (w world) establishedFigure() *figure {
	w.Helper()
	f := w.figure(99, 299)
	f.peers[right].listen()
	f.peers[left].open()
	f.carries(left, "S 99:99(0)")
	f.carries(right, "S. 299:299(0) ack 100")
	f.carries(left, ". 100:100(0) ack 300")
	f.states(Established, Established)
	return f
}

// RFC 9293 §3.5, figure 6: basic three-way handshake.
//
//	    TCP Peer A                                           TCP Peer B
//	1.  CLOSED                                               LISTEN
//	2.  SYN-SENT    --> <SEQ=100><CTL=SYN>               --> SYN-RECEIVED
//	3.  ESTABLISHED <-- <SEQ=300><ACK=101><CTL=SYN,ACK>  <-- SYN-RECEIVED
//	4.  ESTABLISHED --> <SEQ=101><ACK=301><CTL=ACK>       --> ESTABLISHED
//	5.  ESTABLISHED --> <SEQ=101><ACK=301><CTL=ACK><DATA> --> ESTABLISHED
func TestFigure6(t *testing.T) {
	figures(t, func(w world) {
		f := w.figure(100, 300)
		f.peers[right].listen()
		f.states(Closed, Listen)
		f.peers[left].open()
		f.carries(left, "S 100:100(0)")
		f.states(SynSent, SynReceived)
		f.carries(right, "S. 300:300(0) ack 101")
		f.states(Established, SynReceived)
		f.carries(left, ". 101:101(0) ack 301")
		f.states(Established, Established)
		f.peers[left].write(10)
		f.carries(left, "P. 101:111(10) ack 301")
		f.carries(right, ". 301:301(0) ack 111")
		f.peers[right].readAll(10)
		f.quiet()
	})
}

// RFC 9293 §3.5, figure 7: simultaneous connection synchronization.
//
//	    TCP Peer A                                       TCP Peer B
//	1.  CLOSED                                           CLOSED
//	2.  SYN-SENT     --> <SEQ=100><CTL=SYN>              ...
//	3.  SYN-RECEIVED <-- <SEQ=300><CTL=SYN>              <-- SYN-SENT
//	4.               ... <SEQ=100><CTL=SYN>              --> SYN-RECEIVED
//	5.  SYN-RECEIVED --> <SEQ=100><ACK=301><CTL=SYN,ACK> ...
//	6.  ESTABLISHED  <-- <SEQ=300><ACK=101><CTL=SYN,ACK> <-- SYN-RECEIVED
//	7.               ... <SEQ=100><ACK=301><CTL=SYN,ACK> --> ESTABLISHED
func TestFigure7(t *testing.T) {
	figures(t, func(w world) {
		f := w.figure(100, 300)
		f.peers[left].open()
		two := f.leaves(left, "S 100:100(0)")
		f.states(SynSent, Closed)
		f.peers[right].open()
		f.carries(right, "S 300:300(0)")
		f.states(SynReceived, SynSent)
		f.arrives(two)
		f.states(SynReceived, SynReceived)
		five := f.leaves(left, "S. 100:100(0) ack 301")
		f.carries(right, "S. 300:300(0) ack 101")
		f.states(Established, SynReceived)
		f.arrives(five)
		f.states(Established, Established)
		f.quiet()
		f.peers[left].advance(24 * time.Hour)
		f.states(Established, Established)
	})
}

// RFC 9293 §3.5, figure 8: recovery from an old duplicate SYN.
//
//	    TCP Peer A                                       TCP Peer B
//	1.  CLOSED                                           LISTEN
//	2.  SYN-SENT    --> <SEQ=100><CTL=SYN>               ...
//	3.  (duplicate) ... <SEQ=90><CTL=SYN>               --> SYN-RECEIVED
//	4.  SYN-SENT    <-- <SEQ=300><ACK=91><CTL=SYN,ACK>  <-- SYN-RECEIVED
//	5.  SYN-SENT    --> <SEQ=91><CTL=RST>               --> LISTEN
//	6.              ... <SEQ=100><CTL=SYN>              --> SYN-RECEIVED
//	7.  ESTABLISHED <-- <SEQ=400><ACK=101><CTL=SYN,ACK> <-- SYN-RECEIVED
//	8.  ESTABLISHED --> <SEQ=101><ACK=401><CTL=ACK>     --> ESTABLISHED
func TestFigure8(t *testing.T) {
	figures(t, func(w world) {
		f := w.figure(100, 300)
		f.peers[right].listen()
		f.peers[left].open()
		two := f.leaves(left, "S 100:100(0)")
		f.arrives(carried{to: right, text: "S 90:90(0)"})
		f.states(SynSent, SynReceived)
		f.carries(right, "S. 300:300(0) ack 91")
		f.states(SynSent, SynReceived)
		f.carries(left, "R 91:91(0)")
		f.states(SynSent, Listen)
		f.renew(right, 400)
		f.peers[right].listen()
		f.arrives(two)
		f.states(SynSent, SynReceived)
		f.carries(right, "S. 400:400(0) ack 101")
		f.states(Established, SynReceived)
		f.carries(left, ". 101:101(0) ack 401")
		f.states(Established, Established)
		f.quiet()
	})
}

// RFC 9293 §3.5.1, figure 9: half-open connection discovery.
//
//	    TCP Peer A                                  TCP Peer B
//	1.  (REBOOT)                                    (send 300,receive 100)
//	2.  CLOSED                                      ESTABLISHED
//	3.  SYN-SENT --> <SEQ=400><CTL=SYN>         --> (??)
//	4.  (!!)     <-- <SEQ=300><ACK=100><CTL=ACK> <-- ESTABLISHED
//	5.  SYN-SENT --> <SEQ=100><CTL=RST>         --> (Abort!!)
//	6.  SYN-SENT                                    CLOSED
//	7.  SYN-SENT --> <SEQ=400><CTL=SYN>         -->
func TestFigure9(t *testing.T) {
	figures(t, func(w world) {
		f := w.establishedFigure()
		f.renew(left, 400)
		f.states(Closed, Established)
		f.peers[left].open()
		f.carries(left, "S 400:400(0)")
		f.states(SynSent, Established)
		f.carries(right, ". 300:300(0) ack 100")
		f.states(SynSent, Established)
		f.carries(left, "R 100:100(0)")
		f.states(SynSent, Closed)
		f.peers[right].wantFailure(Reset)
		f.renew(right, 500)
		f.peers[right].listen()
		f.peers[left].advance(f.peers[left].cfg.InitialRTO)
		f.carries(left, "S 400:400(0)")
		f.carries(right, "S. 500:500(0) ack 401")
		f.carries(left, ". 401:401(0) ack 501")
		f.states(Established, Established)
	})
}

// RFC 9293 §3.5.1, figure 10: active side causes half-open connection discovery.
//
//	    TCP Peer A                                            TCP Peer B
//	1.  (REBOOT)                                              (send 300,receive 100)
//	2.  (??)  <-- <SEQ=300><ACK=100><DATA=10><CTL=ACK>    <-- ESTABLISHED
//	3.        --> <SEQ=100><CTL=RST>                      --> (ABORT!!)
func TestFigure10(t *testing.T) {
	figures(t, func(w world) {
		f := w.establishedFigure()
		f.renew(left, 400)
		f.peers[right].write(10)
		f.carries(right, "P. 300:310(10) ack 100")
		f.states(Closed, Established)
		f.carries(left, "R 100:100(0)")
		f.states(Closed, Closed)
		f.peers[right].wantFailure(Reset)
		f.quiet()
	})
}

// RFC 9293 §3.5.1, figure 11: an old duplicate SYN initiates a reset on two
// passive sockets.
//
//	    TCP Peer A                                    TCP Peer B
//	1.  LISTEN                                        LISTEN
//	2.       ... <SEQ=Z><CTL=SYN>                -->  SYN-RECEIVED
//	3.  (??) <-- <SEQ=X><ACK=Z+1><CTL=SYN,ACK>   <--  SYN-RECEIVED
//	4.       --> <SEQ=Z+1><CTL=RST>              -->  (return to LISTEN!)
//	5.  LISTEN                                        LISTEN
func TestFigure11(t *testing.T) {
	figures(t, func(w world) {
		f := w.figure(100, 300)
		f.peers[left].listen()
		f.peers[right].listen()
		f.arrives(carried{to: right, text: "S 7000:7000(0)"})
		f.states(Listen, SynReceived)
		f.carries(right, "S. 300:300(0) ack 7001")
		f.states(Listen, SynReceived)
		f.carries(left, "R 7001:7001(0)")
		f.states(Listen, Listen)
		f.quiet()
	})
}

// RFC 9293 §3.6, figure 12: normal close sequence.
//
//	    TCP Peer A                                           TCP Peer B
//	1.  ESTABLISHED                                          ESTABLISHED
//	2.  (Close)
//	    FIN-WAIT-1  --> <SEQ=100><ACK=300><CTL=FIN,ACK>  --> CLOSE-WAIT
//	3.  FIN-WAIT-2  <-- <SEQ=300><ACK=101><CTL=ACK>      <-- CLOSE-WAIT
//	4.                                                       (Close)
//	    TIME-WAIT   <-- <SEQ=300><ACK=101><CTL=FIN,ACK>  <-- LAST-ACK
//	5.  TIME-WAIT   --> <SEQ=101><ACK=301><CTL=ACK>      --> CLOSED
//	6.  (2 MSL)
//	    CLOSED
func TestFigure12(t *testing.T) {
	figures(t, func(w world) {
		f := w.establishedFigure()
		f.peers[left].close()
		f.carries(left, "F. 100:100(0) ack 300")
		f.states(FinWait1, CloseWait)
		f.carries(right, ". 300:300(0) ack 101")
		f.states(FinWait2, CloseWait)
		f.peers[right].close()
		f.carries(right, "F. 300:300(0) ack 101")
		f.states(TimeWait, LastAck)
		f.carries(left, ". 101:101(0) ack 301")
		f.states(TimeWait, Closed)
		f.peers[left].advance(2*msl - 1)
		f.states(TimeWait, Closed)
		f.peers[left].advance(1)
		f.states(Closed, Closed)
		f.quiet()
	})
}

// RFC 9293 §3.6, figure 13: simultaneous close sequence.
//
//	    TCP Peer A                                           TCP Peer B
//	1.  ESTABLISHED                                          ESTABLISHED
//	2.  (Close)                                              (Close)
//	    FIN-WAIT-1  --> <SEQ=100><ACK=300><CTL=FIN,ACK>  ... FIN-WAIT-1
//	                <-- <SEQ=300><ACK=100><CTL=FIN,ACK>  <--
//	                ... <SEQ=100><ACK=300><CTL=FIN,ACK>  -->
//	3.  CLOSING     --> <SEQ=101><ACK=301><CTL=ACK>      ... CLOSING
//	                <-- <SEQ=301><ACK=101><CTL=ACK>      <--
//	                ... <SEQ=101><ACK=301><CTL=ACK>      -->
//	4.  TIME-WAIT                                            TIME-WAIT
//	    (2 MSL)                                              (2 MSL)
//	    CLOSED                                               CLOSED
func TestFigure13(t *testing.T) {
	figures(t, func(w world) {
		f := w.establishedFigure()
		f.peers[left].close()
		f.peers[right].close()
		f.states(FinWait1, FinWait1)
		two := f.leaves(left, "F. 100:100(0) ack 300")
		f.carries(right, "F. 300:300(0) ack 100")
		f.arrives(two)
		f.states(Closing, Closing)
		three := f.leaves(left, ". 101:101(0) ack 301")
		f.carries(right, ". 301:301(0) ack 101")
		f.arrives(three)
		f.states(TimeWait, TimeWait)
		for _, c := range f.peers {
			c.advance(2 * msl)
		}
		f.states(Closed, Closed)
		f.quiet()
	})
}
