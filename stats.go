package handfast

import (
	"iter"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// ListenerStats are what a listener has been asked for so far, and its queues
// at this moment.
type ListenerStats struct {
	tcp.ListenerStats
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
		n := part.Stats()
		sum.HalfOpen += s.tcp.HalfOpenOf(part)
		sum.Waiting += part.Waiting()
		s.mu.Unlock()
		addCounters(reflect.ValueOf(&sum.ListenerStats).Elem(), reflect.ValueOf(n))
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
	for _, group := range [...]string{"Icmp", "Tcp", "Udp", "Ip"} {
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
