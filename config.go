package handfast

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net"
	"net/netip"
	"runtime"
	"slices"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/random"
	"github.com/handfast-tcp/handfast/internal/setting"
	"github.com/handfast-tcp/handfast/link"
)

// Defaults and limits of Config.
const (
	DefaultBacklog   = 4096
	DefaultFirstPort = 32768 // as Linux
	DefaultLastPort  = 60999 // as Linux
	MaxShards        = host.MaxShards
	MaxBacklog       = 1 << 20
)

// Config is what New makes a host of. The zero value is a good one. A number that
// is zero means its default; New refuses those outside the ranges given here and in
// tcp.Config.
type Config struct {
	// Shards is over how many independent parts, each with its own lock, the
	// connections are spread, 1 to MaxShards; rounded up to a power of two.
	// Default: GOMAXPROCS rounded down to a power of two, at most 8, and where Memory
	// is set no more than it has 4 MiB for.
	Shards int

	// Memory is how many bytes the host may take for what others can make grow: its
	// connections, whole, half-open and in TIME-WAIT, their text, packets that wait,
	// UDP sockets' datagrams, fragments, neighbours; 4 MiB for each shard to
	// tcp.MaxBufferMemory. As it fills buffers shrink first; then connections that come are refused, which
	// SYNs are dropped for and dials fail for with ENOBUFS; those that there are go on. All
	// bounds are derived from it where they are not set; see docs/RELIABILITY.md for
	// what it does not count. Default: each bound by itself, and none for the number
	// of connections.
	Memory int64

	// TCP is what all connections share. Its limits hold for each shard. A zero
	// Secret is replaced by a random one.
	TCP tcp.Config

	// Backlog is how many established connections wait at most in a listener
	// for Accept, 1 to MaxBacklog. What comes then has to try again. Default
	// DefaultBacklog.
	Backlog int

	// HalfOpen is how many half-open connections are kept at most, over all
	// shards, 1 to tcp.MaxEntries. Default: TCP.MaxHalfOpen in each shard.
	HalfOpen int

	// BufferMemory is how many bytes the buffers of all connections may hold, over all
	// shards, in equal parts, tcp.MinBuffer to tcp.MaxBufferMemory.
	// Default: TCP.BufferMemory in each shard, or what follows from Memory.
	BufferMemory int64

	// FirstPort and LastPort bound the ports that are chosen when the program
	// names none; LastPort is not below FirstPort. Default DefaultFirstPort to
	// DefaultLastPort.
	FirstPort, LastPort uint16

	// NoKeepAlive makes connections begin without keep-alive probes, as RFC 9293 §3.8.4
	// would have it (MUST-25). As in
	// package net they begin otherwise with one after 15 s of silence.
	NoKeepAlive bool

	// CookieKeys are the keys that hosts share which accept each other's SYN
	// cookies: see package keyring. Default: random ones of this host's own.
	CookieKeys CookieKeys

	// Resolver looks up the host names given to Dial. Without it, and without
	// NameServers, only numeric addresses are accepted.
	Resolver *net.Resolver

	// NameServers are the DNS servers that are asked, over the host's links, for the
	// names given to Dial, in place of a Resolver: the next one where one is silent
	// or has troubles, and over TCP what UDP is too small for. Port 0 is 53. The
	// client is that of package net: names in the system's file of hosts are taken
	// from there. The domains that the system searches are not.
	NameServers []netip.AddrPort

	// Trace is called with what happened, in order for each shard, while the
	// shard is locked: it must not block, must not call the host, and must not
	// keep the slice. Several shards call it at the same time.
	// With it each segment goes through TCP by itself, on links that take and
	// bring no super-segments.
	Trace func([]tcp.Event)

	// Events are what is kept of what happens to connections. Default: nothing. To
	// watch what happens, WatchEvents needs nothing to be kept.
	Events account.Keep

	// Account has the host account for each connection: what it sent and received, how
	// long its handshake, a round trip and its life took, and why it ended. Totals and
	// EventFilter.Flows tell. It takes 160 bytes for each connection.
	Account bool

	// Logger gets a line when a link comes or goes, and when FloodVerdict has
	// another level. Default: nothing is logged.
	Logger Logger
}

