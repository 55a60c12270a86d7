package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
)

// eventLine is what is drawn of an event as ss --events --json writes it.
type eventLine struct {
	Time    float64       `json:"time"`
	Event   string        `json:"event"`
	From    inspect.State `json:"from"`
	State   inspect.State `json:"state"`
	Cause   string        `json:"cause"`
	Timer   string        `json:"timer"`
	Drop    string        `json:"drop"`
	Segment *struct {
		Flags      string  `json:"flags"`
		Seq        uint32  `json:"seq"`
		Ack        *uint32 `json:"ack"`
		Win        uint16  `json:"win"`
		Len        int     `json:"len"`
		Retransmit bool    `json:"retransmit"`
		ISS        uint32  `json:"iss"`
		IRS        uint32  `json:"irs"`
	} `json:"segment"`
}

// tell asks a host for the last events of a connection and makes a ladder of them; nil: none
// are kept of it.
func (o *topOptions) tell(ctx context.Context, c *pulse.Conn) (*story.Telling, error) {
	if o.kernel || tcp.State(c.State) == tcp.Listen {
		return nil, nil
	}
	asked, err := o.instances()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	for _, i := range asked {
		if i.PID != c.PID || i.Name != c.Host {
			continue
		}
		body, err := i.Events(ctx, handfast.EventFilter{Local: netip.AddrPortFrom(c.Local.Addr, c.Local.Port), Remote: netip.AddrPortFrom(c.Remote.Addr, c.Remote.Port)}, true)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		return ladderOf(body, c, o.stdout.lang)
	}
	return nil, nil
}

// ladderOf makes a ladder of events, a line each. Ours is the lane on the right.
func ladderOf(events io.Reader, c *pulse.Conn, lang story.Lang) (*story.Telling, error) {
	t := &story.Telling{Lanes: []story.Head{{Title: say.Text{"peer", "对端"}[lang] + "\n" + c.Remote.String(), Plain: true}, {Title: c.Host + "\n" + c.Local.String()}}}
	flow := story.Flow{Us: story.Right, Peer: story.Left, Lang: lang}
	lines := bufio.NewScanner(events)
	for lines.Scan() {
		var e eventLine
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, err
		}
		if told, ok := e.event(); ok {
			t.Steps = append(t.Steps, flow.Step(&told))
		}
	}
	if err := lines.Err(); err != nil || len(t.Steps) == 0 {
		return nil, err
	}
	return t, nil
}

// event is what a ladder shows of a line: all but timers, whose segments show them.
func (e *eventLine) event() (told tcp.Event, ok bool) {
	told.Time = clock.Time(e.Time * float64(time.Second))
	if e.Event == tcp.StateChanged.String() {
		told.Kind, told.From, told.State = tcp.StateChanged, tcp.State(e.From), tcp.State(e.State)
		told.Cause = spoken(tcp.CauseReuse+1, e.Cause)
		return told, true
	}
	s := e.Segment
	if s == nil {
		return told, false
	}
	switch told.Kind = tcp.SegmentReceived; e.Event {
	case tcp.SegmentSent.String():
		told.Kind = tcp.SegmentSent
	case tcp.SegmentDropped.String():
		told.Kind, told.Drop = tcp.SegmentDropped, spoken(wire.Drop(wire.NumDrops), e.Drop)
	}
	told.ISS, told.IRS, told.Len, told.Retransmit = s.ISS, s.IRS, s.Len, s.Retransmit
	told.Segment = wire.TCP{Seq: seq.Num(s.Seq), Window: s.Win}
	for bit := wire.Flags(1); bit != 0; bit <<= 1 {
		if name := bit.String(); len(name) == 1 && strings.Contains(s.Flags, name) {
			told.Segment.Flags |= bit
		}
	}
	if s.Ack != nil {
		told.Segment.Ack = seq.Num(*s.Ack)
	}
	return told, true
}

// spoken is the one of so many words that sounds so, and 0 without any.
func spoken[T interface {
	~uint8
	fmt.Stringer
}](all T, text string) T {
	for w := range all {
		if w.String() == text {
			return w
		}
	}
	return 0
}
