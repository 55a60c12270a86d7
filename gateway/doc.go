// Package gateway ends other hosts' flows and carries them on by a dialer: what a
// VPN's exit, tun2socks, and the network of a virtual machine or a container need.
//
// A SYN is answered when the other side has answered: what is refused there is
// refused here, what is unreachable is told by ICMP, and silence stays silence. Both
// directions are copied with half-close, and a reset on one side is one on the other.
// UDP goes by sessions, in a table that is bounded; port unreachable is passed on,
// and answers come from the address that was asked. So do pings, ICMP and ICMPv6 echo
// requests, and what routers say of them: traceroute -I works.
//
// The host gets packets of other addresses from its link, and needs routes back:
//
//	h, _ := handfast.New(handfast.Config{})
//	h.Attach(device, handfast.LinkOptions{Routes: defaultRoutes})
//	g, _ := gateway.New(gateway.Config{Host: h})
//	defer g.Close()
//
// The files: gateway.go is what there is to set, tcp.go the way of a connection with
// its bounded table of dials in dials.go, of which crowds.go says which gives way;
// udp.go and echo.go are the two kinds of sessions, which sessions.go keeps, and
// ping_linux.go the system's ping sockets. publish.go is the way in from outside.
package gateway