func (c *Config) setDefaults() error {
	if c.Shards == 0 {
		c.Shards = min(1<<(bits.Len(uint(runtime.GOMAXPROCS(0)))-1), 8)
		c.capShards()
	}
	if err := c.check(); err != nil {
		return err
	}
	c.Shards = 1 << bits.Len(uint(c.Shards-1))
	if err := c.checkMemory(); err != nil {
		return err
	}
	if c.HalfOpen > 0 {
		c.TCP.MaxHalfOpen = (c.HalfOpen + c.Shards - 1) / c.Shards
	}
	if c.BufferMemory > 0 {
		c.TCP.BufferMemory = max(c.BufferMemory/int64(c.Shards), tcp.MinBuffer)
	}
	c.spread()
	setting.Settle(c.settings())
	if c.FirstPort == 0 {
		c.FirstPort = DefaultFirstPort
	}
	if c.LastPort == 0 {
		c.LastPort = max(DefaultLastPort, c.FirstPort)
	}
	if c.LastPort < c.FirstPort {
		return fmt.Errorf("handfast: Config.LastPort is %d, below FirstPort, which is %d", c.LastPort, c.FirstPort)
	}
	if c.TCP.Secret == ([16]byte{}) {
		if err := random.Fill(c.TCP.Secret[:]); err != nil {
			return err
		}
	}
	if c.Logger == nil {
		c.Logger = silence{}
	}
	return nil
}

// settings lists the default and the range of every number but the ports.
func (c *Config) settings() []setting.Setting {
	return []setting.Setting{
		setting.Of("Config.Shards", &c.Shards, 1, 1, MaxShards),
		setting.Of("Config.Backlog", &c.Backlog, DefaultBacklog, 1, MaxBacklog),
		setting.Of("Config.Events.Last", &c.Events.Last, 64, tcp.MinKept, tcp.MaxKept),
		setting.Of("Config.Events.OneIn", &c.Events.OneIn, 1, 1, math.MaxInt32),
	}
}

// check refuses what is outside its range.
func (c *Config) check() error {
	halfOpen, buffers, memory, rings := c.HalfOpen, c.BufferMemory, c.Memory, c.Events.Connections // without defaults of their own
	err := cmp.Or(setting.Check(c.settings()),
		setting.Of("Config.HalfOpen", &halfOpen, 0, 1, tcp.MaxEntries).Check(),
		setting.Of("Config.BufferMemory", &buffers, 0, tcp.MinBuffer, tcp.MaxBufferMemory).Check(),
		setting.Of("Config.Events.Connections", &rings, 0, 1, tcp.MaxEntries).Check(),
		setting.Of("Config.Memory", &memory, 0, shardMemory, tcp.MaxBufferMemory).Check(),
		c.TCP.Check())
	if err != nil {
		return fmt.Errorf("handfast: %w", err)
	}
	return nil
}

// hostConfig returns what one shard's host is made of.
func (c *Config) hostConfig(shard int) host.Config {
	h := host.Config{TCP: c.TCP, Shard: shard, Shards: c.Shards}
	c.spreadBelow(&h)
	return h
}

// Logger is what a host tells of to people. A *slog.Logger is one.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// silence is the logger of a host without one.
type silence struct{}

func (silence) Debug(string, ...any) {}
func (silence) Info(string, ...any)  {}
func (silence) Warn(string, ...any)  {}
func (silence) Error(string, ...any) {}

// shardMemory is what each shard has of Config.Memory at least, in bytes: its tables
// would be too small to be of use otherwise.
const shardMemory = 4 << 20

// connMemory is what a connection counts beside its text, in bytes: its entry, what the
// program has of it, its share of tables, congestion control and what it may always
// hold, a tiny block each way and what is known of its flight.
const connMemory = 39 << 6

