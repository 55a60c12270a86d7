package main

import (
	"fmt"
	"net"
	"net/netip"
	"runtime/debug"

	"github.com/handfast-tcp/handfast/link"
)

// stack is one end of a path: a TCP that listens and dials.
type stack interface {
	// listen accepts connections to port on the stack's address.
	listen(port uint16) (net.Listener, error)
	// dial connects to an address and port of the other end. It has no deadline:
	// a context would be an allocation of ours.
	dial(to netip.AddrPort) (net.Conn, error)
	// addr is the stack's own address.
	addr() netip.Addr
}

// path is what lies between two stacks.
type path string

// The paths.
const (
	mem1500  path = "mem1500" // in memory, MTU 1500, a checksum in every packet
	mem64k   path = "mem64k"  // in memory, segments of up to 64 KiB passed whole
	wgMemory path = "wgmem"   // a tunnel of wireguard-go, its packets in memory
	wgUDP    path = "wgudp"   // the same over UDP of the loopback device
	tun      path = "tun"     // a TUN device; the far end is the kernel
)

// peer is one implementation in one configuration.
type peer struct {
	name   string
	module string // Go module that the version is read from; "" for the system
	what   string // one line for -list
	// attach joins two stacks by a path, in the present network namespace.
	// Over TUN, near is the peer and far is the kernel.
	attach map[path]func() (near, far stack, err error)
	// attachWire puts two stacks on the ends of a wire, with buffers of so many bytes;
	// 0: their default.
	attachWire func(a, b link.Link, buffers int) (near, far stack, err error)
	// privileged names the paths that need a network namespace of their own.
	privileged map[path]bool
	// packets makes one stack whose link is in our hands, for at most that many
	// connections of any kind; nil where there is no such thing.
	packets func(o packetOptions) (*packetStack, error)
	// objects are the kernel's slabs that make up an entry of each kind.
	objects map[kind][]string
	// program is the directory below echo that has the peer's echo server.
	program string
	// between is what must be there for the rows out of a namespace; "" where the peer is
	// not in them.
	between string
}

// version names the release of p that is linked in.
func (p *peer) version() string {
	if p.module == "" {
		return systemVersion()
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		if d.Path == p.module && d.Replace == nil && d.Version != "(devel)" {
			return d.Version
		}
	}
	return "this tree"
}

// peers lists all implementations, in the order of the table.
func peers() []*peer {
	return append([]*peer{
		handfastPeer(), handfastBBRPeer(), gvisorPeer(), gvisorVnetPeer(), wireguardPeer(), wgnetPeer(), lnetoPeer(), kernelPeer(), kernelVethPeer(), kernelBBRPeer(),
	}, betweenPeers()...)
}

// findPeer returns the peer of that name.
func findPeer(name string) (*peer, error) {
	for _, p := range peers() {
		if p.name == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no peer is called %q", name)
}

// The addresses that every path uses.
var (
	nearAddr = netip.MustParseAddr("10.77.0.2")
	farAddr  = netip.MustParseAddr("10.77.0.1")
)

const (
	prefixBits = 24
	tunName    = "hfbench0"
)
