package handfast

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/host"
)

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
