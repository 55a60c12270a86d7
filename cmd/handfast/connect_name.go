package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// lookup finds addresses of a name and the number of a service.
type lookup interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupPort(ctx context.Context, network, service string) (int, error)
}

// resolve returns the addresses that HOST:PORT may mean, best first, and its port.
func resolve(ctx context.Context, l lookup, address string) (to []netip.Addr, port uint16, err error) {
	if a, err := netip.ParseAddrPort(address); err == nil && a.Port() != 0 {
		return []netip.Addr{a.Addr()}, a.Port(), nil
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil || host == "" || service == "" || service == "0" {
		return nil, 0, usagef(say.Text{"%q: write an address or a name, and a port, such as 10.77.0.2:80 or [fd77::2]:80", "%q：请写出地址或名称，以及端口，例如 10.77.0.2:80 或 [fd77::2]:80"}, address)
	}
	n, err := l.LookupPort(ctx, "tcp", service)
	if err != nil || n == 0 {
		return nil, 0, usagef(say.Text{"%q: port %q is neither a number from 1 to 65535 nor the name of a service", "%q：端口 %q 既不是 1 到 65535 的数字，也不是服务名"}, address, service)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, uint16(n), nil
	}
	to, err = l.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, 0, explainLookup(err, host)
	}
	for i := range to {
		to[i] = to[i].Unmap()
	}
	return to, uint16(n), nil
}

// explainLookup explains why a name has no address.
func explainLookup(err error, host string) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return say.Errorf(say.Text{"no such host: %s; the system's resolver finds no address", "没有名为 %s 的主机：系统的解析器查不到它的地址"}, host)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, os.ErrDeadlineExceeded):
		return say.Errorf(say.Text{"the system's resolver does not answer when asked for %s; write an address", "向系统的解析器查询 %s 没有得到应答；请直接写地址"}, host)
	}
	return say.Errorf(say.Text{"no address of %s: %w; write an address", "查不到 %s 的地址：%w；请直接写地址"}, host, err)
}

// choose returns the address to connect to: one that reachable accepts, or else
// the first that does not stay inside the kernel.
func choose(all []netip.Addr, reachable func(netip.Addr) bool) (netip.Addr, error) {
	if i := slices.IndexFunc(all, reachable); i >= 0 {
		return all[i], nil
	}
	if i := slices.IndexFunc(all, func(a netip.Addr) bool { return !a.IsLoopback() }); i >= 0 {
		return all[i], nil
	}
	return netip.Addr{}, usagef(say.Text{"%v never leaves the kernel; what listens on all addresses is at 10.77.1.1, by a TUN", "%v 从不离开内核；监听所有地址的程序可通过 TUN 由 10.77.1.1 访问"}, all[0])
}
