package handfast

import (
	"iter"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// ConnInfo is what a connection looked like at one moment.
type ConnInfo struct {
	Local, Remote netip.AddrPort
	State         tcp.State
	ReceiveQueue  int // bytes that have arrived in order and wait for the program
	SendQueue     int // bytes that were written and are not acknowledged
	// Info is all that is known of a connection that is more than half-open and
	// not a TIME-WAIT one whose program has gone. Of those only State, Timer,
	// Expires and Retransmits are set.
	Info tcp.Info
}

// Info returns what c looks like: what Linux' TCP_INFO tells of a socket. It fails with
// net.ErrClosed after Close.
func (c *TCPConn) Info() (tcp.Info, error) {
	s := c.shard
	now := s.lock()
	defer s.mu.Unlock()
	if err := c.dead(); err != nil {
		return tcp.Info{}, c.opError("get", err)
	}
	return c.entry.Info(now), nil
}

// Connections returns what the host's connections look like, half-open ones and
// those in TIME-WAIT included: one moment for each shard. It holds no lock while the program looks at them.
func (h *Host) Connections() iter.Seq[ConnInfo] {
	return func(yield func(ConnInfo) bool) {
		for _, s := range h.shards {
			for _, c := range s.connections() {
				if !yield(c) {
					return
				}
			}
		}
	}
}

func (s *shard) connections() []ConnInfo {
	now := s.lock()
	defer s.mu.Unlock()
	// Copied under the lock, all of a shard at once, so that what is counted belongs
	// together; whoever prints a million of them holds nobody up.
	all := make([]ConnInfo, 0, s.tcp.Len())
	for e := range s.tcp.All {
		info := e.Info(now)
		all = append(all, connInfo(e.Tuple(), info))
	}
	for t, info := range s.tcp.Compact(now) {
		all = append(all, connInfo(t, info))
	}
	return all
}

func connInfo(t wire.Tuple, info tcp.Info) ConnInfo {
	return ConnInfo{
		Local:        netip.AddrPortFrom(t.Local.Netip(), t.LocalPort),
		Remote:       netip.AddrPortFrom(t.Remote.Netip(), t.RemotePort),
		State:        info.State,
		ReceiveQueue: info.RecvQ,
		SendQueue:    info.SendQ,
		Info:         info,
	}
}

// Kill ends the connection with these ends, half-open ones and those in
// TIME-WAIT included, although its program has not asked for it: the peer gets a
// reset, and the program's calls fail with ECONNABORTED, as with Linux's
// SOCK_DESTROY. It reports whether there was one. It is for who administers the
// program.
func (h *Host) Kill(local, remote netip.AddrPort) bool {
	t := wire.Tuple{Local: wire.AddrFrom(local.Addr()), LocalPort: local.Port(),
		Remote: wire.AddrFrom(remote.Addr()), RemotePort: remote.Port()}
	s := h.shardOf(t)
	now := s.lock()
	defer s.flushAndUnlock(now)
	return s.err == nil && s.tcp.Kill(now, t)
}

// UDPInfo is what a UDP socket looked like at one moment.
type UDPInfo struct {
	// Local's address is not valid when it is every one of both families, and
	// Remote is not valid when the socket is not connected.
	Local, Remote netip.AddrPort
	ReceiveQueue  int // bytes of memory that hold datagrams which wait for the program
	ReceiveBuffer int // bytes that may
}

// PacketConns returns what the host's UDP sockets look like, by port.
func (h *Host) PacketConns() iter.Seq[UDPInfo] {
	// All at once and then without the lock: whoever ranges over them may open or close one.
	h.mu.Lock()
	all := make([]UDPInfo, 0, len(h.sockets))
	for u := range h.sockets {
		if i, isUDP := u.info(); isUDP {
			all = append(all, i)
		}
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b UDPInfo) int { return a.Local.Compare(b.Local) })
	return slices.Values(all)
}

