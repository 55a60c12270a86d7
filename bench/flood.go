package main

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

const (
	floodRing     = 1 << 17               // different spoofed SYNs, sent again and again
	floodWarmUp   = 1 << 15               // SYNs before it counts
	floodWindow   = 1024                  // SYNs that may wait for an answer
	floodPatience = 20 * time.Millisecond // then no answer comes
	floodHonest   = 1000                  // connections by those who mean it
	floodBetween  = 4                     // batches of SYNs from one of them to the next
	floodGrace    = 1 << 22               // SYNs that may pass until the last of them is in
	replySize     = 200                   // bytes that an honest client waits for
)

// flooder sends spoofed SYNs into a stack.
type flooder struct {
	s        *packetStack
	ring     [][]byte
	next     int
	sent     int
	answered atomic.Int64
	lost     int           // given up as never answered
	moved    chan struct{} // an answer has come
	timer    *time.Timer
	mu       sync.Mutex // send is for one at a time
	honest   *honestCrowd
}

// measureFlood measures what one spoofed SYN costs, its making not counted,
// and then whether honest clients get in while the flood goes on.
func measureFlood(r row, p *peer, window time.Duration) (result, error) {
	s, err := p.packets(packetOptions{forward: r.forward})
	if err != nil {
		return result{}, err
	}
	f := &flooder{s: s, ring: spoofedRing(), moved: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	f.honest = newHonestCrowd(f.send)
	go serveHonest(s.listener)
	go f.receive()
	for f.sent < floodWarmUp {
		f.burst()
	}
	from, err := readUsage()
	if err != nil {
		return result{}, err
	}
	sent, answered := f.sent, f.answered.Load()
	for begun := time.Now(); time.Since(begun) < window; {
		f.burst()
	}
	to, err := readUsage()
	if err != nil {
		return result{}, err
	}
	res := result{Ops: f.sent - sent, Answered: int(f.answered.Load() - answered)}
	res.spend(to.since(from))
	f.withHonest(&res)
	return res, nil
}

// spoofedRing makes SYNs from random addresses of 13.0.0.0/8.
func spoofedRing() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	room := make([]byte, 0, floodRing*64)
	ring := make([][]byte, floodRing)
	for i := range ring {
		s := syn(i, benchTarget)
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 13<<24|r.Uint32()>>8)
		s.src = netip.AddrPortFrom(netip.AddrFrom4(a), uint16(1024+r.IntN(64000)))
		start := len(room)
		room = s.append(room)
		ring[i] = room[start:]
	}
	return ring
}

func (f *flooder) send(batch [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.s.send(batch)
}

// burst sends one batch and waits until few enough are unanswered.
func (f *flooder) burst() {
	f.send(f.ring[f.next : f.next+sendBatch])
	f.next = (f.next + sendBatch) % floodRing
	f.sent += sendBatch
	for f.waiting() > floodWindow {
		f.timer.Reset(floodPatience)
		select {
		case <-f.moved:
		case <-f.timer.C:
			f.lost += f.waiting()
		}
	}
}

func (f *flooder) waiting() int { return f.sent - f.lost - int(f.answered.Load()) }

// receive counts the answers to the flood and passes on those to the honest.
func (f *flooder) receive() {
	n := int64(0)
	for {
		err := f.s.receive(func(p []byte) {
			if len(p) > 16 && p[16] != crowdNet[0] { // the destination address
				n++
				return
			}
			f.honest.take(p)
		})
		if err != nil {
			return
		}
		f.answered.Add(n)
		n = 0
		select {
		case f.moved <- struct{}{}:
		default:
		}
		f.honest.flush()
	}
}

// withHonest goes on with the flood while honest clients connect.
func (f *flooder) withHonest(res *result) {
	h := f.honest
	for i := range floodHonest {
		for range floodBetween {
			f.burst()
		}
		h.begin(i)
		h.again(i)
	}
	for end := f.sent + floodGrace; h.done.Load() < floodHonest && f.sent < end; {
		f.burst()
		h.again(int(f.sent/sendBatch) % floodHonest)
	}
	res.Honest, res.Full, res.P50, res.P99 = h.summary()
}

// serveHonest is the program that they talk to: it reads two bytes and answers
// with more than an unscaled window of theirs would take.
func serveHonest(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			b := make([]byte, replySize)
			if _, err := io.ReadFull(c, b[:2]); err == nil {
				_, _ = c.Write(b)
			}
		}()
	}
}

