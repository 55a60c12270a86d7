package handfast

import (
	"cmp"
	"fmt"
	"math/bits"
	"net"
	"net/netip"
	"runtime"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/random"
	"github.com/handfast-tcp/handfast/internal/setting"
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
	}
}

// check refuses what is outside its range.
func (c *Config) check() error {
	halfOpen, buffers, memory := c.HalfOpen, c.BufferMemory, c.Memory // without defaults of their own
	err := cmp.Or(setting.Check(c.settings()),
		setting.Of("Config.HalfOpen", &halfOpen, 0, 1, tcp.MaxEntries).Check(),
		setting.Of("Config.BufferMemory", &buffers, 0, tcp.MinBuffer, tcp.MaxBufferMemory).Check(),
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