// info looks at u. The caller holds the host's lock.
func (u *UDPConn) info() (i UDPInfo, isUDP bool) {
	if u.ping {
		return i, false
	}
	i = UDPInfo{Local: u.network.addrPort(u.local)}
	if u.remote != (endpoint{}) {
		i.Remote = netip.AddrPortFrom(u.remote.addr.Netip(), u.remote.port)
	}
	for n, part := range u.parts {
		s := u.owner.shards[n]
		s.mu.Lock()
		bytes, limit := part.Queued()
		s.mu.Unlock()
		i.ReceiveQueue += bytes
		i.ReceiveBuffer += limit
	}
	return i, true
}

// EphemeralPorts returns the first and the last of the ports that are chosen
// when a program names none: Config.FirstPort and LastPort.
func (h *Host) EphemeralPorts() (first, last uint16) { return h.cfg.FirstPort, h.cfg.LastPort }

// BufferMemory returns how many bytes the buffers of all connections hold and may
// hold, and whether that is short in any shard: see Config.BufferMemory.
func (h *Host) BufferMemory() (used, most int64, short bool) {
	for _, s := range h.shards {
		s.mu.Lock()
		n, limit, pressed := s.tcp.BufferMemory()
		s.mu.Unlock()
		used, most, short = used+n, most+limit, short || pressed
	}
	return used, most, short
}

// Counters are what a host has counted since it was made, under Linux's names.
type Counters struct {
	host.Counters
	TCP tcp.Counters
}

// Counters returns the host's counters, all shards together.
func (h *Host) Counters() Counters {
	var sum Counters
	for _, s := range h.shards {
		s.mu.Lock()
		n := Counters{*s.host.Counters(), s.tcp.Counters()}
		s.mu.Unlock()
		addCounters(reflect.ValueOf(&sum).Elem(), reflect.ValueOf(n))
	}
	return sum
}

// addCounters adds every field of c, which are numbers and arrays of numbers,
// to sum's. By reflection: a counter that is new is summed without a line here, and
// nobody asks a thousand times a second.
func addCounters(sum, c reflect.Value) {
	switch sum.Kind() {
	case reflect.Uint64:
		sum.SetUint(sum.Uint() + c.Uint())
	case reflect.Array:
		for i := range sum.Len() {
			addCounters(sum.Index(i), c.Index(i))
		}
	case reflect.Struct:
		for i := range sum.NumField() {
			addCounters(sum.Field(i), c.Field(i))
		}
	}
}

// ListenerStats are what a listener has been asked for so far, and its queues
// at this moment.
type ListenerStats struct {
	SYNs      uint64 // that came for it; one that is repeated while its entry is kept counts once
	Completed uint64 // handshakes
	Overflows uint64 // SYNs and last ACKs that found the accept queue full
	Drops     uint64 // SYNs that were dropped, for any reason

	HalfOpen int // connections that wait for the last ACK of their handshake
	Waiting  int // connections that wait for Accept
	Backlog  int // how many may
}

// Stats returns the listener's figures, all shards together. A listener that is
// closed has none.
func (l *TCPListener) Stats() (sum ListenerStats) {
	l.owner.mu.Lock()
	defer l.owner.mu.Unlock()
	for i, part := range l.parts {
		s := l.owner.shards[i]
		s.mu.Lock()
		sum.SYNs += part.SYNs
		sum.Completed += part.Completed
		sum.Overflows += part.Overflows
		sum.Drops += part.Drops
		sum.HalfOpen += s.tcp.HalfOpenOf(part)
		sum.Waiting += part.Waiting()
		s.mu.Unlock()
		sum.Backlog += part.Backlog
	}
	return sum
}

// AddrPort returns where l listens. The address is not valid when it is every
// one of both families.
func (l *TCPListener) AddrPort() netip.AddrPort { return l.network.addrPort(l.local) }

// Listeners returns the host's listeners by port: those that there are now.
func (h *Host) Listeners() iter.Seq[*TCPListener] {
	h.mu.Lock()
	var all []*TCPListener
	for _, same := range h.listeners {
		all = append(all, same...)
	}
	h.mu.Unlock()
	slices.SortStableFunc(all, func(a, b *TCPListener) int { return int(a.local.port) - int(b.local.port) })
	return slices.Values(all)
}

// tcpGroup are the counters of tcp.Counters that Linux has in the group Tcp;
// the others are in TcpExt.
var tcpGroup = []string{"ActiveOpens", "PassiveOpens", "OutRsts", "RetransSegs"}

