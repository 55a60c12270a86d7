package handfast

import (
	"iter"
	"net/netip"
	"reflect"

	"github.com/handfast-tcp/handfast/host"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/wire"
)

// ConnInfo is what a connection looked like at one moment.
type ConnInfo struct {
	Local, Remote netip.AddrPort
	State         tcp.State
	ReceiveQueue  int // bytes that have arrived in order and wait for the program
	SendQueue     int // bytes that were written and are not acknowledged
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
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]ConnInfo, 0, s.tcp.Len())
	for e := range s.tcp.All {
		c := connInfo(e.Tuple(), e.State())
		c.ReceiveQueue, c.SendQueue = e.Buffered(), e.Unsent()
		all = append(all, c)
	}
	for t, state := range s.tcp.Compact {
		all = append(all, connInfo(t, state))
	}
	return all
}

func connInfo(t wire.Tuple, state tcp.State) ConnInfo {
	return ConnInfo{
		Local:  netip.AddrPortFrom(t.Local.Netip(), t.LocalPort),
		Remote: netip.AddrPortFrom(t.Remote.Netip(), t.RemotePort),
		State:  state,
	}
}

// Counters returns what the host has counted since it was made, all shards
// together, under Linux's names.
func (h *Host) Counters() host.Counters {
	var sum host.Counters
	for _, s := range h.shards {
		s.mu.Lock()
		addCounters(reflect.ValueOf(&sum).Elem(), reflect.ValueOf(s.host.Counters()).Elem())
		s.mu.Unlock()
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
