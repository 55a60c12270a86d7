// Package sample has the events of a few connections, for the tests of
// packages that show events.
package sample

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Both streams begin just below 2^32, so that every relative number wraps.
const (
	iss = seq.Num(0xffff_fff0)
	irs = seq.Num(0xffff_ff00)
)

// Connection builds the events of one connection as its server reports them.
type Connection struct {
	Tuple  wire.Tuple
	Events []tcp.Event

	now   clock.Time
	state tcp.State
}

func newConnection() *Connection {
	return &Connection{now: clock.Time(time.Hour), state: tcp.Listen, Tuple: wire.Tuple{
		Local: addr(10, 77, 0, 2), LocalPort: 80, Remote: addr(10, 77, 0, 1), RemotePort: 43210}}
}

func addr(a, b, c, d byte) wire.Addr { return wire.AddrFrom16([16]byte{10: 0xff, 0xff, a, b, c, d}) }

func (s *Connection) wait(d time.Duration) *Connection { s.now = s.now.Add(d); return s }

func (s *Connection) add(e tcp.Event) *Connection {
	e.Time, e.Tuple, e.State = s.now, s.Tuple, s.state
	e.ISS, e.IRS = uint32(iss), uint32(irs)
	s.Events = append(s.Events, e)
	return s
}

// Sent adds a segment with relative numbers and n bytes of text.
func (s *Connection) Sent(f wire.Flags, sequence, ack seq.Size, n int, more ...wire.Options) *Connection {
	return s.add(tcp.Event{Kind: tcp.SegmentSent, Len: n, Segment: header(f, iss.Add(sequence), irs.Add(ack), more)})
}

func (s *Connection) received(f wire.Flags, sequence, ack seq.Size, n int, more ...wire.Options) *Connection {
	return s.add(tcp.Event{Kind: tcp.SegmentReceived, Len: n, Segment: header(f, irs.Add(sequence), iss.Add(ack), more)})
}

// Last returns the event that was added last.
func (s *Connection) Last() *tcp.Event { return &s.Events[len(s.Events)-1] }

func header(f wire.Flags, sequence, ack seq.Num, more []wire.Options) wire.TCP {
	h := wire.TCP{Flags: f, Seq: sequence, Ack: ack, Window: 502}
	if f.Has(wire.SYN) {
		h.Window = 65535
	}
	if len(more) > 0 {
		h.Options = more[0]
	}
	return h
}

func (s *Connection) becomes(st tcp.State, why tcp.Cause) *Connection {
	from := s.state
	s.state = st
	s.add(tcp.Event{Kind: tcp.StateChanged, Cause: why})
	s.Last().From = from
	return s
}

func syn() wire.Options {
	return wire.Options{Set: wire.OptMSS | wire.OptSACKPermitted | wire.OptTimestamps | wire.OptWindowScale,
		MSS: 1460, TSVal: 305419896, WindowScale: 7}
}

// handshake is RFC 9293's figure 6 from the listener's side.
func handshake() *Connection {
	return newConnection().
		received(wire.SYN, 0, 0, 0, syn()).becomes(tcp.SynReceived, tcp.CauseSyn).
		wait(12*time.Microsecond).Sent(wire.SYN|wire.ACK, 0, 1, 0, syn()).
		wait(31*time.Microsecond).received(wire.ACK, 1, 1, 0).becomes(tcp.Established, tcp.CauseAckOfSyn)
}

// Visit is a whole connection in which the peer closes first.
func Visit() *Connection {
	return handshake().
		wait(time.Millisecond).received(wire.PSH|wire.ACK, 1, 1, 76).
		Sent(wire.ACK, 1, 77, 0).
		wait(time.Second).received(wire.FIN|wire.ACK, 77, 4000, 0).becomes(tcp.CloseWait, tcp.CauseFin).
		Sent(wire.ACK, 4000, 78, 0).
		wait(50*time.Microsecond).becomes(tcp.LastAck, tcp.CauseClose).Sent(wire.FIN|wire.ACK, 4000, 78, 0).
		wait(20*time.Microsecond).received(wire.ACK, 78, 4001, 0).becomes(tcp.Closed, tcp.CauseAckOfFin)
}

// Trouble is a connection on which everything out of the ordinary happens.
func Trouble() *Connection {
	s := handshake().wait(time.Millisecond).Sent(wire.PSH|wire.ACK, 1, 1, 65160)
	s.wait(200 * time.Millisecond).add(tcp.Event{Kind: tcp.TimerFired, Timer: tcp.TimerRetransmit})
	s.Sent(wire.PSH|wire.ACK, 1, 1, 1448).Last().Retransmit = true
	s.wait(time.Millisecond).received(wire.ACK, 1, 1449, 0, wire.Options{Set: wire.OptSACK, SACKBlocks: 3, SACK: [4]wire.SACKBlock{
		{Left: iss.Add(2897), Right: iss.Add(4345)}, {Left: iss.Add(1234567), Right: iss.Add(2345678)}, {Left: iss.Add(123456789), Right: iss.Add(223456789)}}})
	s.wait(time.Millisecond).received(wire.URG|wire.PSH|wire.ACK, 268435456, 268435456, 1448).Last().Segment.Urgent = 3
	s.received(wire.RST, 5, 0, 0).Last().Kind = tcp.SegmentDropped
	s.Last().Drop = wire.BlindReset
	return s.wait(100*time.Second).received(wire.RST|wire.ACK, 1, 65161, 0).becomes(tcp.Closed, tcp.CauseReset)
}
