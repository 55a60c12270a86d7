package main

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
)

const (
	crowdWindow = 1024        // connections begun and not yet where they should be
	crowdStall  = time.Minute // without any progress: something is wrong, not only slow
)

// crowd is the other end of many connections to one stack. It keeps nothing
// of them but a bit, so that the memory of the process is the stack's.
type crowd struct {
	s       *packetStack
	kind    kind
	seen    []bool // connection has got as far as it should
	reached atomic.Int64
	conns   []net.Conn // what the program holds
	mu      sync.Mutex // send is for one at a time
}

func newCrowd(k kind, n int) *crowd {
	return &crowd{kind: k, seen: make([]bool, n), conns: make([]net.Conn, 0, n)}
}

// index is the inverse of syn.
func index(a netip.AddrPort) int {
	b := a.Addr().As4()
	return int(binary.BigEndian.Uint32(b[:])-binary.BigEndian.Uint32(crowdNet[:]))*crowdPerAddress + int(a.Port()) - crowdFirstPort
}

// fill makes all connections and waits until they are idle, half-open or in
// TIME-WAIT.
func (c *crowd) fill(s *packetStack) error {
	c.s = s
	go c.accept()
	go c.receive()
	var batch [][]byte
	for i := range c.seen {
		first := syn(i, benchTarget)
		batch = append(batch, first.append(nil))
		if len(batch) == sendBatch || i == len(c.seen)-1 {
			if err := c.await(i+len(batch)-crowdWindow, c.reached.Load); err != nil {
				return err
			}
			c.send(batch)
			batch = batch[:0]
		}
	}
	if err := c.await(len(c.seen), c.reached.Load); err != nil || s.entries == nil {
		return err
	}
	// What they have been told may still be on its way into the stack.
	return c.await(len(c.seen)*99/100, func() int64 { return int64(s.entries()) })
}

func (c *crowd) send(batch [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.send(batch)
}

// await waits until n connections are where they should be; count says how many
// are.
func (c *crowd) await(n int, count func() int64) error {
	last, since := count(), time.Now()
	for {
		got := count()
		switch {
		case got >= int64(n):
			return nil
		case got > last:
			last, since = got, time.Now()
		case time.Since(since) > crowdStall:
			return errors.New("the stack refused further connections")
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func (c *crowd) accept() {
	for {
		conn, err := c.s.listener.Accept()
		if err != nil {
			return
		}
		switch c.kind {
		case idle:
			c.conns = append(c.conns, conn)
			c.reached.Add(1)
		case timeWait:
			conn.Close()
		}
	}
}

// receive answers what the stack sends.
func (c *crowd) receive() {
	var batch [][]byte
	for {
		err := c.s.receive(func(p []byte) {
			if a := c.answer(p); a != nil {
				batch = append(batch, a)
			}
		})
		if err != nil {
			return
		}
		if len(batch) > 0 {
			c.send(batch)
			batch = nil // or the answers would count as the stack's memory
		}
	}
}

func (c *crowd) answer(p []byte) []byte {
	var s segment
	if !s.parse(p) {
		return nil
	}
	flags := wire.ACK
	switch {
	case s.Flags.Has(wire.SYN) && c.kind == halfOpen:
		c.mark(index(s.dst))
		return nil
	case s.Flags.Has(wire.FIN):
		c.mark(index(s.dst))
		flags |= wire.FIN
	case !s.Flags.Has(wire.SYN):
		return nil
	}
	a := s.answer(flags)
	return a.append(nil)
}

func (c *crowd) mark(i int) {
	if i >= 0 && i < len(c.seen) && !c.seen[i] {
		c.seen[i] = true
		c.reached.Add(1)
	}
}
