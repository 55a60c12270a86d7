// Package wgnet puts Handfast into programs that use wireguard-go.
//
// CreateNetTUN has the name, the arguments and the results of its namesake in
// golang.zx2c4.com/wireguard/tun/netstack, so that a program changes its import
// and nothing else:
//
//	import netstack "github.com/handfast-tcp/handfast/wgnet"
//
// Connections are those of package handfast: they have all methods of their
// siblings in package net. Net.Host gives the host below, with counters, sockets,
// forwarding and all else that package handfast has.
//
// It is a module of its own: the library does not depend on WireGuard.
package wgnet
