package host

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// twoLinks is a host with two links.
func twoLinks(t *testing.T, c Config) (h *Host, from, to int) {
	h = New(c)
	for i, address := range []string{"10.1.0.1/24", "10.2.0.1/24"} {
		if err := h.AddAddress(h.AddLink(LinkConfig{MTU: 1500}), netip.MustParsePrefix(address)); err != nil {
			t.Fatal(i, err)
		}
	}
	return h, 0, 1
}

// saidBy returns what h says by a link within a second.
func saidBy(h *Host, now clock.Time, iface int) (all [][]byte) {
	h.Advance(now)
	for p, by := h.Output(now); p != nil; p, by = h.Output(now) {
		if by == iface {
			all = append(all, bytes.Clone(p.Data))
		}
		p.Release()
	}
	return all
}

// Memberships move to the link that takes a link's place, where they are reported; what is sent
// there is heard, and what sockets send goes there.
func TestMoveGroups(t *testing.T) {
	h, from, to := twoLinks(t, Config{})
	var groups []wire.Addr
	var sockets []*UDPSocket
	for _, text := range []string{"239.1.2.3", "239.1.2.4", "239.1.2.5"} {
		s, err := h.OpenSharedUDP(wire.Addr{}, 5353, "owner")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.JoinGroup(s, from, addr(text)); err != nil {
			t.Fatal(err)
		}
		groups, sockets = append(groups, addr(text)), append(sockets, s)
	}
	// The second is in its group there already, and of the third is told that it was left.
	if err := h.JoinGroup(sockets[1], to, groups[1]); err != nil {
		t.Fatal(err)
	}
	if err := h.SetGroupLink(sockets[0], from); err != nil {
		t.Fatal(err)
	}
	if said := saidBy(h, 0, to); len(said) != 1 {
		t.Fatalf("%d packets by the link that is joined later", len(said))
	}
	if err := h.LeaveGroup(sockets[2], from, groups[2]); err != nil {
		t.Fatal(err)
	}
	h.Unplug(from)
	h.MoveGroups(from, to)
	said := saidBy(h, 1, to)
	want := wire.AppendIGMPReport(nil, []wire.GroupRecord{{Type: wire.GroupJoined, Group: groups[0]}})
	if len(said) != 1 || !bytes.HasSuffix(said[0], want) {
		t.Errorf("told %x, want one that ends with %x", said, want)
	}
	for i, g := range groups {
		if n, is := h.hears(g, to), i < 2; n != is {
			t.Errorf("%v is heard by the new link: %v, want %v", g, n, is)
		}
		if h.hears(g, from) {
			t.Errorf("%v is heard by the old link", g)
		}
	}
	if got := sockets[0].GroupLink(); got != to {
		t.Errorf("the socket sends to groups by link %d", got)
	}
	for i, s := range sockets[:2] {
		if err := h.LeaveGroup(s, to, groups[i]); err != nil {
			t.Error(i, err)
		}
		if err := h.LeaveGroup(s, -1, groups[i]); err != ErrNotMember {
			t.Errorf("socket %d was in its group twice: %v", i, err)
		}
	}
	if h.hears(groups[0], to) || h.hears(groups[1], to) {
		t.Error("a group that all have left is heard")
	}
}

// Whatever was joined and left on two links, of which one takes the other's place: each socket is
// in what it was in on either, and counts say so, in every shard.
func TestMoveGroupsAtRandom(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		h, from, to := twoLinks(t, Config{Shard: int(seed % 2), MaxGroups: 8})
		in := map[*UDPSocket][]wire.Addr{}
		for range 5 {
			s, err := h.OpenSharedUDP(wire.Addr{}, uint16(5000+r.IntN(2)), "owner")
			if err != nil {
				t.Fatal(err)
			}
			in[s] = nil
			for range 6 {
				g, iface := wire.AddrFrom4(239<<24|r.Uint32N(4)), r.IntN(2)
				switch {
				case r.IntN(4) == 0:
					h.LeaveGroup(s, iface, g)
				case h.JoinGroup(s, iface, g) == ErrGroups:
					t.Fatal(seed, "too many groups")
				}
			}
			for _, key := range s.casts.joined {
				if !slices.Contains(in[s], key.addr) {
					in[s] = append(in[s], key.addr)
				}
			}
		}
		saidBy(h, 0, to)
		h.Unplug(from)
		h.MoveGroups(from, to)
		members := map[wire.Addr]int{}
		for s, groups := range in {
			for _, g := range groups {
				if members[g]++; !s.isMember(groupKey{g, to}) {
					t.Errorf("seed %d: a socket is not in %v", seed, g)
				}
			}
			if len(s.casts.joined) != len(groups) {
				t.Errorf("seed %d: a socket is in %v, want %v", seed, s.casts.joined, groups)
			}
		}
		h.Groups(func(iface int, g wire.Addr, n int) {
			if iface != to || n != members[g] {
				t.Errorf("seed %d: link %d, %v has %d members, want %d on link %d", seed, iface, g, n, members[g], to)
			}
			delete(members, g)
		})
		if len(members) > 0 {
			t.Errorf("seed %d: nobody is in %v", seed, members)
		}
	}
}
