package inspect

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/tcp"
)

// Report is what was seen of one host at one moment.
type Report struct {
	Header
	Rows []Row `json:"connections"` // listeners first
}

// Header is a Report without its rows.
type Header struct {
	Source  string    `json:"source"`         // "handfast" or "kernel"
	Name    string    `json:"name,omitempty"` // what the program calls itself
	PID     int       `json:"pid,omitempty"`
	Time    time.Time `json:"time"`
	Omitted int       `json:"omitted,omitempty"` // rows that were too many

	Links   []Link   `json:"links,omitempty"`
	Defence *Defence `json:"defence,omitempty"`
	Flood   *Flood   `json:"flood,omitempty"`
	// Counters are by group and name, as Linux has them.
	Counters map[string]map[string]uint64 `json:"counters,omitempty"`
	Drops    map[string]uint64            `json:"drops,omitempty"` // received packets by why they were not used
}

// Link is one of the host's links.
type Link struct {
	Name string `json:"name"`
	Gone string `json:"gone,omitempty"` // why it works no more
}

// Defence is tcp.Defence in words.
type Defence struct {
	HalfOpen       int    `json:"half_open"`
	MaxHalfOpen    int    `json:"max_half_open"`
	SynAckRetries  int    `json:"synack_retries"` // at present
	Cookies        string `json:"cookies"`        // off, auto, always
	SendingCookies bool   `json:"sending_cookies"`
	Attack         bool   `json:"attack"`
	Attacks        uint64 `json:"attacks"` // how often the attack mode was entered
	AttackEnter    int    `json:"attack_enter,omitempty"`
	AttackLeave    int    `json:"attack_leave,omitempty"`
}

// Flood is a detector's verdict.
type Flood struct {
	Level   string             `json:"level"`
	Text    string             `json:"text"` // one line, to be searched for
	Reasons []string           `json:"reasons,omitempty"`
	Numbers map[string]float64 `json:"numbers,omitempty"`
}

// Row is a connection or a listener.
type Row struct {
	Proto   string   `json:"proto"` // tcp or tcp6
	State   State    `json:"state"`
	Local   Endpoint `json:"local"`
	Remote  Endpoint `json:"remote"`
	RecvQ   int      `json:"recv_q"` // bytes; of a listener: connections that wait for Accept
	SendQ   int      `json:"send_q"` // bytes; of a listener: how many may
	Timer   string   `json:"timer,omitempty"`
	Expires Seconds  `json:"timer_seconds,omitempty"`
	Retrans int      `json:"timer_retrans,omitempty"`
	UID     int      `json:"uid,omitempty"`   // the kernel's
	Inode   uint32   `json:"inode,omitempty"` // the kernel's
	Listen  *Listen  `json:"listen,omitempty"`
	Details *Details `json:"details,omitempty"`
	Process *Process `json:"process,omitempty"`
}

// Process is who has a connection.
type Process struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
}

// Listen is what a listener has been asked for so far.
type Listen struct {
	HalfOpen  int    `json:"half_open"`
	SYNs      uint64 `json:"syns"`
	Completed uint64 `json:"completed"`
	Overflows uint64 `json:"overflows"`
	Drops     uint64 `json:"drops"`
}

// Endpoint is one end of a connection. An address that is not valid is every
// one of both families.
type Endpoint struct {
	Addr netip.Addr `json:"addr"`
	Port uint16     `json:"port"` // 0: every port
}

func endpoint(a netip.AddrPort) Endpoint { return Endpoint{a.Addr(), a.Port()} }

// String writes the end as ss does: 10.0.0.1:80, [::1]:80, *:80, 0.0.0.0:*.
func (e Endpoint) String() string { return e.host() + ":" + e.port(nil) }

func (e Endpoint) host() string {
	switch {
	case !e.Addr.IsValid():
		return "*"
	case e.Addr.Is6():
		return "[" + e.Addr.String() + "]"
	}
	return e.Addr.String()
}

// port returns the port's number, or its name if service knows one.
func (e Endpoint) port(service func(uint16) string) string {
	if e.Port == 0 {
		return "*"
	}
	if service != nil {
		if name := service(e.Port); name != "" {
			return name
		}
	}
	return strconv.Itoa(int(e.Port))
}

// State is a tcp.State that is written with its RFC name in JSON.
type State tcp.State

// MarshalText returns the RFC's name.
func (s State) MarshalText() ([]byte, error) { return []byte(tcp.State(s).String()), nil }

// UnmarshalText takes any of the five spellings.
func (s *State) UnmarshalText(b []byte) error {
	for st := range tcp.State(tcp.NumStates) {
		for sp := range tcp.Windows + 1 {
			if st.Name(sp) == string(b) {
				*s = State(st)
				return nil
			}
		}
	}
	return &json.UnmarshalTypeError{Value: "string " + string(b)}
}

// Name returns the state's name in the given spelling.
func (s State) Name(sp tcp.Spelling) string { return tcp.State(s).Name(sp) }

// Seconds is a duration that is written in seconds in JSON.
type Seconds time.Duration

// MarshalJSON returns the number of seconds.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}

// UnmarshalJSON takes a number of seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	*s = Seconds(time.Duration(f*1e9 + 0.5))
	return err
}

// Collect looks at a host. name is what the program calls itself. No more than
// limit connections are kept, the first ones; 0 is no limit.
func Collect(h *handfast.Host, name string, limit int) *Report {
	r := &Report{Header: header(h, name)}
	for l := range h.Listeners() {
		r.Rows = append(r.Rows, listenRow(l))
	}
	for c := range h.Connections() {
		if limit > 0 && len(r.Rows) >= limit {
			r.Omitted++
			continue
		}
		r.Rows = append(r.Rows, connRow(&c))
	}
	return r
}

func listenRow(l *handfast.TCPListener) Row {
	s := l.Stats()
	r := Row{Proto: "tcp", State: State(tcp.Listen), Local: endpoint(l.AddrPort()), RecvQ: s.Waiting, SendQ: s.Backlog,
		Listen: &Listen{s.HalfOpen, s.SYNs, s.Completed, s.Overflows, s.Drops}}
	switch {
	case !r.Local.Addr.IsValid():
	case r.Local.Addr.Is4():
		r.Remote.Addr = netip.IPv4Unspecified()
	default:
		r.Remote.Addr = netip.IPv6Unspecified()
	}
	r.Proto = r.proto()
	return r
}

// proto is what netstat calls it.
func (r *Row) proto() string {
	if r.Local.Addr.Is4() {
		return "tcp"
	}
	return "tcp6"
}

func connRow(c *handfast.ConnInfo) Row {
	r := Row{State: State(c.State), Local: endpoint(c.Local), Remote: endpoint(c.Remote), RecvQ: c.ReceiveQueue, SendQ: c.SendQueue}
	r.Proto = r.proto()
	if c.Info.Expires > 0 {
		r.Timer, r.Expires, r.Retrans = timerName(c.Info.Timer), Seconds(c.Info.Expires), int(max(c.Info.Retransmits, c.Info.Probes))
	}
	if c.Info.SndMSS > 0 {
		r.Details = details(&c.Info)
	}
	return r
}

// timerName returns what ss calls a timer.
func timerName(t tcp.Timer) string {
	return [...]string{tcp.TimerRetransmit: "on", tcp.TimerPersist: "persist", tcp.TimerDelayedAck: "delack",
		tcp.TimerKeepAlive: "keepalive", tcp.TimerLife: "timewait"}[t]
}