// textShare is how much of a block must be text for it to be kept: what is counted as
// text may take so many times as much.
const textShare = 4

// capShards makes as few shards as Memory has room for, where Shards is not set.
func (c *Config) capShards() {
	for c.Memory > 0 && c.Shards > 1 && c.Memory < int64(c.Shards)*shardMemory {
		c.Shards /= 2
	}
}

// checkMemory refuses more shards than there is memory for.
func (c *Config) checkMemory() error {
	if least := int64(c.Shards) * shardMemory; c.Memory > 0 && c.Memory < least {
		return fmt.Errorf("handfast: Config.Memory is %d; %d shards need at least %d bytes: set Config.Shards to fewer, or to 0", c.Memory, c.Shards, least)
	}
	return nil
}

// spread derives the bounds of TCP from Memory, where they are not set. Of 64 parts of
// what a shard has, 55 are for connections and their text, which may go past their
// budget by an eighth.
func (c *Config) spread() {
	part := c.Memory / int64(c.Shards) / 64
	if part == 0 {
		return
	}
	c.TCP.ConnMemory = connMemory / textShare
	if c.TCP.BufferMemory == 0 {
		c.TCP.BufferMemory = 55 * part / textShare / 9 * 8
	}
	atMost(&c.TCP.MaxHalfOpen, part/128, 4096) // bytes of an entry, with all that is kept for it
	atMost(&c.TCP.MaxTimeWait, part/96, 65536)
}

// spreadBelow derives the bounds below TCP. The last part is for what does not grow.
func (c *Config) spreadBelow(h *host.Config) {
	part := c.Memory / int64(c.Shards) / 64
	if part == 0 {
		return
	}
	atMost(&h.MaxQueuedBytes, part, 8<<20) // and as much for other shards
	atMost(&h.MaxUDPBytes, 2*part, 64<<20)
	atMost(&h.UDPReceiveBuffer, 2*part, 208<<10)
	atMost(&h.MaxNeighbourBytes, part, 4<<20)
	atMost(&h.MaxFragmentBytes, part, 1<<20)
}

// atMost sets a bound that is not set: its usual value, or less.
func atMost(field *int, n int64, usual int) {
	if *field == 0 {
		*field = int(min(max(n, 1), int64(usual)))
	}
}

// LinkOptions say what a host is on a link.
type LinkOptions struct {
	// Addresses are the host's own on this link, each with the network that is
	// reached directly: 10.0.0.2/24.
	Addresses []netip.Prefix
	// Gateway is where packets go that no route is for; zero: nowhere. It
	// serves its own address family; for the other one add to Routes.
	Gateway netip.Addr
	// Routes are further networks that are reached by this link.
	Routes []Route
	// AnswerFor are addresses of other hosts for which this one answers on an Ethernet when
	// somebody asks where they are (ARP, NDP): a subnet's, say, so that what its neighbours
	// send there comes here without a route of theirs. Host.Forward, ForwardPacket and
	// ForwardEcho say what becomes of it. None of those hosts may be on the link itself.
	AnswerFor []netip.Prefix
	// NoConflictDetection is for addresses that other hosts on an Ethernet have as
	// well, on purpose. Otherwise the host asks there whether they are free, while
	// it uses them already (RFC 5227, RFC 4862 §5.4). One that is not is lost:
	// LinkInfo.Lost.
	NoConflictDetection bool
}

// Route is the way to a network.
type Route struct {
	Destination netip.Prefix
	// Gateway is the next hop; zero: the destinations are on the link itself.
	Gateway netip.Addr
}

// clone returns a copy that the caller of Attach cannot change.
func (o *LinkOptions) clone() LinkOptions {
	c := *o
	c.Addresses, c.Routes, c.AnswerFor = slices.Clone(o.Addresses), slices.Clone(o.Routes), slices.Clone(o.AnswerFor)
	return c
}

