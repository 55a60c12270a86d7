package lan

import (
	"net/netip"
	"time"
)

// A lease is short, because machines come and go without a word, and an offer shorter, because
// a machine that does not take it does not say so.
const (
	leaseTime = time.Hour
	offerTime = time.Minute // for which an offer is kept
)

// leases are the addresses of a network, and who has them: at most as many as there
// are addresses. When all are taken a new machine gets none.
type leases struct {
	first, last netip.Addr
	holders     map[string]lease // by hardware address
	taken       map[netip.Addr]string
}

type lease struct {
	address netip.Addr
	until   time.Time
}

// newLeases returns those of all addresses behind the gateway's, up to the broadcast
// address.
func newLeases(gateway netip.Prefix) *leases {
	l := &leases{first: gateway.Addr().Next(), holders: map[string]lease{}, taken: map[netip.Addr]string{}}
	for a := l.first; gateway.Contains(a.Next()); a = a.Next() {
		l.last = a
	}
	return l
}

func (l *leases) isInside(a netip.Addr) bool {
	return a.IsValid() && !a.Less(l.first) && !l.last.Less(a)
}

// isFree reports whether an address is nobody's now, or the machine's own.
func (l *leases) isFree(now time.Time, a netip.Addr, machine string) bool {
	holder, taken := l.taken[a]
	return l.isInside(a) && (!taken || holder == machine || now.After(l.holders[holder].until))
}

// give returns the address of a machine for a time: the one that it has, or the one that
// it would like, or the first that nobody has had, or whose lease ended the longest ago.
func (l *leases) give(now time.Time, machine string, wanted netip.Addr, time time.Duration) (netip.Addr, bool) {
	a := wanted
	if have, ok := l.holders[machine]; ok {
		a = have.address
	} else if !l.isFree(now, a, machine) {
		if a = l.choose(now); !a.IsValid() {
			return a, false
		}
	}
	if before, ok := l.taken[a]; ok && before != machine {
		delete(l.holders, before)
	}
	l.taken[a] = machine
	l.holders[machine] = lease{a, now.Add(time)}
	return a, true
}

// choose finds an address for a new machine. One that nobody has had comes first: a machine
// that comes back finds its own free for as long as possible.
func (l *leases) choose(now time.Time) (best netip.Addr) {
	var ended time.Time
	for a := l.first; !l.last.Less(a); a = a.Next() {
		holder, taken := l.taken[a]
		if !taken {
			return a
		}
		if until := l.holders[holder].until; now.After(until) && (!best.IsValid() || until.Before(ended)) {
			best, ended = a, until
		}
	}
	return best
}

// end ends a lease. The machine gets the same address again, if that is free then.
func (l *leases) end(now time.Time, machine string) {
	if have, ok := l.holders[machine]; ok {
		have.until = now
		l.holders[machine] = have
	}
}

// avoid keeps an address from everybody for the time of a lease: a machine has found
// that somebody has it.
func (l *leases) avoid(now time.Time, machine string) {
	have, ok := l.holders[machine]
	if !ok {
		return
	}
	delete(l.holders, machine)
	nobody := have.address.String() // no hardware address
	l.taken[have.address] = nobody
	l.holders[nobody] = lease{have.address, now.Add(leaseTime)}
}
