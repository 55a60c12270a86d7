package lan

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

var network = Network{
	Gateway4: netip.MustParsePrefix("10.1.1.1/29"), // six addresses, one of them the gateway's
	Gateway6: netip.MustParsePrefix("fd00:1::1/64"),
	Local6:   netip.MustParseAddr("fe80::1"), MTU: 1400, DNS: true,
}

var start = time.Unix(1_000_000, 0)

func mac(n int) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, byte(n >> 8), byte(n)} }

// ask has a server answer at a time.
func ask(t *testing.T, s *Server, now time.Time, kind dhcpv4.MessageType, machine int, more ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	request, err := dhcpv4.New(append([]dhcpv4.Modifier{dhcpv4.WithHwAddr(mac(machine)), dhcpv4.WithMessageType(kind)}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return s.answer(now, request)
}

func wanting(a string) dhcpv4.Modifier {
	return dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.ParseIP(a)))
}

// said is an answer in short.
func said(d *dhcpv4.DHCPv4) string {
	if d == nil {
		return "nothing"
	}
	return fmt.Sprint(d.MessageType(), " ", d.YourIPAddr)
}

// A machine's whole life with the server, and what others get meanwhile.
func TestServerAnswers(t *testing.T) {
	var given []string
	s := NewServer(network, func(m net.HardwareAddr, a netip.Addr) { given = append(given, fmt.Sprint(m, " ", a)) })
	foreign := dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 1, 1, 99)))
	const discover, request = dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest
	for i, c := range []struct {
		after   time.Duration
		kind    dhcpv4.MessageType
		machine int
		more    []dhcpv4.Modifier
		want    string
	}{
		{0, discover, 1, nil, "OFFER 10.1.1.2"},
		{0, discover, 2, nil, "OFFER 10.1.1.3"},
		{0, request, 1, []dhcpv4.Modifier{wanting("10.1.1.2")}, "ACK 10.1.1.2"},
		{0, request, 2, []dhcpv4.Modifier{wanting("10.1.1.2")}, "NAK 0.0.0.0"},
		{0, request, 2, []dhcpv4.Modifier{wanting("10.1.1.3"), foreign}, "nothing"},
		{0, request, 1, []dhcpv4.Modifier{dhcpv4.WithClientIP(net.IPv4(10, 1, 1, 2))}, "ACK 10.1.1.2"}, // it renews
		{0, request, 3, []dhcpv4.Modifier{wanting("10.1.1.5")}, "ACK 10.1.1.5"},                        // it was here before
		{0, request, 4, []dhcpv4.Modifier{wanting("192.168.0.9")}, "NAK 0.0.0.0"},                      // it was elsewhere
		{0, discover, 5, []dhcpv4.Modifier{wanting("10.1.1.1")}, "OFFER 10.1.1.4"},                     // the gateway's is not to be had
		{0, dhcpv4.MessageTypeInform, 6, nil, "ACK 0.0.0.0"},
		{0, discover, 7, nil, "OFFER 10.1.1.6"},
		{0, discover, 8, nil, "OFFER 10.1.1.3"}, // which 2 has given up
		{0, discover, 9, nil, "nothing"},
		{2 * time.Minute, dhcpv4.MessageTypeDecline, 8, nil, "nothing"}, // somebody has it
		{0, discover, 8, nil, "OFFER 10.1.1.4"},                         // so it gets another: the offer that ended first
		{0, dhcpv4.MessageTypeRelease, 1, nil, "nothing"},
		{0, discover, 1, nil, "OFFER 10.1.1.2"},             // and the same again
		{2 * time.Hour, discover, 9, nil, "OFFER 10.1.1.6"}, // the one that ended the longest ago
		{0, discover, 1, nil, "OFFER 10.1.1.2"},
		{0, dhcpv4.MessageTypeOffer, 1, nil, "nothing"},
	} {
		start = start.Add(c.after)
		if got := said(ask(t, s, start, c.kind, c.machine, c.more...)); got != c.want {
			t.Errorf("step %d: machine %d, %v: %s, want %s", i, c.machine, c.kind, got, c.want)
		}
		start = start.Add(time.Second)
	}
	if len(given) != 2 {
		t.Errorf("leases are told: %q", given)
	}
	a := ask(t, s, start, request, 1, wanting("10.1.1.2"))
	if a.ServerIPAddr.String() != "10.1.1.1" || a.Router()[0].String() != "10.1.1.1" || a.DNS()[0].String() != "10.1.1.1" ||
		a.SubnetMask().String() != "fffffff8" || a.IPAddressLeaseTime(0) != time.Hour {
		t.Errorf("a lease is\n%s", a.Summary())
	}
}

