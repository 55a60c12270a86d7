package story

import (
	"slices"
	"strings"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// cast is who has which lane.
type cast struct {
	run       *trace.Run
	members   [][]int // hosts of each lane
	of        map[string]Lane
	byAddress map[string]Lane
	router    Lane // -1: has none
	strangers bool // the last lane is of those who send in other names
	folded    Lane // the lane of hosts that nobody has room for; -1: none
}

// maxOwn is how many hosts have a lane of their own. A page is no wider.
const maxOwn = 3

// newCast gives lanes to hosts: in the order of the run, the one that is spoken
// to last, with a router before it if it says anything; then those that there
// is no room for, and last those who send in other names.
func newCast(r *trace.Run) *cast {
	c := &cast{run: r, of: map[string]Lane{}, byAddress: map[string]Lane{}, router: -1, folded: -1}
	var own, strangers []int
	for i := range r.Hosts {
		switch {
		case r.Hosts[i].Router:
		case c.forges(r.Hosts[i].Name):
			strangers = append(strangers, i)
		default:
			own = append(own, i)
		}
	}
	if len(own) == 0 {
		own, strangers = strangers, nil
	}
	own, rest := c.spokenToLast(own), []int(nil)
	if len(own) > maxOwn {
		own, rest = append(own[:maxOwn-1:maxOwn-1], own[len(own)-1]), own[maxOwn-1:len(own)-1]
	}
	for i, h := range own {
		if router := c.speakingRouter(); router >= 0 && i == len(own)-1 {
			c.router = c.lead(router)
		}
		c.lead(h)
	}
	if len(rest) > 0 {
		c.folded = c.lead(rest...)
	}
	if len(strangers) > 0 {
		c.strangers = true
		c.lead(strangers...)
	}
	return c
}

// lead makes a lane for hosts.
func (c *cast) lead(hosts ...int) Lane {
	l := Lane(len(c.members))
	for _, i := range hosts {
		c.of[c.run.Hosts[i].Name], c.byAddress[c.run.Hosts[i].Address] = l, l
	}
	c.members = append(c.members, hosts)
	return l
}

// spokenToLast puts the receiver of the first packet last, when there are more
// than two.
func (c *cast) spokenToLast(hosts []int) []int {
	if p := c.run.Packets; len(p) > 0 && len(hosts) > 2 {
		at := slices.IndexFunc(hosts, func(i int) bool { return c.run.Hosts[i].Name == p[0].To })
		if at >= 0 {
			to := hosts[at]
			hosts = append(slices.Delete(slices.Clone(hosts), at, at+1), to)
		}
	}
	return hosts
}

// forges reports whether a host sends nothing in its own name.
func (c *cast) forges(name string) bool {
	forged := false
	for i := range c.run.Packets {
		if p := &c.run.Packets[i]; p.From == name {
			if !p.Forged {
				return false
			}
			forged = true
		}
	}
	return forged
}

// speakingRouter returns the router that sends something, or -1.
func (c *cast) speakingRouter() int {
	for i := range c.run.Events {
		e := &c.run.Events[i]
		if h := c.index(e.Host); e.Fate == trace.ICMPSent && h >= 0 && c.run.Hosts[h].Router {
			return h
		}
	}
	return -1
}

func (c *cast) index(host string) int {
	return slices.IndexFunc(c.run.Hosts, func(h trace.Host) bool { return h.Name == host })
}

func (c *cast) lane(host string) Lane { return c.of[host] }

// laneOf returns the lane of an address. What nobody has is the strangers', or
// else across.
func (c *cast) laneOf(a wire.Addr, from Lane) Lane {
	if l, ok := c.byAddress[a.String()]; ok && l != from {
		return l
	}
	switch last := Lane(len(c.members) - 1); {
	case from < last && c.strangers:
		return last
	case from < last:
		return from + 1
	}
	return from - 1
}

// counted reports whether a lane's packets are counted rather than shown.
func (c *cast) counted(l Lane) bool {
	return l == c.folded || c.strangers && int(l) == len(c.members)-1
}

// strange reports whether an event is about a host that is only counted.
func (c *cast) strange(e *trace.Event) bool {
	if c.counted(c.lane(e.Host)) {
		return true
	}
	return e.IsTCP() && c.counted(c.laneOf(e.Tuple.Remote, c.lane(e.Host)))
}

func (c *cast) shared(l Lane) bool { return len(c.members[l]) > 1 }

func (c *cast) scripted(host string) bool {
	i := c.index(host)
	return i >= 0 && c.run.Hosts[i].Scripted
}

func (c *cast) names() (all []string) {
	for _, m := range c.members {
		var names []string
		for _, i := range m {
			names = append(names, c.run.Hosts[i].Name)
		}
		all = append(all, strings.Join(names, ", "))
	}
	return all
}

// heads returns the titles of the lanes.
func (c *cast) heads(l Lang) (all []Head) {
	names := c.names()
	for i, m := range c.members {
		h := Head{Title: names[i]}
		switch host := &c.run.Hosts[m[0]]; {
		case c.strangers && i == len(c.members)-1:
			h.Title, h.Plain = h.Title+"\n"+words.strangers[l], true
		case Lane(i) == c.folded:
			h.Title, h.Plain = words.others[l]+"\n"+h.Title, true
		case host.Router:
			h.Title, h.Plain = h.Title+"\n"+host.Address, true
		case host.Scripted:
			h.Title += "\n" + host.Address + ", " + words.scripted[l]
		default:
			h.Title += "\n" + host.Address
			h.Listens, h.Told = c.listens(host.Name), true
		}
		all = append(all, h)
	}
	return all
}

// listens reports whether a program on a host waits for connections.
func (c *cast) listens(host string) bool {
	return slices.ContainsFunc(c.run.Events, func(e trace.Event) bool {
		return e.Host == host && e.Class == trace.Call && strings.HasPrefix(e.Text, "listen ")
	})
}
