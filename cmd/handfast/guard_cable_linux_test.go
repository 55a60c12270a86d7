package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/xdp"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link"
)

// A guard at an Ethernet device, by packet sockets and by AF_XDP, is found by ARP, and serves in a flood.
func TestGuardAtACable(t *testing.T) {
	plain := backend(t, "plain", false)
	for i, kind := range []string{"packet", "xdp"} {
		t.Run(kind, func(t *testing.T) {
			needDevice(t)
			ours, far := fmt.Sprintf("hfgw%d", i), fmt.Sprintf("hfgc%d", i)
			testnet.Veth(t, ours, far)
			t.Cleanup(func() { testnet.Delete(t, far) })
			if err := stage.SwitchOff(far, "tx-checksum-ip-generic"); err != nil {
				t.Fatal(err)
			}
			testnet.Up(t, ours)
			testnet.Up(t, far)
			testnet.AwaitRunning(t, ours, far)
			needXDP(t, kind, ours)
			subnet := fmt.Sprintf("10.78.%d.", 20+i)
			testnet.Address(t, far, netip.MustParsePrefix(subnet+"1/24"))
			dev, err := net.InterfaceByName(ours)
			if err != nil {
				t.Fatal(err)
			}
			c := longCommand{"Ctrl-C", []string{"guard", "--device", ours, "--link", kind, "--addr", subnet + "2/24", "--gateway", subnet + "1",
				"--listen", subnet + "2:80", "--to", plain, "--proxy-protocol", "v2"}}
			p := c.begin(t)
			t.Cleanup(func() { p.Process.Kill() })
			host := link.Attributes{Medium: link.Ethernet, HardwareAddr: link.HardwareAddr(dev.HardwareAddr)}
			stop := floodDevice(t, far, host, netip.MustParseAddrPort(subnet+"2:80"), 0)
			checkVisits(t, "http://"+subnet+"2/", "plain", 40)
			stop()
			if n := reportOf(t, p).Counters["Tcp"]["InSegs"]; n < 1000 {
				t.Errorf("%d segments came", n)
			}
			p.Process.Signal(syscall.SIGTERM)
			p.end()
			if code := p.ProcessState.ExitCode(); code != 0 || !strings.Contains(p.told.String(), "40 connections carried") {
				t.Errorf("exit code %d\n%s", code, &p.told)
			}
		})
	}
}

// needXDP skips where the rights for AF_XDP are missing.
func needXDP(t *testing.T, kind, device string) {
	t.Helper()
	if kind != "xdp" {
		return
	}
	d, err := xdp.Open(xdp.Options{Name: device})
	if errors.Is(err, syscall.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// checkVisits has clients of the kernel's ask at the same time.
func checkVisits(t *testing.T, url, name string, clients int) {
	t.Helper()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			if answer, from, err := visit(url); err != nil || answer != name+" "+from {
				t.Errorf("%q, %v; the client is %s", answer, err, from)
			}
		})
	}
	all.Wait()
}
