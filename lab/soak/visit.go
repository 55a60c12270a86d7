package soak

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
)

// visit is one connection of a life, with what both ends did and saw.
type visit struct {
	life   *life
	plan   *visitPlan
	round  int
	ends   [2]end
	gaveUp tcp.Cause // an end of it did
	*sleepers
	moved clock.Time // when a program last read something
}

// sleepers are the programs of a plan's visits that sleep of their own will: who sleeps in
// one round lets the next one wait.
type sleepers struct {
	asleep int
	rested clock.Time // when one last woke
}

// end is what came of one end of a visit.
type end struct {
	*endPlan
	visit *visit
	side  int
	read  dice // each program has chance of its own: what the other one does changes nothing
	write dice

	conn     *lab.Conn
	started  bool // it had a connection
	written  int
	finished bool // wrote all it wanted, or failed
	promised bool // a FIN follows what was written
	got      int
	eof      bool
	err      error // the first one
}

// newVisit starts the programs of a plan's connections.
func (x *life) newVisit(plan *visitPlan) {
	var rounds []*visit
	all := &sleepers{}
	for round := range plan.rounds {
		v := &visit{life: x, plan: plan, round: round, sleepers: all}
		for side := range v.ends {
			number := uint64(plan.ports[1])<<16 | uint64(round)<<8 | uint64(side)<<1
			v.ends[side] = end{endPlan: &plan.ends[side], visit: v, side: side,
				read: diceOf(x.Seed, forPrograms<<32|number), write: diceOf(x.Seed, forPrograms<<32|number|1)}
		}
		rounds = append(rounds, v)
	}
	x.visits = append(x.visits, rounds...)
	name := fmt.Sprint(" ", plan.ports[1])
	x.start(0, "opens"+name, func(p *lab.Proc) { p.Sleep(plan.open); x.open(p, rounds, 0) })
	if x.plan.both {
		x.start(1, "opens"+name, func(p *lab.Proc) { p.Sleep(plan.open); x.open(p, rounds, 1) })
	} else {
		x.start(1, "accepts"+name, func(p *lab.Proc) { x.accept(p, rounds) })
	}
}

// open is the program of who opens connections.
func (x *life) open(p *lab.Proc, rounds []*visit, side int) {
	for i, v := range rounds {
		if i > 0 {
			v.sleep(p, v.plan.gap)
		}
		c, err := v.dial(p, side)
		if err != nil {
			v.ends[side].failed(err)
		}
		if c != nil {
			v.ends[side].live(p, c)
		}
		v.moves()
	}
}

// dial opens the connection as soon as its ports are free: the last one with them waits
// for 2MSL.
func (v *visit) dial(p *lab.Proc, side int) (*lab.Conn, error) {
	for {
		open := p.Dial
		// With a cookie the SYN waits for text: who writes none would wait for ever.
		fast := v.plan.fast && v.plan.ends[side].total > 0
		switch hasty := v.plan.ends[side].hasty; {
		case fast && hasty:
			open = p.OpenFast
		case fast:
			open = dialFast(p)
		case hasty:
			open = p.Open
		}
		c, err := open(v.life.names[1-side], v.plan.ports[1-side], v.plan.ports[side])
		if !errors.Is(err, lab.ErrInUse) || v.round == 0 {
			return c, err
		}
		v.sleep(p, time.Second)
	}
}

// dialFast is Dial by Fast Open: with a cookie it does not wait for the handshake.
func dialFast(p *lab.Proc) func(to string, port, from uint16) (*lab.Conn, error) {
	return func(to string, port, from uint16) (*lab.Conn, error) {
		c, err := p.OpenFast(to, port, from)
		if err != nil {
			return nil, err
		}
		return c, c.Opened()
	}
}

// accept is the program of who waits for them.
func (x *life) accept(p *lab.Proc, rounds []*visit) {
	l, err := p.Listen(rounds[0].plan.ports[1], 4)
	if err != nil {
		x.fault("listen: %v", err)
		return
	}
	for i, v := range rounds {
		c, err := l.Accept(p.Now().Add(24 * time.Hour))
		if i == len(rounds)-1 {
			l.Close()
		}
		if err == nil {
			v.ends[1].live(p, c)
		}
		v.moves()
	}
}

func (s *sleepers) sleep(p *lab.Proc, d time.Duration) {
	s.asleep++
	p.Sleep(d)
	s.asleep--
	s.rested = max(s.rested, p.Now())
}

func (e *end) failed(err error) {
	if e.err == nil {
		e.err = err
	}
}

// live is an end's life: it reads, while another program writes, and perhaps others
// change buffers, or quit.
func (e *end) live(p *lab.Proc, c *lab.Conn) {
	x := e.visit.life
	e.conn, e.started = c, true
	c.SetNoDelay(e.noDelay)
	if e.keepAlive {
		c.SetKeepAlive(tcp.KeepAlive{Idle: 2 * time.Minute, Interval: 20 * time.Second, Count: 60})
	}
	if e.linger > 0 {
		c.SetLinger(e.linger)
	}
	x.start(e.side, "writes", e.writes)
	if e.quit != "" {
		x.start(e.side, "quits", e.leaves)
	}
	for _, r := range e.resizes {
		x.start(e.side, "resizes", func(p *lab.Proc) { e.resize(p, r) })
	}
	e.reads(c)
	p.Wait(func() bool { return e.finished }, clock.Never)
	e.close(c)
}

