package wire_test

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// Nothing on the packet's way allocates.
func TestNoAllocations(t *testing.T) {
	var (
		room  = make([]byte, 0, 128)
		tcp   wire.TCP
		ip    wire.IP
		udp   = wire.UDP{Length: 8}
		icmp  wire.ICMP
		nd    wire.Neighbour
		arp   wire.ARP
		ether wire.Ethernet
	)
	want := func(name string, d wire.Drop) {
		if d != wire.None {
			t.Fatalf("%s: %v", name, d)
		}
	}
	check := func(name string, f func()) {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	for _, c := range tcpHeaders {
		check("TCP "+c.name, func() {
			_, d := wire.ParseTCP(c.h.Append(room), &tcp)
			want(c.name, d)
		})
	}
	for _, c := range ipPackets {
		check(c.name, func() {
			if wire.ParseIP(c.packet, &ip) == wire.None {
				sinkBytes = ip.Append(room, 100)
			}
		})
	}
	check("UDP", func() { want("UDP", wire.ParseUDP(udp.Append(room), &udp)) })
	check("ICMP", func() { want("ICMP", wire.ParseICMP(icmp.Append(room), &icmp)) })
	check("neighbour", func() { want("neighbour", wire.ParseNeighbour(solicitation.Append(room), &nd)) })
	check("ARP", func() { want("ARP", wire.ParseARP(arp.Append(room), &arp)) })
	check("Ethernet", func() { want("Ethernet", wire.ParseEthernet(ether.Append(room), &ether)) })
	data := fill(1461, 0)
	check("sums", func() {
		sinkSum = wire.SumAt(wire.Sum(data, wire.PseudoSum(ip.Src, ip.Dst, 6, len(data))), data, len(data))
	})
}

func TestEveryDropHasItsText(t *testing.T) {
	seen := map[string]wire.Drop{}
	for i := range wire.NumDrops {
		d := wire.Drop(i)
		if other, ok := seen[d.String()]; ok || d.String() == "" {
			t.Errorf("reason %d has the text %q, as reason %d", d, d, other)
		}
		seen[d.String()] = d
	}
	if got := wire.Drop(wire.NumDrops).String(); got != "unknown drop reason" {
		t.Error(got)
	}
}

func TestAddr(t *testing.T) {
	for s, is4 := range map[string]bool{"192.0.2.1": true, "0.0.0.0": true, "::": false, "::ffff:192.0.2.1": true,
		"::192.0.2.1": false, "::ff:192.0.2.1": false, "1::ffff:1.2.3.4": false, "fe80::1": false} {
		if a := addr(s); a.Is4() != is4 {
			t.Errorf("%s: Is4 %v", s, a.Is4())
		}
	}
	tuple := wire.Tuple{Local: addr("192.0.2.1"), Remote: addr("2001:db8::1"), LocalPort: 80, RemotePort: 443}
	if got := tuple.String(); got != "192.0.2.1:80 > [2001:db8::1]:443" {
		t.Error(got)
	}
	if got := tuple.Reverse(); got.Local != tuple.Remote || got.RemotePort != 80 || got.Reverse() != tuple {
		t.Errorf("reversed %v", got)
	}
}
