package guard

import "net/netip"

// limits counts connections by where they come from. It holds what is open and nothing
// else: a flood of SYNs does not reach it.
type limits struct {
	all int
	by  map[netip.Prefix]int
}

// The networks that are taken for one client, and for one site: what IPv6 gives to each
// of them (RFC 6177) is one address and its neighbours of IPv4.
const (
	source4, source6 = 32, 64
	site4, site6     = 24, 48
)

func (l *limits) init() { l.by = map[netip.Prefix]int{} }

// networks returns the client and the site of an address.
func networks(a netip.Addr) (source, site netip.Prefix) {
	if a.Is4() {
		return prefix(a, source4), prefix(a, site4)
	}
	return prefix(a, source6), prefix(a, site6)
}

func prefix(a netip.Addr, bits int) netip.Prefix {
	p, _ := a.Prefix(bits) // bits are never too many
	return p
}

// enter counts a connection, unless it is beyond a limit.
func (l *limits) enter(a netip.Addr, s *Settings) bool {
	source, site := networks(a)
	if l.all >= s.MaxConnections || l.by[source] >= s.PerSource || l.by[site] >= s.PerPrefix {
		return false
	}
	l.all++
	l.by[source]++
	l.by[site]++
	return true
}

// leave forgets a connection.
func (l *limits) leave(a netip.Addr) {
	l.all--
	source, site := networks(a)
	for _, p := range []netip.Prefix{source, site} {
		if l.by[p]--; l.by[p] == 0 {
			delete(l.by, p)
		}
	}
}
