package main

import (
	"maps"
	"net"
	"net/netip"

	wgtun "golang.zx2c4.com/wireguard/tun"
	"golang.zx2c4.com/wireguard/tun/netstack"
)

// wireguardPeer is the netstack of wireguard-go: gVisor behind the device
// interface of WireGuard, with the settings that it has there.
func wireguardPeer() *peer {
	p := &peer{
		name: "wireguard", module: "golang.zx2c4.com/wireguard",
		what: "tun/netstack, two joined in memory; with wireguard-go's own driver on a TUN",
		attach: map[path]func() (stack, stack, error){
			mem1500: wireguardPair,
			tun:     wireguardTUN,
		},
		privileged: map[path]bool{tun: true},
	}
	maps.Copy(p.attach, tunnels(newWireguard))
	return p
}

// wireguardStack is one netstack with one address.
type wireguardStack struct {
	*netstack.Net
	address netip.Addr
}

func newWireguard(address netip.Addr, mtu int) (wgtun.Device, stack, error) {
	d, n, err := netstack.CreateNetTUN([]netip.Addr{address}, nil, mtu)
	return d, wireguardStack{n, address}, err
}

func (w wireguardStack) addr() netip.Addr { return w.address }

func (w wireguardStack) listen(port uint16) (net.Listener, error) {
	return w.ListenTCPAddrPort(netip.AddrPortFrom(w.address, port))
}

func (w wireguardStack) dial(to netip.AddrPort) (net.Conn, error) {
	return w.DialTCPAddrPort(to)
}

func wireguardPair() (near, far stack, err error) {
	a, near, err := newWireguard(nearAddr, 1500)
	if err != nil {
		return nil, nil, err
	}
	b, far, err := newWireguard(farAddr, 1500)
	if err != nil {
		return nil, nil, err
	}
	go wireguardCarry(a, b)
	go wireguardCarry(b, a)
	return near, far, nil
}

// wireguardTUN joins a netstack with a TUN device by wireguard-go's driver.
func wireguardTUN() (near, far stack, err error) {
	d, err := wgtun.CreateTUN(tunName, 1500)
	if err != nil {
		return nil, nil, err
	}
	if far, err = kernelOnTUN(); err != nil {
		return nil, nil, err
	}
	n, near, err := newWireguard(nearAddr, 1500)
	if err != nil {
		return nil, nil, err
	}
	go wireguardCarry(d, n)
	go wireguardCarry(n, d)
	return near, far, nil
}

// wireguardOffset is the room before a packet that wireguard-go's driver needs
// for its virtio header.
const wireguardOffset = 16

// wireguardCarry moves packets from one device to another in batches, until
// one of them goes.
func wireguardCarry(from, to wgtun.Device) {
	room := make([][]byte, from.BatchSize())
	for i := range room {
		room[i] = make([]byte, wireguardOffset+maxSegment)
	}
	sizes := make([]int, len(room))
	batch := make([][]byte, len(room))
	for {
		n, err := from.Read(room, sizes, wireguardOffset)
		for i := range n {
			batch[i] = room[i][:wireguardOffset+sizes[i]]
		}
		if _, werr := to.Write(batch[:n], wireguardOffset); err != nil || werr != nil {
			return
		}
	}
}
