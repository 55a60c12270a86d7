package tcp

import (
	"fmt"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// pairBench is a connection in some state, and whoever does something to it.
type pairBench struct {
	*testPeer
	en *Entry // nil while it is half-open
}

func (b *pairBench) opened() { b.en = b.handshake("S 0:0(0) <mss 1460>", ". 1:1(0) ack 1") }

func (b *pairBench) shut() { b.opened(); b.e.CloseWrite(b.now, b.en); b.drain() }

// pairStates are the forms and states of a connection that its peer opened.
var pairStates = []struct {
	name string
	play func(b *pairBench)
}{
	{"half-open", func(b *pairBench) { b.receive("S 0:0(0) <mss 1460>"); b.wantAny("SYN-ACK", wire.SYN|wire.ACK) }},
	{"not accepted", func(b *pairBench) {
		b.receive("S 0:0(0) <mss 1460>")
		b.wantAny("SYN-ACK", wire.SYN|wire.ACK)
		b.receive(". 1:1(0) ack 1")
	}},
	{"ESTABLISHED", (*pairBench).opened},
	{"unread", func(b *pairBench) { b.opened(); b.receive(". 1:11(10) ack 1"); b.drain() }},
	{"CLOSE-WAIT", func(b *pairBench) { b.opened(); b.receive("F. 1:1(0) ack 1"); b.drain() }},
	{"LAST-ACK", func(b *pairBench) {
		b.opened()
		b.receive("F. 1:1(0) ack 1")
		b.drain()
		b.e.CloseWrite(b.now, b.en)
		b.drain()
	}},
	{"FIN-WAIT-1", (*pairBench).shut},
	{"FIN-WAIT-2", func(b *pairBench) { b.shut(); b.receive(". 1:1(0) ack 2"); b.drain() }},
	{"CLOSING", func(b *pairBench) { b.shut(); b.receive("F. 1:1(0) ack 1"); b.drain() }},
	{"TIME-WAIT", func(b *pairBench) { b.en = b.waiting("<mss 1460>", true) }},
	{"TIME-WAIT, compact", func(b *pairBench) { b.waiting("<mss 1460>", false) }},
}

// pairEvents are what can happen to it.
var pairEvents = map[string]func(b *pairBench){
	"text":       func(b *pairBench) { b.arrive(". 1:6(5) ack 1") },
	"ACK":        func(b *pairBench) { b.arrive(". 1:1(0) ack 1") },
	"FIN":        func(b *pairBench) { b.arrive("F. 1:1(0) ack 1") },
	"ACK of FIN": func(b *pairBench) { b.arrive(". 2:2(0) ack 2") },
	"RST":        func(b *pairBench) { b.arrive("R 1:1(0)") },
	"later RST":  func(b *pairBench) { b.arrive("R 2:2(0)") },
	"SYN":        func(b *pairBench) { b.arrive("S 90000:90000(0) <mss 1460>") },
	"same SYN":   func(b *pairBench) { b.arrive("S 0:0(0) <mss 1460>") },
	"ICMP": func(b *pairBench) {
		for k := range ICMPTooBig + 1 {
			b.e.ReceiveICMP(b.now, b.tuple, ICMPError{Kind: k, Failure: Refused, Seq: b.own, MTU: 500})
			b.e.ReceiveICMP(b.now, b.tuple, ICMPError{Kind: k, Failure: Refused, Seq: b.own + 1, MTU: 500})
		}
	},
	"time":           func(b *pairBench) { b.now = b.now.Add(time.Minute); b.e.Advance(b.now) },
	"much time":      func(b *pairBench) { b.now = b.now.Add(100 * 24 * time.Hour); b.e.Advance(b.now) },
	"lose address":   func(b *pairBench) { b.e.LoseAddress(b.now, b.tuple.Local) },
	"kill":           func(b *pairBench) { b.e.Kill(b.now, b.tuple) },
	"close listener": func(b *pairBench) { b.e.CloseListener(b.now, b.listener) },
	"connect":        func(b *pairBench) { b.e.Connect(b.now, b.path, b.tuple, nil) },
	"abort":          program(func(b *pairBench) { b.e.Abort(b.now, b.en); b.en = nil }),
	"close":          program(func(b *pairBench) { b.e.Close(b.now, b.en); b.en = nil }),
	"close write":    program(func(b *pairBench) { b.e.CloseWrite(b.now, b.en) }),
	"close read":     program(func(b *pairBench) { b.e.CloseRead(b.now, b.en) }),
	"write":          program(func(b *pairBench) { b.e.SendCopy(b.now, b.en, make([]byte, 10)) }),
	"urgent":         program(func(b *pairBench) { b.e.MarkUrgent(b.now, b.en) }),
	"settings": program(func(b *pairBench) {
		b.e.SetKeepAlive(b.now, b.en, KeepAlive{time.Second, time.Second, 1})
		b.e.SetUserTimeout(b.now, b.en, time.Second)
		b.e.SetReceiveBuffer(b.now, b.en, 1)
		b.e.SetSendBuffer(b.now, b.en, 1)
		b.e.SetNoDelay(b.now, b.en, true)
	}),
	"read": program(func(b *pairBench) {
		for _, v := range b.e.Take(b.now, b.en, 1<<20, nil) {
			b.blocks[v.Block] = true
			v.Release()
		}
	}),
}

// program is what a program does that holds a connection.
func program(f func(b *pairBench)) func(b *pairBench) {
	return func(b *pairBench) {
		if b.en != nil {
			f(b)
		}
	}
}

// Any two things happen, one after the other, before anything could be sent: as
// they do when they come in one batch of packets. Connections stay as Audit wants
// them, and when their programs leave they come to an end.
func TestTwoEvents(t *testing.T) {
	for _, s := range pairStates {
		for first, one := range pairEvents {
			for second, other := range pairEvents {
				t.Run(fmt.Sprintf("%s: %s, %s", s.name, first, second), func(t *testing.T) {
					h := serving(t, Config{}, 5)
					b := &pairBench{testPeer: h.from(1000, seq.Num(7))}
					s.play(b)
					one(b)
					other(b)
					b.end()
				})
			}
		}
	}
}

// end has all programs leave, and time pass.
func (b *pairBench) end() {
	b.Helper()
	var audit audit
	if err := audit.check(b.e, false); err != nil {
		b.fail("%v", err)
	}
	b.drain()
	if err := audit.check(b.e, true); err != nil {
		b.fail("%v", err)
	}
	program(func(b *pairBench) { b.e.Abort(b.now, b.en) })(b)
	for en := b.e.Accept(b.listener); en != nil; en = b.e.Accept(b.listener) {
		b.e.Abort(b.now, en)
	}
	for range 200 {
		b.drain()
		b.now = b.now.Add(10 * time.Second)
		b.e.Advance(b.now)
	}
	b.wantLen("all is over", 0)
}
