package tcp

import (
	"math/bits"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/setting"
)

// withDefaults returns the configuration with its defaults filled in and every
// number in its range.
func (cfg Config) withDefaults() *Config {
	setting.Settle(cfg.settings())
	cfg.shift, cfg.stats, cfg.memory = shiftFor(&cfg), new(Counters), newMemory(cfg.BufferMemory, cfg.ConnMemory)
	initial := initialSettings(&cfg)
	cfg.initial = &initial
	return &cfg
}

// minMSS is the least segment size that we send, whatever the peer or ICMP
// says: a smaller one would let the peer multiply our work (CVE-2019-11479).
const minMSS = 64

// narrowMSS is what the narrowest link carries, one of 68 bytes for IPv4
// (RFC 791 §3.2): there is no way to send more at once there.
const narrowMSS = 68 - 40

// timestampSize is what the timestamps option takes in every header, padded.
const timestampSize = 12

// defaultMSS is the peer's segment size when its SYN has no MSS option,
// RFC 9293 §3.7.1 (MUST-15).
func defaultMSS(a wire.Addr) uint16 {
	if a.Is4() {
		return 536
	}
	return 1220
}

// headerSize is an IP and a TCP header without options, as MSS counts them.
func headerSize(a wire.Addr) int {
	if a.Is4() {
		return 40
	}
	return 60
}

// shiftFor returns the window scale that the receive buffer needs, RFC 7323 §2.
func shiftFor(cfg *Config) uint8 {
	if cfg.NoWindowScale {
		return 0
	}
	s := max(bits.Len(uint(cfg.ReceiveBuffer))-16, 0)
	if cfg.ReceiveBuffer > 0xffff<<s {
		s++
	}
	return uint8(min(s, wire.MaxWindowScale))
}
