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
// Link goes the other way: it makes any tun.Device of wireguard-go a link, so that
// a host uses utun on macOS, Wintun on Windows and tun on the BSDs by drivers
// that others keep.
//
// It is a module of its own: the library does not depend on WireGuard.
package wgnet
