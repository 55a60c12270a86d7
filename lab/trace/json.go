package trace

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// line is an Event as JSON has it. Names are tcpdump's where it has one (win,
// len, wscale, sackOK), and Linux's otherwise.
type line struct {
	Time    seconds  `json:"time"` // seconds, nine digits
	Host    string   `json:"host,omitempty"`
	Peer    string   `json:"peer,omitempty"`
	Class   string   `json:"class"`
	Event   string   `json:"event,omitempty"`
	Packet  int      `json:"packet,omitempty"`
	Fate    string   `json:"fate,omitempty"`
	Text    string   `json:"text,omitempty"`
	Src     string   `json:"src,omitempty"`
	Sport   uint16   `json:"sport,omitempty"`
	Dst     string   `json:"dst,omitempty"`
	Dport   uint16   `json:"dport,omitempty"`
	From    string   `json:"from,omitempty"`
	State   string   `json:"state,omitempty"`
	Cause   string   `json:"cause,omitempty"`
	Timer   string   `json:"timer,omitempty"`
	Drop    string   `json:"drop,omitempty"`
	Segment *segment `json:"segment,omitempty"`
	Why     string   `json:"why,omitempty"`
}

type segment struct {
	Flags      string      `json:"flags"`
	Seq        uint32      `json:"seq"`
	Ack        *uint32     `json:"ack,omitempty"`
	Win        uint16      `json:"win"`
	Urg        uint16      `json:"urg,omitempty"`
	Len        int         `json:"len"`
	Retransmit bool        `json:"retransmit,omitempty"`
	MSS        *uint16     `json:"mss,omitempty"`
	WScale     *uint8      `json:"wscale,omitempty"`
	SackOK     bool        `json:"sackOK,omitempty"`
	TSVal      *uint32     `json:"tsval,omitempty"`
	TSEcr      *uint32     `json:"tsecr,omitempty"`
	SACK       [][2]uint32 `json:"sack,omitempty"`
	UTO        uint32      `json:"uto,omitempty"` // in seconds
	AccECN     string      `json:"accECN,omitempty"`
	FastOpen   string      `json:"fastOpen,omitempty"`
	Auth       string      `json:"auth,omitempty"` // TCP-AO
	ISS        uint32      `json:"iss,omitempty"`  // of the one whose event it is
	IRS        uint32      `json:"irs,omitempty"`
}

// seconds is a time that is written with all its nanoseconds.
type seconds time.Duration

// MarshalJSON writes it as a number.
func (s seconds) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%09d", int64(s)/1e9, int64(s)%1e9), nil
}

// AppendJSON appends the event as one JSON object, without a newline. Its time
// is counted from start; why explains the event and may be empty. Sequence
// numbers are as on the wire; iss and irs make them relative. Fields that say
// nothing are left out; their order is always the same.
func AppendJSON(b []byte, e *Event, start clock.Time, why string) []byte {
	l := line{Time: seconds(e.Time.Sub(start)), Host: e.Host, Peer: e.Peer, Class: e.Class.String(), Packet: e.Packet,
		Fate: e.Fate.String(), Text: e.Text, Why: why}
	if e.IsTCP() {
		l.event(&e.Event)
	}
	text, err := json.Marshal(&l)
	if err != nil {
		panic(err) // nothing in a line can fail
	}
	return append(b, text...)
}

func (l *line) event(e *tcp.Event) {
	l.Event = e.Kind.String()
	l.State = e.State.String()
	switch e.Kind {
	case tcp.StateChanged:
		l.From, l.Cause = e.From.String(), e.Cause.String()
	case tcp.TimerFired:
		l.Timer = e.Timer.String()
	default:
		l.Segment = jsonSegment(e)
	}
	if e.Drop != wire.None {
		l.Drop = e.Drop.String()
	}
	t := e.Tuple
	if e.Kind == tcp.SegmentReceived || e.Kind == tcp.SegmentDropped {
		t = t.Reverse()
	}
	if t.LocalPort != 0 || t.RemotePort != 0 {
		l.Src, l.Sport, l.Dst, l.Dport = t.Local.String(), t.LocalPort, t.Remote.String(), t.RemotePort
	}
}

func jsonSegment(e *tcp.Event) *segment {
	h, o := &e.Segment, &e.Segment.Options
	s := &segment{Flags: h.Flags.String(), Seq: uint32(h.Seq), Win: h.Window, Urg: h.Urgent, Len: e.Len,
		Retransmit: e.Retransmit, SackOK: o.Has(wire.OptSACKPermitted), ISS: e.ISS, IRS: e.IRS}
	if h.Flags.Has(wire.ACK) {
		ack := uint32(h.Ack)
		s.Ack = &ack
	}
	if o.Has(wire.OptMSS) {
		s.MSS = &o.MSS
	}
	if o.Has(wire.OptWindowScale) {
		s.WScale = &o.WindowScale
	}
	if o.Has(wire.OptTimestamps) {
		s.TSVal, s.TSEcr = &o.TSVal, &o.TSEcr
	}
	if o.Has(wire.OptUserTimeout) {
		s.UTO = uint32(o.UserTimeout.Duration() / time.Second)
	}
	if o.Has(wire.OptAccECN) {
		s.AccECN = o.AccECNString()
	}
	if o.Has(wire.OptFastOpen) {
		s.FastOpen = o.FastOpenString()
	}
	if o.Has(wire.OptAuth) {
		s.Auth = o.Auth().String()
	}
	if o.Has(wire.OptSACK) {
		for _, k := range o.SACK[:min(int(o.SACKBlocks), len(o.SACK))] {
			s.SACK = append(s.SACK, [2]uint32{uint32(k.Left), uint32(k.Right)})
		}
	}
	return s
}
