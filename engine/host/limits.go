package host

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/internal/setting"
)

// Limits of Config.
const (
	MaxShards = 64
	MaxCount  = 1 << 24   // entries of a table or queue
	MaxRate   = 1_000_000 // replies in a second
	MinSize   = 64 << 10  // bytes: the largest packet
)

// settings lists the default and the range of every number: one list for New, which takes
// the nearest value inside, and for Check, which refuses.
func (c *Config) settings() []setting.Setting {
	count := func(name string, field *int, byDefault int) setting.Setting {
		return setting.Of("host.Config."+name, field, byDefault, 1, MaxCount)
	}
	size := func(name string, field *int, byDefault int) setting.Setting {
		return setting.Of("host.Config."+name, field, byDefault, MinSize, tcp.MaxBuffer)
	}
	rate := func(name string, field *int, byDefault int) setting.Setting {
		return setting.Of("host.Config."+name, field, byDefault, 1, MaxRate)
	}
	return []setting.Setting{
		setting.Of("host.Config.Shards", &c.Shards, 1, 1, MaxShards),
		setting.Of("host.Config.Shard", &c.Shard, 0, 0, min(max(c.Shards, 1), MaxShards)-1),
		count("MaxQueued", &c.MaxQueued, 1024), size("MaxQueuedBytes", &c.MaxQueuedBytes, 8<<20),
		count("MaxPathMTUs", &c.MaxPathMTUs, 1024),
		count("MaxNeighbour", &c.MaxNeighbour, 512), size("MaxNeighbourBytes", &c.MaxNeighbourBytes, 4<<20),
		count("MaxFragmentDatagrams", &c.MaxFragmentDatagrams, 64), size("MaxFragmentBytes", &c.MaxFragmentBytes, 1<<20),
		setting.Of("host.Config.FragmentTimeout", &c.FragmentTimeout, 30*time.Second, time.Millisecond, tcp.MaxTimeout),
		size("UDPReceiveBuffer", &c.UDPReceiveBuffer, 208<<10), size("MaxUDPBytes", &c.MaxUDPBytes, 64<<20),
		count("MaxGroups", &c.MaxGroups, 256),
		rate("EchoPerSecond", &c.EchoPerSecond, 10000), rate("ErrorPerSecond", &c.ErrorPerSecond, 1000),
	}
}

// Check returns an error that names the first field outside its range, those of
// TCP among them.
func (c *Config) Check() error {
	if err := c.TCP.Check(); err != nil {
		return err
	}
	return setting.Check(c.settings())
}