// allRoutes returns o's routes, the one by its gateway among them.
func (o *LinkOptions) allRoutes() []Route {
	routes := o.Routes[:len(o.Routes):len(o.Routes)]
	switch g := o.Gateway.Unmap(); {
	case g.Is4():
		routes = append(routes, Route{netip.PrefixFrom(netip.IPv4Unspecified(), 0), g})
	case g.Is6():
		routes = append(routes, Route{netip.PrefixFrom(netip.IPv6Unspecified(), 0), g})
	}
	return routes
}

// check finds what an IP host would refuse, before anything is changed.
func (o *LinkOptions) check() error {
	for _, a := range o.Addresses {
		ip := a.Addr().Unmap()
		if !a.IsValid() || ip.IsUnspecified() || ip.IsMulticast() {
			return fmt.Errorf("handfast: LinkOptions.Addresses: %v is not an address of a host with its prefix length", a)
		}
	}
	for _, p := range o.AnswerFor {
		if !p.IsValid() {
			return errors.New("handfast: LinkOptions.AnswerFor: not a valid prefix")
		}
	}
	for _, r := range o.Routes {
		if !r.Destination.IsValid() {
			return errors.New("handfast: LinkOptions.Routes: not a valid destination")
		}
		if g := r.Gateway; g.IsValid() && g.Unmap().Is4() != r.Destination.Addr().Unmap().Is4() {
			return fmt.Errorf("handfast: route to %v: gateway %v is of the other address family", r.Destination, g)
		}
	}
	return nil
}

// maxLinks is how many links a host can have, counting those that are gone.
const maxLinks = 256

// Limits of the links that Attach takes.
const (
	MinMTU     = 68   // bytes, RFC 791 §3.2
	MinIPv6MTU = 1280 // bytes, of a link with an IPv6 address: RFC 8200 §5
	MaxQueues  = 256  // of a link
)

// checkLink finds what a link could not work with, before anything is changed.
func checkLink(a *link.Attributes, o *LinkOptions) error {
	switch {
	case a.MTU < MinMTU:
		return fmt.Errorf("handfast: link %s: MTU is %d; it must be at least %d bytes", a.Name, a.MTU, MinMTU)
	case a.MTU < MinIPv6MTU && o.speaksIPv6():
		return fmt.Errorf("handfast: link %s: MTU is %d; IPv6 needs at least %d bytes: give the link IPv4 addresses and routes only",
			a.Name, a.MTU, MinIPv6MTU)
	case a.MaxGSO != 0 && a.MaxGSO < a.MTU:
		return fmt.Errorf("handfast: link %s: MaxGSO is %d; it must be 0 or at least the MTU, %d", a.Name, a.MaxGSO, a.MTU)
	case a.Queues < 1 || a.Queues > MaxQueues:
		return fmt.Errorf("handfast: link %s: Queues is %d; it may be 1 to %d", a.Name, a.Queues, MaxQueues)
	case a.Medium != link.IP && a.Medium != link.Ethernet:
		return fmt.Errorf("handfast: link %s: Medium is %d; it is IP or Ethernet", a.Name, a.Medium)
	case a.Medium == link.Ethernet && (a.HardwareAddr[0]&1 != 0 || a.HardwareAddr == link.HardwareAddr{}):
		return fmt.Errorf("handfast: link %s: HardwareAddr % x is not the address of one station", a.Name, a.HardwareAddr[:])
	}
	return nil
}

// speaksIPv6 reports whether there is an IPv6 address or route.
func (o *LinkOptions) speaksIPv6() bool {
	return slices.ContainsFunc(o.Addresses, func(a netip.Prefix) bool { return a.Addr().Unmap().Is6() }) ||
		slices.ContainsFunc(o.allRoutes(), func(r Route) bool { return r.Destination.Addr().Unmap().Is6() })
}

// equal reports whether o is the same route.
func (r Route) equal(o Route) bool {
	return unmapped(r.Destination).Masked() == unmapped(o.Destination).Masked() && r.Gateway.Unmap() == o.Gateway.Unmap()
}

// unmapped turns ::ffff:a.b.c.d/96+n into a.b.c.d/n.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
