package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/internal/setting"
)

// Settings are what can be changed while a guard works. Only Backends is needed.
type Settings struct {
	// Backends are where connections are carried on, "host:port" each.
	Backends []string
	// Balance is which of those that live gets a connection.
	Balance Balance
	// Header is how a back end is told who its client is.
	Header Header
	// Transparent lets connections to back ends come from their clients' addresses
	// (IP_TRANSPARENT of Linux). Answers must be routed to this machine; it needs
	// CAP_NET_ADMIN.
	Transparent bool
	// Silent leaves SYNs without an answer while no back end lives; otherwise they get a
	// RST.
	Silent bool

	// MaxConnections is how many connections there are at most, 1 to MaxEntries;
	// default 65536. PerSource is how many of them one address may have, of IPv6 one /64,
	// and PerPrefix one /24, of IPv6 one /48; 0: as many as all. Who is beyond is reset when its
	// handshake is complete: not before, as a SYN does not prove its source.
	MaxConnections, PerSource, PerPrefix int

	// CheckInterval is how often each back end is asked whether it lives, 10 ms to an hour;
	// default 2 s. CheckTimeout is how long that may take, and DialTimeout how long a
	// client's dial to a back end may, before another one is tried: 1 ms to an hour; default
	// 1 s and 5 s.
	CheckInterval, CheckTimeout, DialTimeout time.Duration
}

// MaxEntries is the largest MaxConnections.
const MaxEntries = 1 << 24

// Balance is a way to choose among back ends.
type Balance uint8

// The ways.
const (
	RoundRobin       Balance = iota // one after the other
	LeastConnections                // who has the fewest now
)

// Dial opens a connection to a back end, from source where that is valid.
type Dial func(ctx context.Context, source netip.AddrPort, address string) (net.Conn, error)

// Config is what a guard is made of.
type Config struct {
	Settings
	// Dial opens connections to back ends; default the kernel's TCP.
	Dial Dial
	// Changed is told when a back end comes to life or dies, with why. It must not block.
	// Nil: nobody is.
	Changed func(b Backend, why error)
}

// Check returns settings with their defaults, or what is wrong with them.
func Check(s Settings) (Settings, error) {
	s.Backends = slices.Clone(s.Backends)
	if len(s.Backends) == 0 {
		return s, errors.New("guard: Settings.Backends is empty: name where connections are carried on, such as 127.0.0.1:8443")
	}
	for i, b := range s.Backends {
		if _, port, err := net.SplitHostPort(b); err != nil || port == "" || port == "0" {
			return s, fmt.Errorf("guard: back end %q is not host:port, such as 127.0.0.1:8443", b)
		}
		if slices.Contains(s.Backends[:i], b) {
			return s, fmt.Errorf("guard: back end %s is named twice", b)
		}
	}
	everybody := cmp.Or(s.MaxConnections, 1<<16)
	table := []setting.Setting{
		setting.Of("guard.Settings.Balance", &s.Balance, RoundRobin, RoundRobin, LeastConnections),
		setting.Of("guard.Settings.Header", &s.Header, NoHeader, NoHeader, ProxyV2),
		setting.Of("guard.Settings.MaxConnections", &s.MaxConnections, 1<<16, 1, MaxEntries),
		setting.Of("guard.Settings.PerSource", &s.PerSource, everybody, 1, MaxEntries),
		setting.Of("guard.Settings.PerPrefix", &s.PerPrefix, everybody, 1, MaxEntries),
		setting.Of("guard.Settings.CheckInterval", &s.CheckInterval, 2*time.Second, 10*time.Millisecond, time.Hour),
		setting.Of("guard.Settings.CheckTimeout", &s.CheckTimeout, time.Second, time.Millisecond, time.Hour),
		setting.Of("guard.Settings.DialTimeout", &s.DialTimeout, 5*time.Second, time.Millisecond, time.Hour),
	}
	err := setting.Check(table)
	setting.Settle(table)
	return s, err
}
