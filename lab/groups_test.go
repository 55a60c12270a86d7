package lab

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// What is said of groups is told in words, whatever the version.
func TestDescribeGroups(t *testing.T) {
	addr := func(text string) wire.Addr { return wire.AddrFrom(netip.MustParseAddr(text)) }
	group4, group6 := addr("239.1.2.3"), addr("ff15::7")
	records := func(group wire.Addr) []wire.GroupRecord {
		return []wire.GroupRecord{{Type: wire.GroupJoined, Group: group}, {Type: wire.GroupLeft, Group: group}, {Type: wire.GroupIsMember, Group: group}, {Type: 5, Group: group}}
	}
	withSource := wire.AppendIGMPReport(nil, records(group4)[:1])
	withSource[len(withSource)-5] = 1 // a source follows
	withSource = append(withSource, 10, 0, 0, 9, 3, 0, 0, 0, 239, 1, 2, 4)
	for _, c := range []struct {
		v6      bool
		message []byte
		want    string
	}{
		{false, wire.AppendIGMPReport(nil, records(group4)), "IGMPv3: joins 239.1.2.3, leaves 239.1.2.3, is in 239.1.2.3, record 5 of 239.1.2.3"},
		{false, withSource, "IGMPv3: joins 239.1.2.3, leaves 239.1.2.4"},
		{false, wire.AppendIGMP(nil, wire.IGMPv2Report, group4), "IGMPv2: joins 239.1.2.3"},
		{false, wire.AppendIGMP(nil, wire.IGMPv1Report, group4), "IGMPv1: joins 239.1.2.3"},
		{false, wire.AppendIGMP(nil, wire.IGMPv2Leave, group4), "IGMPv2: leaves 239.1.2.3"},
		{false, wire.AppendIGMP(nil, wire.IGMPQuery, wire.AddrFrom4(0)), "IGMPv1: asks who is in any group"},
		{false, wire.AppendIGMP(nil, 0x30, group4), ""},
		{false, []byte{wire.IGMPv3Report}, ""},
		{true, wire.AppendMLDReport(nil, records(group6)[:2]), "MLDv2: joins ff15::7, leaves ff15::7"},
		{true, wire.AppendMLD(nil, wire.ICMPv6ListenerReport, group6), "MLDv1: joins ff15::7"},
		{true, wire.AppendMLD(nil, wire.ICMPv6ListenerDone, group6), "MLDv1: leaves ff15::7"},
		{true, wire.AppendMLD(nil, wire.ICMPv6ListenerQuery, group6), "MLDv1: asks who is in ff15::7"},
		{true, []byte{128, 0, 0, 0, 0, 0, 0, 0}, ""},
	} {
		ip := wire.IP{Version: 4, Proto: wire.ProtoIGMP}
		if c.v6 {
			ip = wire.IP{Version: 6, Proto: wire.ProtoICMPv6}
		}
		if got := describeGroups(&ip, c.message); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		for n := range c.message { // what is cut off is no reason to fail
			describeGroups(&ip, c.message[:n])
		}
	}
}

// A host that joins a group in a scenario says so on the wire.
func TestJoinsAreTold(t *testing.T) {
	w := NewWorld(1)
	if err := w.AddHost(HostConfig{Name: "client", Address: netip.MustParseAddr("10.0.0.1")}); err != nil {
		t.Fatal(err)
	}
	h := w.Host("client")
	s, err := h.OpenSharedUDP(wire.Addr{}, 5353, nil)
	if err == nil {
		err = h.JoinGroup(s, 0, wire.AddrFrom(netip.MustParseAddr("239.1.2.3")))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Advance(w.Now().Add(time.Second))
	var told []string
	for _, e := range w.told().Events {
		if e.Fate == trace.ICMPSent {
			told = append(told, e.Text)
		}
	}
	if want := "IGMPv3: joins 239.1.2.3"; !strings.Contains(strings.Join(told, "; "), want) {
		t.Errorf("%q, want %q", told, want)
	}
}
