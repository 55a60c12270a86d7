package main

import (
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/guard"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

// floodTUN is the device that a flood against the kernel comes from.
const floodTUN = "hf-flood"

// newKernelServer has a web server on the kernel's TCP, and the clients on a host of ours. The
// flood comes by a device of its own, to which the kernel sends what it answers.
func newKernelServer(o *floodOptions, cookies string) (*floodArena, error) {
	side := stage.KernelAddrs[0].Addr()
	if o.ipv6 {
		side = stage.KernelAddrs[1].Addr()
	}
	f := &floodArena{server: kernelServer{}, target: netip.AddrPortFrom(side, tryPort)}
	var err error
	f.Stage, err = stage.OnKernel("tun", func(a *stage.Stage, l link.Link, device string) error {
		client, err := a.Host(l, stage.OurAddrs, nil)
		if err != nil {
			return err
		}
		a.Client, a.Dial = stage.OursToo, client.DialContext
		if err := stage.Configure(device, stage.KernelAddrs); err != nil {
			return err
		}
		if err := setSysctl("net/ipv4/tcp_syncookies", cookies); err != nil {
			return err
		}
		a.Later(func() { setSysctl("net/ipv4/tcp_syncookies", "1") }) // it goes with the namespace
		if f.flood, err = openFloodTUN(a); err != nil {
			return err
		}
		web, err := net.Listen("tcp", f.target.String())
		if err != nil {
			return err
		}
		a.Later(servePage(web))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openFloodTUN makes a device that leads to all addresses that nobody has.
func openFloodTUN(a *stage.Stage) (injector, error) {
	d, err := tun.Open(tun.Options{Name: floodTUN})
	if err != nil {
		return nil, err
	}
	a.Later(func() { d.Close() })
	// A kernel that asks whether it would send there what comes from there has the routes for it;
	// it may ask the same of the clients' device, which is the way to them.
	if err := stage.Configure(floodTUN, nil); err != nil {
		return nil, err
	}
	if err := routeEverywhere(floodTUN); err != nil {
		return nil, err
	}
	return newLinkInjector(d, func() uint64 { return 0 }), nil
}

// routeEverywhere has a device lead to all addresses that nobody has.
func routeEverywhere(device string) error {
	dev, err := netlink.LinkByName(device)
	if err != nil {
		return say.Errorf(say.All("%s: %w"), device, stage.Explain(err))
	}
	for _, r := range everywhere(netip.Addr{}, netip.Addr{}) {
		to := &net.IPNet{IP: r.Destination.Addr().AsSlice(), Mask: net.CIDRMask(0, r.Destination.Addr().BitLen())}
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: dev.Attrs().Index, Dst: to}); err != nil {
			return say.Errorf(say.All("%s: %w"), device, stage.Explain(err))
		}
	}
	return nil
}

// setSysctl changes a setting of this network namespace.
func setSysctl(name, value string) error {
	if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
		return say.Errorf(say.Text{"sysctl %s: %w", "sysctl %s：%w"}, name, stage.Explain(err))
	}
	return nil
}

// guardArena is a guard on a host of ours, and behind it a web server on the kernel's TCP.
func guardArena(o *floodOptions, cfg handfast.Config) (*floodArena, error) {
	if err := stage.Configure("lo", nil); err != nil {
		return nil, err
	}
	a, err := newKernelFlood(o.link, cfg)
	if err != nil {
		return a, err
	}
	a.target = o.address()
	back, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return a, err
	}
	a.Later(servePage(back))
	g, err := guard.New(guard.Config{Settings: guard.Settings{Backends: []string{back.Addr().String()}}})
	if err != nil {
		return a, err
	}
	front, err := a.Server.Listen("tcp", a.target.String())
	if err != nil {
		return a, err
	}
	go g.Serve(front) // ends with the guard
	a.Later(func() { g.Close() })
	return a, nil
}

// kernelServer is the kernel of this machine, or of the namespace.
type kernelServer struct{}

func (kernelServer) arrived() uint64 {
	return kernel.Counters()["Tcp"]["InSegs"]
}

func (kernelServer) halfOpen() (count, limit int) {
	r, err := kernel.Report(false)
	if err != nil || r.Defence == nil {
		return 0, 0
	}
	return r.Defence.HalfOpen, r.Defence.MaxHalfOpen
}

func (kernelServer) look() *inspect.Report {
	r, err := kernel.Report(false)
	if err != nil {
		return &inspect.Report{}
	}
	return r
}

func kernelCounters() map[string]uint64 { return kernel.Counters()["TcpExt"] }