// Whatever machines do, an address is one machine's at a time, and there are no more
// leases than addresses.
func TestLeasesAreNeverShared(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	l := newLeases(network.Gateway4)
	type held struct {
		machine string
		until   time.Time
	}
	holders := map[netip.Addr]held{}
	now := start
	for range 20_000 {
		now = now.Add(time.Duration(random.Int64N(int64(10 * time.Minute))))
		machine := mac(random.IntN(12)).String()
		switch random.IntN(10) {
		case 0:
			l.end(now, machine)
			for a, h := range holders {
				if h.machine == machine {
					delete(holders, a)
				}
			}
		case 1:
			l.avoid(now, machine)
			for a, h := range holders {
				if h.machine == machine {
					holders[a] = held{"nobody", now.Add(leaseTime)}
				}
			}
		default:
			wanted := netip.AddrFrom4([4]byte{10, 1, 1, byte(random.IntN(10))})
			a, ok := l.give(now, machine, wanted, leaseTime)
			if !ok {
				continue
			}
			if h, ok := holders[a]; ok && h.machine != machine && h.until.After(now) || !l.isInside(a) {
				t.Fatalf("%v is given to %s, and %s has it", a, machine, h.machine)
			}
			holders[a] = held{machine, now.Add(leaseTime)}
		}
		if len(l.holders) > 5 || len(l.taken) > 5 {
			t.Fatalf("%d leases of %d addresses, of which there are 5", len(l.holders), len(l.taken))
		}
	}
}

// Who solicits a router is told of ours, in a message that another library reads.
func TestRouterAdvertises(t *testing.T) { synctest.Test(t, routerAdvertises) }

func routerAdvertises(t *testing.T) {
	ours, machine := pipe.New(pipe.Options{Medium: link.Ethernet})
	r := NewRouter(ours, network)
	defer r.Close()
	read := make(chan error, 1)
	go func() {
		_, err := r.Read(0, make([]*buf.Packet, 4))
		read <- err
	}()
	checkAdvertisement(t, machine, ours.Attributes().HardwareAddr) // the one that nobody asked for

	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: net.ParseIP("fe80::9"), DstIP: net.ParseIP("ff02::2")}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeRouterSolicitation, 0)}
	icmp.SetNetworkLayerForChecksum(ip)
	out := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(out, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: mac(9), DstMAC: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv6},
		ip, icmp, &layers.ICMPv6RouterSolicitation{})
	if err != nil {
		t.Fatal(err)
	}
	p := buf.NewPacket()
	p.Data = append(p.Data, out.Bytes()...)
	machine.Write(0, []*buf.Packet{p})
	checkAdvertisement(t, machine, ours.Attributes().HardwareAddr)
	if err := <-read; err != nil {
		t.Error(err)
	}
}

func checkAdvertisement(t *testing.T, machine link.Link, from link.HardwareAddr) {
	t.Helper()
	batch := make([]*buf.Packet, 1)
	if _, err := machine.Read(0, batch); err != nil {
		t.Fatal(err)
	}
	defer batch[0].Release()
	frame := gopacket.NewPacket(batch[0].Data, layers.LayerTypeEthernet, gopacket.Default)
	if icmp, ok := frame.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
		icmp.SetNetworkLayerForChecksum(frame.NetworkLayer())
	}
	a, ok := frame.Layer(layers.LayerTypeICMPv6RouterAdvertisement).(*layers.ICMPv6RouterAdvertisement)
	if !ok || frame.ErrorLayer() != nil {
		t.Fatalf("what comes is %v", frame)
	}
	if err, mismatches := frame.VerifyChecksums(); err != nil || len(mismatches) > 0 {
		t.Errorf("checksums: %v, %v", err, mismatches)
	}
	ip := frame.NetworkLayer().(*layers.IPv6)
	if ip.SrcIP.String() != "fe80::1" || ip.DstIP.String() != "ff02::1" || ip.HopLimit != 255 || a.RouterLifetime != 1800 {
		t.Errorf("it is %v", frame)
	}
	want := map[layers.ICMPv6Opt]string{
		layers.ICMPv6OptSourceAddress: fmt.Sprintf("%x", from[:]),
		layers.ICMPv6OptMTU:           "000000000578",
		layers.ICMPv6OptPrefixInfo:    "40c0" + "00015180" + "00003840" + "00000000" + "fd000001000000000000000000000000",
		25:                            "000000000708" + "fd000001000000000000000000000001",
	}
	for _, o := range a.Options {
		if got := fmt.Sprintf("%x", o.Data); got != want[o.Type] {
			t.Errorf("option %v is %s, want %s", o.Type, got, want[o.Type])
		}
		delete(want, o.Type)
	}
	if len(want) > 0 {
		t.Errorf("options are missing: %v", want)
	}
}
