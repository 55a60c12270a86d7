package wgnet_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/conn/bindtest"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast/wgnet"
)

// The addresses of the two ends.
var (
	near4, near6 = netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("fd09::1")
	far4, far6   = netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("fd09::2")
)

const mtu = 1420

// pair is two networks with WireGuard between them.
type pair struct {
	near, far       *wgnet.Net
	nearDev, farDev *device.Device
}

// bindings are the ways that WireGuard's packets take.
var bindings = map[string]func() [2]conn.Bind{
	"memory":   bindtest.NewChannelBinds,
	"loopback": func() [2]conn.Bind { return [2]conn.Bind{conn.NewDefaultBind(), conn.NewDefaultBind()} },
}

// newPair joins two networks. The near one asks the far one for names.
func newPair(t testing.TB, binds [2]conn.Bind) *pair {
	t.Helper()
	upLoopback(t)
	checkGoroutines(t)
	p := new(pair)
	var devices [2]tun.Device
	var err error
	if devices[0], p.near, err = wgnet.CreateNetTUN([]netip.Addr{near4, near6}, []netip.Addr{far4}, mtu); err != nil {
		t.Fatal(err)
	}
	if devices[1], p.far, err = wgnet.CreateNetTUN([]netip.Addr{far4, far6}, nil, mtu); err != nil {
		t.Fatal(err)
	}
	p.nearDev, p.farDev = join(t, devices, binds)
	return p
}

// join runs WireGuard between two devices, until the test ends.
func join(t testing.TB, devices [2]tun.Device, binds [2]conn.Bind) (near, far *device.Device) {
	t.Helper()
	var both [2]*device.Device
	var keys [2]*ecdh.PrivateKey
	for i := range both {
		var err error
		if keys[i], err = ecdh.X25519().GenerateKey(rand.Reader); err != nil {
			t.Fatal(err)
		}
		both[i] = device.NewDevice(devices[i], binds[i], device.NewLogger(device.LogLevelError, fmt.Sprintf("device %d: ", i)))
		t.Cleanup(both[i].Close)
		set(t, both[i], fmt.Sprintf("private_key=%x\nlisten_port=0\n", keys[i].Bytes()))
		if err := both[i].Up(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range both {
		set(t, both[i], fmt.Sprintf("public_key=%x\nendpoint=127.0.0.1:%d\nallowed_ip=0.0.0.0/0\nallowed_ip=::/0\n",
			keys[1-i].PublicKey().Bytes(), port(t, both[1-i])))
	}
	return both[0], both[1]
}

func set(t testing.TB, d *device.Device, what string) {
	t.Helper()
	if err := d.IpcSet(what); err != nil {
		t.Fatal(err)
	}
}

// port returns where a device listens.
func port(t testing.TB, d *device.Device) (port int) {
	t.Helper()
	all, err := d.IpcGet()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(all) {
		if n, _ := fmt.Sscanf(line, "listen_port=%d", &port); n == 1 {
			return port
		}
	}
	t.Fatal("the device listens nowhere")
	return 0
}

// checkGoroutines fails the test when, after it, there are more goroutines than now.
func checkGoroutines(t testing.TB) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 3000 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond) // those that have been told to end
		}
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
	})
}

// onEach runs a test over each binding.
func onEach(t *testing.T, f func(t *testing.T, p *pair)) {
	for name, binds := range bindings {
		t.Run(name, func(t *testing.T) { f(t, newPair(t, binds())) })
	}
}
