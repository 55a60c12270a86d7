package wgnet_test

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast/wgnet"
)

// discard reads a device until it is closed.
func discard(d tun.Device) {
	bufs, sizes := make([][]byte, d.BatchSize()), make([]int, d.BatchSize())
	for i := range bufs {
		bufs[i] = make([]byte, 1<<16)
	}
	for {
		if _, err := d.Read(bufs, sizes, 0); err != nil {
			return
		}
	}
}

// What tun.Device says of a device is so.
func TestDevice(t *testing.T) {
	checkGoroutines(t)
	d, n, err := wgnet.CreateNetTUN([]netip.Addr{near4}, nil, mtu)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := d.MTU(); m != mtu || err != nil {
		t.Errorf("MTU: %d, %v", m, err)
	}
	if name, err := d.Name(); name != "go" || err != nil {
		t.Errorf("Name: %q, %v", name, err)
	}
	if d.File() != nil || d.BatchSize() != 128 {
		t.Errorf("File: %v, BatchSize: %d", d.File(), d.BatchSize())
	}
	if e := <-d.Events(); e != tun.EventUp {
		t.Errorf("event %v", e)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, open := <-d.Events(); open {
		t.Error("an event after Close")
	}
	if _, err := d.Read([][]byte{make([]byte, 2000)}, make([]int, 1), 0); err != os.ErrClosed {
		t.Errorf("Read after Close: %v", err)
	}
	if _, err := d.Write([][]byte{make([]byte, 20)}, 0); err != os.ErrClosed {
		t.Errorf("Write after Close: %v", err)
	}
	if err := n.Host().Err(); err != net.ErrClosed {
		t.Errorf("the host ended by %v", err)
	}
}

// What a host cannot use is refused, and nothing is left of it.
func TestRefused(t *testing.T) {
	checkGoroutines(t)
	for name, create := range map[string]func() (tun.Device, *wgnet.Net, error){
		"MTU for IPv6": func() (tun.Device, *wgnet.Net, error) {
			return wgnet.CreateNetTUN([]netip.Addr{near6}, nil, 1279)
		},
		"MTU": func() (tun.Device, *wgnet.Net, error) { return wgnet.CreateNetTUN([]netip.Addr{near4}, nil, 67) },
		"no address": func() (tun.Device, *wgnet.Net, error) {
			return wgnet.CreateNetTUN([]netip.Addr{{}}, nil, mtu)
		},
		"group": func() (tun.Device, *wgnet.Net, error) {
			return wgnet.CreateNetTUN([]netip.Addr{netip.MustParseAddr("224.0.0.1")}, nil, mtu)
		},
	} {
		if _, _, err := create(); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}
