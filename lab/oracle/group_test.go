package oracle

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/wire"
)

func addrOf(text string) wire.Addr { return wire.AddrFrom(netip.MustParseAddr(text)) }

// talk is a message about groups, and how it travels.
type talk struct {
	src, dst string
	ttl      uint8
	plain    bool // without Router Alert
	message  []byte
}

func (m *talk) packet() []byte {
	ip := wire.IP{Version: 4, Proto: wire.ProtoIGMP, TTL: m.ttl, Src: addrOf(m.src), Dst: addrOf(m.dst), DontFragment: true}
	message := append([]byte(nil), m.message...)
	if !ip.Src.Is4() {
		ip.Version, ip.Proto = 6, wire.ProtoICMPv6
		sum := wire.Checksum(wire.Sum(message, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(message))))
		message[2], message[3] = byte(sum>>8), byte(sum)
	}
	if m.plain {
		return append(ip.Append(nil, len(message)), message...)
	}
	return append(ip.AppendAlert(nil, len(message)), message...)
}

// Each thing that the rule asks of a report is wrong once.
func TestGroupRule(t *testing.T) {
	group4, group6 := addrOf("239.1.2.3"), addrOf("ff15::7")
	joined4, joined6 := []wire.GroupRecord{{Type: wire.GroupJoined, Group: group4}}, []wire.GroupRecord{{Type: wire.GroupJoined, Group: group6}}
	right := map[string]talk{
		"IGMPv3":      {"10.0.0.1", "224.0.0.22", 1, false, wire.AppendIGMPReport(nil, joined4)},
		"IGMPv2":      {"10.0.0.1", "239.1.2.3", 1, false, wire.AppendIGMP(nil, wire.IGMPv2Report, group4)},
		"IGMPv1":      {"10.0.0.1", "239.1.2.3", 1, false, wire.AppendIGMP(nil, wire.IGMPv1Report, group4)},
		"IGMPv2 left": {"10.0.0.1", "224.0.0.2", 1, false, wire.AppendIGMP(nil, wire.IGMPv2Leave, group4)},
		"MLDv2":       {"fe80::1", "ff02::16", 1, false, wire.AppendMLDReport(nil, joined6)},
		"MLDv2, none": {"::", "ff02::16", 1, false, wire.AppendMLDReport(nil, joined6)},
		"MLDv1":       {"fe80::1", "ff15::7", 1, false, wire.AppendMLD(nil, wire.ICMPv6ListenerReport, group6)},
		"MLDv1 left":  {"fe80::1", "ff02::2", 1, false, wire.AppendMLD(nil, wire.ICMPv6ListenerDone, group6)},
	}
	for name, m := range right {
		if err := new(Wire).Sent(0, m.packet()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wrong := map[string]func(m *talk){
			"TTL":    func(m *talk) { m.ttl = 2 },
			"alert":  func(m *talk) { m.plain = true },
			"length": func(m *talk) { m.message = append(append([]byte(nil), m.message...), 0, 0, 0, 0) },
		}
		if addrOf(m.src).Is4() {
			wrong["to"] = func(m *talk) { m.dst = "224.0.0.1" }
		} else {
			wrong["to"] = func(m *talk) { m.dst = "ff02::1" }
			wrong["source"] = func(m *talk) { m.src = "2001:db8::1" }
		}
		for what, spoil := range wrong {
			m := m
			spoil(&m)
			var f *Fault
			if err := new(Wire).Sent(0, m.packet()); !errors.As(err, &f) || f.Rule != "G1" {
				t.Errorf("%s, wrong %s: %v, want G1", name, what, err)
			}
		}
		broken := m.packet()
		broken[len(broken)-1]++
		var f *Fault
		if err := new(Wire).Sent(0, broken); !errors.As(err, &f) || f.Rule != "W1" {
			t.Errorf("%s, wrong checksum: %v, want W1", name, err)
		}
	}
}

// All that a host says of its groups, asked by routers of all versions and by none, keeps the rule.
func TestHostsKeepTheGroupRule(t *testing.T) {
	asks := []*talk{
		nil,
		{"10.0.0.9", "224.0.0.1", 1, false, wire.AppendIGMP(nil, wire.IGMPQuery, wire.AddrFrom4(0))},
		{"fe80::9", "ff02::1", 1, false, append(wire.AppendMLD(nil, wire.ICMPv6ListenerQuery, wire.Addr{}), 0, 0, 0, 0)},
		{"fe80::9", "ff02::1", 1, false, wire.AppendMLD(nil, wire.ICMPv6ListenerQuery, wire.Addr{})},
	}
	for i, ask := range asks {
		var w Wire
		h, now, said := host.New(host.Config{}), clock.Time(0), 0
		iface := h.AddLink(host.LinkConfig{MTU: 1500})
		for _, a := range []string{"10.0.0.1/24", "fe80::1/64"} {
			if err := h.AddAddress(iface, netip.MustParsePrefix(a)); err != nil {
				t.Fatal(err)
			}
		}
		hear := func(until time.Duration) {
			for end := now.Add(until); h.Deadline() <= end; {
				now = max(now, h.Deadline())
				h.Advance(now)
				for p, _ := h.Output(now); p != nil; p, _ = h.Output(now) {
					if err := w.Sent(now, p.Data); err != nil {
						t.Errorf("asked %d: %v", i, err)
					}
					said++
					p.Release()
				}
			}
			now = now.Add(until)
		}
		if ask != nil {
			h.Receive(now, iface, received(ask.packet()))
		}
		var sockets []*host.UDPSocket
		for j, g := range []string{"239.1.2.3", "239.1.2.4", "ff15::7", "ff15::8"} {
			s, err := h.OpenSharedUDP(wire.Addr{}, uint16(5000+j), "owner")
			if err == nil {
				err = h.JoinGroup(s, iface, addrOf(g))
			}
			if err != nil {
				t.Fatal(err)
			}
			sockets = append(sockets, s)
		}
		hear(time.Minute)
		if ask != nil {
			h.Receive(now, iface, received(ask.packet()))
		}
		hear(time.Minute)
		for j, g := range []string{"239.1.2.3", "239.1.2.4", "ff15::7", "ff15::8"} {
			if err := h.LeaveGroup(sockets[j], iface, addrOf(g)); err != nil {
				t.Fatal(err)
			}
		}
		hear(time.Minute)
		if said < 8 {
			t.Errorf("asked %d: it said %d things", i, said)
		}
	}
}

// A message of MLD that reaches a host does not keep the rules of its TCP from being held.
func TestMLDBlindsNobody(t *testing.T) {
	s := &script{TB: t, v6: true}
	m := talk{"fe80::9", "ff02::16", 1, false, wire.AppendMLDReport(nil, []wire.GroupRecord{{Type: wire.GroupLeft, Group: addrOf("ff15::7")}})}
	s.Delivered(0, m.packet())
	var f *Fault
	if err := s.play("> . 1 ack 1"); !errors.As(err, &f) || f.Rule != "M2" {
		t.Errorf("%v, want M2", err)
	}
}

// received is a packet that has come in.
func received(b []byte) *buf.Packet {
	p := buf.NewPacket()
	p.Data = append(p.ReceiveInto(len(b))[:0], b...)
	return p
}