// step is how far an honest connection is.
type step uint8

const (
	notBegun step = iota
	synSent       // waits for the SYN-ACK
	gapSent       // its second byte is sent, not the first: waits for the ACK that must have SACK
	allSent       // waits for the reply
	finished
)

type honestClient struct {
	step        step
	scale, sack bool
	begun, last time.Time
	took        time.Duration
	packets     [2][]byte // sent last, to be sent again
}

// honestCrowd are clients that mean it.
type honestCrowd struct {
	send func([][]byte)
	done atomic.Int64

	mu      sync.Mutex
	clients []honestClient
	out     [][]byte
}

func newHonestCrowd(send func([][]byte)) *honestCrowd {
	return &honestCrowd{send: send, clients: make([]honestClient, floodHonest)}
}

const honestRetry = 500 * time.Millisecond

// begin sends the SYN of client i.
func (h *honestCrowd) begin(i int) {
	s := syn(i, benchTarget)
	h.mu.Lock()
	now := time.Now()
	h.clients[i] = honestClient{step: synSent, begun: now, last: now, packets: [2][]byte{s.append(nil)}}
	batch := h.clients[i].packets[:1]
	h.mu.Unlock()
	h.send(batch)
}

// again lets a client repeat itself that has waited for long.
func (h *honestCrowd) again(i int) {
	h.mu.Lock()
	c := &h.clients[i]
	var batch [][]byte
	if now := time.Now(); c.step != notBegun && c.step != finished && now.Sub(c.last) > honestRetry {
		c.last = now
		batch = slices.DeleteFunc(slices.Clone(c.packets[:]), func(p []byte) bool { return p == nil })
	}
	h.mu.Unlock()
	if batch != nil {
		h.send(batch)
	}
}

// flush sends what take has left.
func (h *honestCrowd) flush() {
	if len(h.out) > 0 {
		h.send(h.out)
		h.out = h.out[:0]
	}
}

// take handles a packet from the stack.
func (h *honestCrowd) take(p []byte) {
	var s segment
	if !s.parse(p) {
		return
	}
	i := index(s.dst)
	if i < 0 || i >= len(h.clients) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := &h.clients[i]
	switch {
	case s.Flags.Has(wire.SYN) && c.step == synSent:
		c.step, c.scale = gapSent, s.Options.Has(wire.OptWindowScale)
		h.say(c, c.segment(&s, 0, ""), c.segment(&s, 1, "b"))
	case s.Flags.Has(wire.SYN) || s.Flags.Has(wire.RST):
	case c.step == gapSent && len(s.payload) == 0:
		c.step, c.sack = allSent, s.Options.SACKBlocks > 0
		h.say(c, c.segment(&s, 0, "ab"))
	case c.step == allSent && len(s.payload) >= replySize:
		c.step, c.took = finished, time.Since(c.begun)
		h.done.Add(1)
		bye := c.segment(&s, 2, "")
		bye.Flags |= wire.RST
		h.say(c, bye)
	}
}

// segment answers s, offset bytes further on.
func (c *honestClient) segment(s *segment, offset int, payload string) segment {
	a := s.answer(wire.ACK)
	a.Seq = a.Seq.Add(seq.Size(offset))
	if s.Flags.Has(wire.FIN) || len(s.payload) > 0 {
		a.Seq = s.Ack
	}
	a.payload = []byte(payload)
	a.Window = 65535
	if c.scale {
		a.Window = (replySize + 1<<synScale - 1) >> synScale
	}
	return a
}

// say sends segments, and again later when nothing comes of them.
func (h *honestCrowd) say(c *honestClient, segments ...segment) {
	c.last, c.packets = time.Now(), [2][]byte{}
	for i := range segments {
		c.packets[i] = segments[i].append(nil)
		h.out = append(h.out, c.packets[i])
	}
}

// summary counts who got in, and with SACK and window scale, and how long it
// took.
func (h *honestCrowd) summary() (in, full int, p50, p99 float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var took []time.Duration
	for _, c := range h.clients {
		if c.step != finished {
			continue
		}
		took = append(took, c.took)
		if c.sack && c.scale {
			full++
		}
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		p50, p99 = microseconds(took[n/2]), microseconds(took[n*99/100])
	}
	return len(took), full, p50, p99
}
