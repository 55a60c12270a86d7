package handfast

import (
	"iter"
	"net/netip"
	"reflect"
	"slices"

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
	now := s.enter()
	defer s.mu.Unlock()
	all := make([]ConnInfo, 0, s.tcp.Len())
	for e := range s.tcp.All {
		info := e.Info(now)
		all = append(all, connInfo(e.Tuple(), info))
	}
	s.tcp.Compact(now, func(c tcp.CompactInfo) bool {
		info := tcp.Info{State: c.State, Expires: c.Expires, Retransmits: c.Retrans, Timer: tcp.TimerLife}
		if c.State == tcp.SynReceived {
			info.Timer = tcp.TimerRetransmit
		}
		all = append(all, connInfo(c.Tuple, info))
		return true
	})
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
	now := s.enter()
	defer s.leave(now)
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
	h.mu.Lock()
	all := make([]UDPInfo, 0, len(h.sockets))
	for u := range h.sockets {
		all = append(all, u.info())
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b UDPInfo) int { return a.Local.Compare(b.Local) })
	return slices.Values(all)
}

// info looks at u. The caller holds the host's lock.
func (u *UDPConn) info() UDPInfo {
	i := UDPInfo{Local: u.network.addrPort(u.local)}
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
	return i
}

// EphemeralPorts returns the first and the last of the ports that are chosen
// when a program names none: Config.FirstPort and LastPort.
func (h *Host) EphemeralPorts() (first, last uint16) { return h.cfg.FirstPort, h.cfg.LastPort }

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
// to sum's.
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
