package lab

import (
	"fmt"
	"io"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// visit is one connection of a random run, with what both ends did and saw.
type visit struct {
	run    *randomRun
	port   uint16
	ends   [2]visitor
	gaveUp tcp.Cause // an end of it did
}

// visitor is what one end of a visit means to do, and what came of it.
type visitor struct {
	visit *visit
	side  int

	total   int           // bytes that it wants to write
	chunk   int           // at most so many at a time
	readBy  int           // at most so many at a time
	pause   time.Duration // now and then, at most
	quit    string        // "": stays until both streams have ended; close, abort: leaves in between
	quitAt  time.Duration
	noDelay bool

	conn     *Conn
	written  int
	finished bool // wrote all it wanted, or failed
	promised bool // a FIN follows what was written
	got      int
	eof      bool
	err      error // the first one
}

func (x *randomRun) newVisit(i int) *visit {
	v := &visit{run: x, port: uint16(80 + i)}
	for side := range v.ends {
		v.ends[side] = x.newVisitor(v, side)
	}
	open := x.time(3 * time.Second)
	x.start(0, fmt.Sprint("opens ", i), func(p *Proc) { v.open(p, 0, open) })
	if x.plan.both {
		x.start(1, fmt.Sprint("opens ", i), func(p *Proc) { v.open(p, 1, open) })
	} else {
		x.start(1, fmt.Sprint("accepts ", i), v.accept)
	}
	return v
}

func (x *randomRun) newVisitor(v *visit, side int) visitor {
	e := visitor{visit: v, side: side, total: x.upTo(60_000), chunk: 1 + x.upTo(20_000), readBy: 1 + x.upTo(20_000),
		noDelay: x.chance(0.3)}
	// A connection on which one side never says anything is as legal as any, and rare
	// elsewhere.
	if x.chance(0.2) {
		e.total = 0
	}
	// Small pieces of much would only take long.
	e.total = min(e.total, 60*min(e.chunk, e.readBy))
	if x.chance(0.5) {
		e.pause = x.time(3 * time.Second)
	}
	if x.chance(0.3) {
		e.quit, e.quitAt = "close", x.time(10*time.Second)
		if x.chance(0.3) {
			e.quit = "abort"
		}
	}
	return e
}

func (v *visit) open(p *Proc, side int, after time.Duration) {
	p.Sleep(after)
	from := uint16(0)
	if v.run.plan.both {
		from = v.port
	}
	c, err := p.Dial(v.run.names[1-side], v.port, from)
	if err != nil {
		v.ends[side].failed(err)
	}
	if c != nil {
		v.ends[side].live(p, c)
	}
}

func (v *visit) accept(p *Proc) {
	l, err := p.Listen(v.port, 4)
	if err != nil {
		v.run.fault("listen: %v", err)
		return
	}
	c, err := l.Accept(start.Add(24 * time.Hour))
	l.Close()
	if err == nil {
		v.ends[1].live(p, c)
	}
}

func (e *visitor) failed(err error) {
	if e.err == nil {
		e.err = err
	}
}

// live is an end's life: it reads, while another program writes, and perhaps a
// third one quits.
func (e *visitor) live(p *Proc, c *Conn) {
	x := e.visit.run
	e.conn = c
	c.SetNoDelay(e.noDelay)
	c.SetKeepAlive(tcp.KeepAlive{Idle: 2 * time.Minute, Interval: 20 * time.Second, Count: 40})
	x.start(e.side, "writes", e.write)
	if e.quit != "" {
		x.start(e.side, "quits", e.leave)
	}
	e.read(c)
	p.Wait(func() bool { return e.finished }, clock.Never)
	e.close(c)
}

// close lets go. With something unread it is a RST, and nothing is promised.
func (e *visitor) close(c *Conn) {
	if c.Close() == nil && c.entry.Failure() != tcp.Aborted {
		e.promised = true
	}
}

func (e *visitor) leave(p *Proc) {
	p.Sleep(e.quitAt)
	if c := e.conn.For(p); e.quit == "abort" {
		c.Abort()
	} else {
		e.close(c)
	}
}

func (e *visitor) rest(p *Proc) {
	if e.pause > 0 && e.visit.run.chance(0.2) {
		p.Sleep(e.visit.run.time(e.pause))
	}
}

func (e *visitor) write(p *Proc) {
	x, c := e.visit.run, e.conn.For(p)
	defer func() { e.finished = true }()
	for e.written < e.total {
		e.rest(p)
		b := make([]byte, min(1+x.r.IntN(e.chunk), e.total-e.written))
		for i := range b {
			// Each byte follows from its place, so that a reader finds what is
			// missing, repeated or from another stream without keeping the text.
			b[i] = e.octet(e.written + i)
		}
		send := c.Write
		if x.chance(0.02) {
			send = c.WriteUrgent
		}
		n, err := send(b)
		e.written += n
		if err != nil {
			e.failed(err)
			return
		}
	}
	if c.CloseWrite() == nil {
		e.promised = true
	}
}

// octet is the byte at a place of the stream that the end writes.
func (e *visitor) octet(at int) byte {
	return byte(uint32(at)*2654435761>>13) ^ byte(at) ^ byte(e.visit.port) ^ byte(e.side<<7)
}

func (e *visitor) read(c *Conn) {
	x, peer := e.visit.run, &e.visit.ends[1-e.side]
	for {
		e.rest(c.proc)
		b := make([]byte, 1+x.r.IntN(e.readBy))
		n, err := c.Read(b)
		for i, got := range b[:n] {
			if want := peer.octet(e.got + i); got != want {
				x.fault("%s, port %d: byte %d is %#x, should be %#x", x.names[e.side], e.visit.port, e.got+i, got, want)
				return
			}
		}
		e.got += n
		x.Bytes += n
		// The count of a write is known only when it returns; so many bytes of it may
		// be here already.
		if e.got > peer.written+peer.chunk {
			x.fault("%s, port %d: got %d bytes of %d", x.names[e.side], e.visit.port, e.got, peer.written)
		}
		switch {
		case err == io.EOF:
			e.eof = true
			return
		case err != nil:
			e.failed(err)
			return
		}
	}
}

// unheard reports whether all came, but the ACKs of the last text were lost for
// 2MSL: the peer, which has the end, is gone, and answers with a RST.
func (e *visitor) unheard(peer *visitor) bool {
	return e.written == e.total && e.got == peer.total && peer.got == e.total && peer.eof && peer.err == nil
}

// judge says what must be true of a visit when it is over.
func (v *visit) judge() {
	x := v.run
	polite := x.plan.mercy() && v.ends[0].quit == "" && v.ends[1].quit == ""
	failures := 0
	for side := range v.ends {
		e, peer := &v.ends[side], &v.ends[1-side]
		who := fmt.Sprintf("%s, port %d", x.names[side], v.port)
		if e.eof && (!peer.promised || e.got != peer.written) {
			x.fault("%s: told of the end after %d bytes; %d were written, FIN promised: %v", who, e.got, peer.written, peer.promised)
		}
		if e.err != nil {
			failures = 1
		}
		if polite && !e.unheard(peer) && (e.err != nil || !e.eof || e.written != e.total) {
			x.fault("%s: error %v, end %v, wrote %d of %d, got %d of %d, although no end misbehaved", who, e.err, e.eof, e.written, e.total, e.got, peer.total)
		}
	}
	if polite && v.gaveUp != tcp.CauseNone {
		x.fault("port %d: an end gave up (%v), although no end misbehaved", v.port, v.gaveUp)
	}
	x.Failures += failures
	if polite && failures == 0 {
		x.Polite++
	}
}
