package inspect

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Report is what was seen of one host at one moment.
type Report struct {
	Header
	Rows []Row `json:"connections"` // listeners first

	totals *account.Totals // of connections that have ended, for metrics
}

// Header is a Report without its rows.
type Header struct {
	Source  string    `json:"source"`         // "handfast" or "kernel"
	Name    string    `json:"name,omitempty"` // what the program calls itself
	PID     int       `json:"pid,omitempty"`
	Program string    `json:"program,omitempty"` // the name of its file
	Time    time.Time `json:"time"`
	Omitted int       `json:"omitted,omitempty"` // rows that were too many

	Links   []Link   `json:"links,omitempty"`
	Defence *Defence `json:"defence,omitempty"`
	Flood   *Flood   `json:"flood,omitempty"`
	// Counters are by group and name, as Linux has them.
	Counters map[string]map[string]uint64 `json:"counters,omitempty"`
	Drops    map[string]uint64            `json:"drops,omitempty"` // received packets by why they were not used
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

// Row is a connection, a listener or a UDP socket.
type Row struct {
	Proto     string   `json:"proto"` // tcp, tcp6, udp or udp6
	State     State    `json:"state"` // of UDP: ESTABLISHED when connected, else CLOSED
	Local     Endpoint `json:"local"`
	Remote    Endpoint `json:"remote"`
	Device    string   `json:"device,omitempty"`    // that the socket is bound to
	Link      string   `json:"link,omitempty"`      // of ours: the link that has the local address
	Autobound bool     `json:"autobound,omitempty"` // the local port is of those that are chosen when none is named
	RecvQ     int      `json:"recv_q"`              // bytes; of a listener: connections that wait for Accept
	SendQ     int      `json:"send_q"`              // bytes; of a listener: how many may
	Timer     string   `json:"timer,omitempty"`
	Expires   Seconds  `json:"timer_seconds,omitempty"`
	Retrans   int      `json:"timer_retrans,omitempty"`
	Orphan    bool     `json:"orphan,omitempty"` // its program has let go of it
	UID       int      `json:"uid,omitempty"`
	Inode     uint32   `json:"inode,omitempty"` // the kernel's
	Socket    *Socket  `json:"socket,omitempty"`
	Queue     *Fill    `json:"half_open,omitempty"` // of the kernel's listeners
	Listen    *Listen  `json:"listen,omitempty"`    // of ours
	Details   *Details `json:"details,omitempty"`
	Process   *Process `json:"process,omitempty"`
	// Sharers are further processes that hold the same socket.
	Sharers []Process `json:"sharers,omitempty"`
	Command string    `json:"command,omitempty"` // of ours: what the program calls itself
	// Defence is the host's, for listeners: see Report.Defend. JSON has it in the
	// header.
	Defence *Defence `json:"-"`
}

// UDP reports whether the row is a UDP socket.
func (r *Row) UDP() bool { return strings.HasPrefix(r.Proto, "udp") }

// netid is what ss calls the protocol: of both families the same.
func (r *Row) netid() string { return strings.TrimSuffix(r.Proto, "6") }

// Socket is what ss -e and ss --tos show of the socket itself.
type Socket struct {
	Cookie   uint64 `json:"cookie,omitempty"` // the kernel's
	Mark     uint32 `json:"mark,omitempty"`
	Cgroup   string `json:"cgroup,omitempty"`
	V6Only   *bool  `json:"v6only,omitempty"`   // nil: not of IPv6
	Shutdown *uint8 `json:"shutdown,omitempty"` // 1: nothing more is received, 2: nothing more is sent; nil: not known

	// The octet that DiffServ and ECN share in what is sent, of IPv4 and of IPv6; nil: not known.
	TOS    *uint8  `json:"tos,omitempty"`
	TClass *uint8  `json:"tclass,omitempty"`
	Class  *uint32 `json:"class_id,omitempty"` // the kernel's: of net_cls, or else the priority
}

// Fill is how full a queue is.
type Fill struct {
	Length int `json:"length"`
	Limit  int `json:"limit"`
}

// Process is who has a connection.
type Process struct {
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	FD      *int   `json:"fd,omitempty"`      // of the socket; a connection of ours has none
	Program string `json:"program,omitempty"` // how it was called, where that is another name
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
func (e Endpoint) String() string { return e.host() + ":" + e.port("", nil) }

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
func (e Endpoint) port(proto string, service func(proto string, port uint16) string) string {
	if e.Port == 0 {
		return "*"
	}
	if service != nil {
		if name := service(proto, e.Port); name != "" {
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
	st, err := tcp.ParseState(string(b))
	*s = State(st)
	return err
}

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
	totals := h.Totals()
	r := &Report{Header: header(h, name), totals: &totals}
	add := func(row Row) {
		if limit > 0 && len(r.Rows) >= limit {
			r.Omitted++
			return
		}
		r.Rows = append(r.Rows, row)
	}
	for l := range h.Listeners() {
		add(listenRow(l))
	}
	for u := range h.PacketConns() {
		add(udpRow(&u))
	}
	for c := range h.Connections() {
		add(connRow(&c))
	}
	r.place(h)
	return r
}

// Defend notes in the rows of listeners how SYN floods are met, for WriteSS with
// Extended.
func (r *Report) Defend() {
	for i := range r.Rows {
		if r.Rows[i].State == State(tcp.Listen) {
			r.Rows[i].Defence = r.Defence
		}
	}
}

// place notes on which link each row's local address is, and whether its port
// was chosen by the host.
func (r *Report) place(h *handfast.Host) {
	first, last := h.EphemeralPorts()
	at := map[netip.Addr]string{}
	for _, l := range h.Links() {
		for _, a := range l.Addresses {
			at[a.Addr()] = l.Name
		}
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		row.Link = at[row.Local.Addr]
		row.Autobound = row.Local.Port >= first && row.Local.Port <= last
	}
}

func listenRow(l *handfast.TCPListener) Row {
	s := l.Stats()
	r := Row{Proto: "tcp", State: State(tcp.Listen), Local: endpoint(l.AddrPort()), RecvQ: s.Waiting, SendQ: s.Backlog,
		Listen: &Listen{s.HalfOpen, s.SYNs, s.Completed, s.Overflows, s.Drops}}
	r.everyone()
	r.Proto = r.family("tcp")
	r.Socket = &Socket{Shutdown: new(uint8), V6Only: r.v6only()}
	return r
}

// everyone makes the remote end of a socket that is not connected every address
// of the families that it hears.
func (r *Row) everyone() {
	switch {
	case !r.Local.Addr.IsValid():
	case r.Local.Addr.Is4():
		r.Remote.Addr = netip.IPv4Unspecified()
	default:
		r.Remote.Addr = netip.IPv6Unspecified()
	}
}

// v6only says of a socket that hears IPv6 whether it hears nothing else.
func (r *Row) v6only() *bool {
	if r.Local.Addr.Is4() {
		return nil
	}
	only := r.Local.Addr.IsValid()
	return &only
}

// family is what netstat calls the protocol.
func (r *Row) family(proto string) string {
	if r.Local.Addr.Is4() {
		return proto
	}
	return proto + "6"
}

func udpRow(u *handfast.UDPInfo) Row {
	r := Row{State: State(tcp.Closed), Local: endpoint(u.Local), RecvQ: u.ReceiveQueue, Socket: &Socket{Shutdown: new(uint8)},
		Details: &Details{Memory: &[9]uint32{0: uint32(u.ReceiveQueue), 1: uint32(u.ReceiveBuffer)}}}
	r.Proto = r.family("udp")
	if u.Remote.IsValid() {
		r.State, r.Remote = State(tcp.Established), endpoint(u.Remote)
	} else {
		r.everyone()
		r.Socket.V6Only = r.v6only()
	}
	return r
}

func connRow(c *handfast.ConnInfo) Row {
	r := Row{State: State(c.State), Local: endpoint(c.Local), Remote: endpoint(c.Remote), RecvQ: c.ReceiveQueue, SendQ: c.SendQueue,
		Orphan: c.Info.Orphan}
	r.Proto = r.family("tcp")
	if c.Info.Expires > 0 {
		r.Timer, r.Expires, r.Retrans = timerName(c.Info.Timer), Seconds(c.Info.Expires), int(max(c.Info.Retransmits, c.Info.Probes))
	}
	if c.Info.SndMSS > 0 {
		r.Details = details(&c.Info)
		shut, tos := shutdownOf(c.State), c.Info.TOS
		r.Socket = &Socket{Shutdown: &shut}
		if r.Local.Addr.Is4() {
			r.Socket.TOS = &tos
		} else {
			r.Socket.TClass = &tos
		}
	}
	return r
}

// shutdownOf is which directions a FIN has closed: 1 received, 2 sent.
func shutdownOf(s tcp.State) uint8 {
	switch s {
	case tcp.CloseWait:
		return 1
	case tcp.FinWait1, tcp.FinWait2:
		return 2
	case tcp.LastAck, tcp.Closing, tcp.TimeWait, tcp.Closed:
		return 3
	}
	return 0
}

// timerName returns what ss calls a timer.
func timerName(t tcp.Timer) string {
	return [...]string{tcp.TimerRetransmit: "on", tcp.TimerPersist: "persist", tcp.TimerDelayedAck: "delack",
		tcp.TimerKeepAlive: "keepalive", tcp.TimerLife: "timewait"}[t]
}