func (e *end) resize(p *lab.Proc, r resize) {
	p.Sleep(r.at)
	if c := e.conn.For(p); r.receive > 0 {
		c.SetReceiveBuffer(max(r.receive, tcp.MinBuffer))
	}
	if c := e.conn.For(p); r.send > 0 {
		c.SetSendBuffer(max(r.send, tcp.MinBuffer))
	}
}

// close lets go. With something unread it is a RST, and nothing is promised.
func (e *end) close(c *lab.Conn) {
	// The FIN goes first, and the close waits.
	e.promised = e.promised || e.linger > 0
	if c.Close() == nil && c.Failure() != tcp.Aborted {
		e.promised = true
	}
}

func (e *end) leaves(p *lab.Proc) {
	p.Sleep(e.quitAt)
	if c := e.conn.For(p); e.quit == "abort" {
		c.Abort()
	} else {
		e.close(c)
	}
}

// rest is a pause now and then, and once a long one.
func (e *end) rest(p *lab.Proc, d dice, done int, h *hole) {
	if e.pause > 0 && d.chance(0.2) {
		e.visit.sleep(p, d.time(e.pause))
	}
	if h.by > 0 && done >= h.at {
		e.visit.sleep(p, h.by)
		h.by = 0
	}
}

func (e *end) writes(p *lab.Proc) {
	c, silence := e.conn.For(p), e.silence
	defer func() { e.finished = true }()
	b := make([]byte, min(e.chunk, e.total))
	for e.written < e.total {
		e.rest(p, e.write, e.written, &silence)
		piece := b[:min(1+e.write.IntN(e.chunk), e.total-e.written)]
		e.fill(piece, e.written)
		send := c.Write
		if e.urgent && e.write.chance(0.2) {
			send = c.WriteUrgent
		}
		n, err := send(piece)
		e.written += n
		if err != nil {
			e.failed(err)
			return
		}
	}
	// Who closes in SYN-SENT has no connection any more: RFC 9293 §3.10.4.
	// https://www.rfc-editor.org/rfc/rfc9293#section-3.10.4
	p.Wait(func() bool { return c.State() != tcp.SynSent }, clock.Never)
	if c.CloseWrite() == nil {
		e.promised = true
	}
}

// octet is the byte at a place of the stream that the end writes: each follows from its
// place, so that a reader finds what is missing, repeated or from another stream without
// keeping the text.
func (e *end) octet(at int) byte {
	return byte(uint32(at)*2654435761>>13) ^ byte(at) ^ e.salt()
}

func (e *end) salt() byte {
	return byte(e.visit.plan.ports[1]) ^ byte(e.side<<7) ^ byte(e.visit.round*37)
}

func (e *end) fill(b []byte, at int) {
	salt := e.salt()
	for i := range b {
		b[i] = byte(uint32(at+i)*2654435761>>13) ^ byte(at+i) ^ salt
	}
}

// differs returns the first index of b that is not what the end writes from a place on;
// -1 when all is.
func (e *end) differs(b []byte, at int) int {
	salt := e.salt()
	for i, got := range b {
		if got != byte(uint32(at+i)*2654435761>>13)^byte(at+i)^salt {
			return i
		}
	}
	return -1
}

func (e *end) reads(c *lab.Conn) {
	x, stop, patience := e.visit.life, e.stop, 1000
	b := make([]byte, e.readBy)
	for {
		e.rest(c.Proc(), e.read, e.got, &stop)
		until := clock.Never
		if e.patient > 0 && patience > 0 {
			until = c.Proc().Now().Add(e.patient)
		}
		n, err := c.ReadUntil(b[:1+e.read.IntN(e.readBy)], until)
		switch {
		case !e.takes(b[:n]):
			return
		case err == io.EOF:
			e.eof = true
			return
		case err == lab.ErrTimedOut && until <= c.Proc().Now() && c.State() != tcp.Closed:
			patience--
		case err != nil:
			e.failed(err)
			return
		}
		x.Bytes += n
	}
}

// takes checks what was read, and reports whether it was right.
func (e *end) takes(b []byte) bool {
	x, peer := e.visit.life, &e.visit.ends[1-e.side]
	if i := peer.differs(b, e.got); i >= 0 {
		x.fault("%v: byte %d is %#x, should be %#x", e, e.got+i, b[i], peer.octet(e.got+i))
		return false
	}
	e.got += len(b)
	if len(b) > 0 {
		e.visit.moves()
	}
	// The count of a write is known only when it returns; so many bytes of it may be here
	// already.
	if e.got > peer.written+peer.chunk || e.got > peer.total {
		x.fault("%v: got %d bytes of %d", e, e.got, peer.written)
		return false
	}
	return true
}

func (e *end) String() string {
	return fmt.Sprintf("%s, port %d, round %d", e.visit.life.names[e.side], e.visit.plan.ports[1], e.visit.round)
}
