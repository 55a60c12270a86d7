package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/conn/bindtest"
	"golang.zx2c4.com/wireguard/device"
	wgtun "golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast/wgnet"
)

// tunnelMTU is what packets in a tunnel have, as wireguard-go's examples choose it.
const tunnelMTU = 1420

// wgnetPeer is our device for wireguard-go, in tunnels of it.
func wgnetPeer() *peer {
	return &peer{
		name: "wgnet", module: "github.com/handfast-tcp/handfast/wgnet",
		what:   "wireguard-go with our device in place of its netstack",
		attach: tunnels(newWgnet),
	}
}

// tunnels are the ways of WireGuard's packets between two networks, each made by create.
func tunnels(create func(address netip.Addr, mtu int) (wgtun.Device, stack, error)) map[path]func() (stack, stack, error) {
	return map[path]func() (stack, stack, error){
		wgMemory: func() (stack, stack, error) { return tunnel(bindtest.NewChannelBinds(), create) },
		wgUDP: func() (stack, stack, error) {
			return tunnel([2]conn.Bind{conn.NewDefaultBind(), conn.NewDefaultBind()}, create)
		},
	}
}

// wgnetStack is one network with one address.
type wgnetStack struct {
	*wgnet.Net
	address netip.Addr
}

func newWgnet(address netip.Addr, mtu int) (wgtun.Device, stack, error) {
	d, n, err := wgnet.CreateNetTUN([]netip.Addr{address}, nil, mtu)
	return d, wgnetStack{n, address}, err
}

func (w wgnetStack) addr() netip.Addr { return w.address }

func (w wgnetStack) listen(port uint16) (net.Listener, error) {
	return w.ListenTCPAddrPort(netip.AddrPortFrom(w.address, port))
}

func (w wgnetStack) dial(to netip.AddrPort) (net.Conn, error) { return w.DialTCPAddrPort(to) }

// tunnel makes two networks and a WireGuard device for each, and joins them.
func tunnel(binds [2]conn.Bind, create func(address netip.Addr, mtu int) (wgtun.Device, stack, error)) (near, far stack, err error) {
	var ends [2]stack
	var devices [2]*device.Device
	var keys [2]*ecdh.PrivateKey
	for i, address := range []netip.Addr{nearAddr, farAddr} {
		d, s, err := create(address, tunnelMTU)
		if err != nil {
			return nil, nil, err
		}
		if keys[i], err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			return nil, nil, err
		}
		ends[i], devices[i] = s, device.NewDevice(d, binds[i], device.NewLogger(device.LogLevelError, ""))
		if err := devices[i].IpcSet(fmt.Sprintf("private_key=%x\nlisten_port=0\n", keys[i].Bytes())); err != nil {
			return nil, nil, err
		}
		if err := devices[i].Up(); err != nil {
			return nil, nil, err
		}
	}
	for i, d := range devices {
		other, err := listenPort(devices[1-i])
		if err != nil {
			return nil, nil, err
		}
		if err := d.IpcSet(fmt.Sprintf("public_key=%x\nendpoint=127.0.0.1:%d\nallowed_ip=0.0.0.0/0\n", keys[1-i].PublicKey().Bytes(), other)); err != nil {
			return nil, nil, err
		}
	}
	return ends[0], ends[1], nil
}

// listenPort returns where a device waits for its peers.
func listenPort(d *device.Device) (port int, err error) {
	all, err := d.IpcGet()
	for line := range strings.Lines(all) {
		if n, _ := fmt.Sscanf(line, "listen_port=%d", &port); n == 1 {
			return port, nil
		}
	}
	return 0, err
}
