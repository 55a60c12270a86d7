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
	"github.com/handfast-tcp/handfast/engine/tcp"
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
	lines := bufio.NewScanner(events)
	for lines.Scan() {
		var e eventLine
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, err
		}
		if s, ok := e.step(); ok {
			t.Steps = append(t.Steps, s)
		}
	}
	if err := lines.Err(); err != nil || len(t.Steps) == 0 {
		return nil, err
	}
	return t, nil
}

// step is what a ladder shows of an event: all but timers, whose segments show them.
func (e *eventLine) step() (story.Step, bool) {
	at := clock.Time(e.Time * float64(time.Second))
	switch {
	case e.Event == tcp.StateChanged.String():
		return story.Changed(at, story.Right, tcp.State(e.From), tcp.State(e.State), e.Cause), true
	case e.Segment == nil:
		return story.Step{}, false
	}
	s := story.Step{Time: at, Kind: story.Arrow, Lane: story.Left, To: story.Right, Text: e.Drop}
	ours, theirs := e.Segment.IRS, e.Segment.ISS // the first numbers of who sends, and of the other
	if e.Event == tcp.SegmentSent.String() {
		s.Lane, s.To, ours, theirs = story.Right, story.Left, theirs, ours
	}
	if strings.Contains(e.Segment.Flags, "S") {
		ours = e.Segment.Seq
	}
	s.Fields = []string{"[" + strings.Trim(e.Segment.Flags, "[]") + "]", fmt.Sprintf("seq %d", e.Segment.Seq-ours)}
	if e.Segment.Len > 0 {
		s.Fields[1] = fmt.Sprintf("seq %d:%d", e.Segment.Seq-ours, e.Segment.Seq-ours+uint32(e.Segment.Len))
	}
	if e.Segment.Ack != nil {
		s.Fields = append(s.Fields, fmt.Sprintf("ack %d", *e.Segment.Ack-theirs))
	}
	s.Fields = append(s.Fields, fmt.Sprintf("win %d", e.Segment.Win))
	if e.Segment.Retransmit && s.Text == "" {
		s.Text = "retransmitted"
	}
	return s, true
}
