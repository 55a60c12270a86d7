package lan

import (
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// Server answers DHCP.
type Server struct {
	network Network
	leases  *leases
	given   func(machine net.HardwareAddr, a netip.Addr)
}

// NewServer returns a server that tells given of each lease that is new.
func NewServer(n Network, given func(machine net.HardwareAddr, a netip.Addr)) *Server {
	return &Server{network: n, leases: newLeases(n.Gateway4), given: given}
}

// everybody is where answers go: a machine that has no address yet takes no others.
var everybody = &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpv4.ClientPort}

// Serve answers what comes on c, which is bound to port 67, until it is closed.
func (s *Server) Serve(c net.PacketConn) {
	memory := make([]byte, 2048)
	for {
		n, _, err := c.ReadFrom(memory)
		if err != nil {
			return
		}
		request, err := dhcpv4.FromBytes(memory[:n])
		if err != nil {
			continue
		}
		answer := s.answer(time.Now(), request)
		if answer == nil {
			continue
		}
		to := everybody
		if a := request.ClientIPAddr; !a.IsUnspecified() && answer.MessageType() == dhcpv4.MessageTypeAck {
			to = &net.UDPAddr{IP: a, Port: dhcpv4.ClientPort}
		}
		c.WriteTo(answer.ToBytes(), to) // a lost one is asked for again
	}
}

// answer returns what a request gets; nil: nothing.
// https://www.rfc-editor.org/rfc/rfc2131.html#section-4.3
func (s *Server) answer(now time.Time, request *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	// What a relay passes on is of another network, and only Ethernet addresses are known here.
	if request.OpCode != dhcpv4.OpcodeBootRequest || !request.GatewayIPAddr.IsUnspecified() || len(request.ClientHWAddr) != 6 {
		return nil
	}
	machine := request.ClientHWAddr.String()
	switch request.MessageType() {
	case dhcpv4.MessageTypeDiscover:
		if a, ok := s.leases.give(now, machine, addressOf(request.RequestedIPAddress()), offerTime); ok {
			return s.reply(request, dhcpv4.MessageTypeOffer, a)
		}
	case dhcpv4.MessageTypeRequest:
		return s.request(now, machine, request)
	case dhcpv4.MessageTypeRelease:
		s.leases.end(now, machine)
	case dhcpv4.MessageTypeDecline:
		s.leases.avoid(now, machine)
	case dhcpv4.MessageTypeInform:
		return s.reply(request, dhcpv4.MessageTypeAck, netip.Addr{})
	}
	return nil
}

// request answers a DHCPREQUEST: the address that a machine names is its own, or it
// is told to begin again.
func (s *Server) request(now time.Time, machine string, request *dhcpv4.DHCPv4) *dhcpv4.DHCPv4 {
	chosen := request.ServerIdentifier()
	if chosen != nil && addressOf(chosen) != s.network.Gateway4.Addr() {
		s.leases.end(now, machine) // it has chosen another server
		return nil
	}
	wanted := addressOf(request.RequestedIPAddress())
	if !wanted.IsValid() {
		wanted = addressOf(request.ClientIPAddr)
	}
	had, known := s.leases.holders[machine]
	if known && had.address != wanted || !s.leases.isFree(now, wanted, machine) {
		return s.reply(request, dhcpv4.MessageTypeNak, netip.Addr{})
	}
	// Only of the first is anybody told: machines ask again in the middle of a lease.
	s.leases.give(now, machine, wanted, leaseTime)
	if had.until.Sub(now) <= offerTime {
		s.given(request.ClientHWAddr, wanted)
	}
	return s.reply(request, dhcpv4.MessageTypeAck, wanted)
}

func (s *Server) reply(request *dhcpv4.DHCPv4, kind dhcpv4.MessageType, a netip.Addr) *dhcpv4.DHCPv4 {
	ours := net.IP(s.network.Gateway4.Addr().AsSlice())
	options := []dhcpv4.Modifier{
		dhcpv4.WithMessageType(kind), dhcpv4.WithOption(dhcpv4.OptServerIdentifier(ours)),
	}
	if kind != dhcpv4.MessageTypeNak {
		options = append(options, dhcpv4.WithServerIP(ours), dhcpv4.WithOption(dhcpv4.OptRouter(ours)),
			dhcpv4.WithNetmask(net.CIDRMask(s.network.Gateway4.Bits(), 32)),
			dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{byte(s.network.MTU >> 8), byte(s.network.MTU)}))
		if s.network.DNS {
			options = append(options, dhcpv4.WithOption(dhcpv4.OptDNS(ours)))
		}
	}
	if a.IsValid() {
		options = append(options, dhcpv4.WithYourIP(net.IP(a.AsSlice())), dhcpv4.WithLeaseTime(uint32(leaseTime/time.Second)))
	}
	answer, err := dhcpv4.NewReplyFromRequest(request, options...)
	if err != nil {
		return nil
	}
	return answer
}

func addressOf(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	if a = a.Unmap(); a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