// All returns the counters by group and name, as Linux has them in
// /proc/net/snmp and /proc/net/netstat: "TcpExt", "SyncookiesSent". What was
// dropped, and why, is in Drops alone.
func (c *Counters) All() iter.Seq2[[2]string, uint64] {
	return func(yield func([2]string, uint64) bool) {
		if eachCounter(reflect.ValueOf(c.Counters), hostCounterName, yield) {
			eachCounter(reflect.ValueOf(c.TCP), tcpCounterName, yield)
		}
	}
}

func eachCounter(v reflect.Value, name func(string) [2]string, yield func([2]string, uint64) bool) bool {
	for i := range v.NumField() {
		n := name(v.Type().Field(i).Name)
		if n[0] != "" && v.Field(i).Kind() == reflect.Uint64 && !yield(n, v.Field(i).Uint()) {
			return false
		}
	}
	return true
}

// hostCounterName splits TcpInSegs into Tcp and InSegs.
func hostCounterName(field string) [2]string {
	for _, group := range [...]string{"Icmp", "Tcp", "Udp", "IpExt", "Ip"} {
		if rest, ok := strings.CutPrefix(field, group); ok {
			return [2]string{group, rest}
		}
	}
	return [2]string{}
}

func tcpCounterName(field string) [2]string {
	switch {
	case field == "InSegs" || field == "OutSegs": // the host counts them too, and damaged ones with them
		return [2]string{}
	case slices.Contains(tcpGroup, field):
		return [2]string{"Tcp", field}
	}
	return [2]string{"TcpExt", field}
}

// FloodVerdict returns what the host makes of the handshakes that it is asked
// for: whether there is a SYN flood, a flash crowd, a port scan or a broken
// path, why, and what is done about it. It merges the verdicts of all shards, of which
// each is its own snapshot.
func (h *Host) FloodVerdict() detect.Verdict {
	all := make([]detect.Verdict, len(h.shards))
	for i, s := range h.shards {
		s.mu.Lock()
		all[i] = s.tcp.Flood(h.now())
		s.mu.Unlock()
	}
	return detect.Merge(all...)
}

// floodLog tells Config.Logger when the level of the verdict has changed.
type floodLog struct {
	mu    sync.Mutex
	level detect.Level // that was told last
}

// logFlood is run when a shard's level has changed, without any lock.
func (h *Host) logFlood() {
	h.flood.mu.Lock()
	defer h.flood.mu.Unlock()
	// The host's level is not the shard's: a flood that all of them see is one.
	v := h.FloodVerdict()
	if v.Level == h.flood.level {
		return
	}
	was := h.flood.level
	h.flood.level = v.Level
	h.howLoud(v.Level, was)(v.String(), "level", v.Level.String(), "was", was.String(), "reasons", v.Reasons)
}

// howLoud is how a change is told. What is only unusual is no alarm: people
// learn to ignore those.
func (h *Host) howLoud(now, was detect.Level) func(msg string, args ...any) {
	switch {
	case max(now, was) <= detect.Elevated:
		return h.cfg.Logger.Debug
	case now > was && now >= detect.BrokenPath:
		return h.cfg.Logger.Warn
	}
	return h.cfg.Logger.Info
}

// Defence returns how the host meets SYN floods: what is set, and what is in
// force in any of its shards. Entries are those of all shards together.
func (h *Host) Defence() (sum tcp.Defence) {
	for i, s := range h.shards {
		s.mu.Lock()
		d := s.tcp.Defence()
		s.mu.Unlock()
		if i == 0 {
			sum = d
			continue
		}
		sum.HalfOpen += d.HalfOpen
		sum.MaxHalfOpen += d.MaxHalfOpen
		sum.AttackEnter += d.AttackEnter
		sum.AttackLeave += d.AttackLeave
		sum.Attacks += d.Attacks
		sum.SynAckRetries = min(sum.SynAckRetries, d.SynAckRetries)
		sum.SendingCookies = sum.SendingCookies || d.SendingCookies
		sum.Attack = sum.Attack || d.Attack
	}
	return sum
}
