// Package guard stands in front of servers that are there already, so that a SYN flood
// does not reach them. Connections end on Handfast's TCP, with all its defence, and are
// carried on to a back end when their handshake is complete: of a forged SYN a back end
// hears nothing.
//
//	g, err := guard.New(guard.Config{Settings: guard.Settings{
//		Backends: []string{"127.0.0.1:8443"},
//		Header:   guard.ProxyV2,
//	}})
//	l, err := host.Listen("tcp", ":443")
//	err = g.Serve(l)
//
// The back ends are watched. While none of them lives a SYN is answered by a RST, or
// not at all; while one lives nothing is asked about a SYN, and in a flood nothing is kept
// of it. Half-closes and resets are passed on both ways. A back end learns who its
// client is by the PROXY protocol, or by the address that the connection comes from.
//
// The files: guard.go is what there is to set and the way of a connection, backends.go who
// gets it, health.go who lives, limits.go how much one client may have, header.go the PROXY
// protocol, and dial_linux.go connections from somebody else's address.
package guard
