package tcp

import (
	"math/bits"
	"time"

	"github.com/handfast-tcp/handfast/cc"
	"github.com/handfast-tcp/handfast/wire"
)

// defaultTo puts v where nothing was set.
func defaultTo[T comparable](field *T, v T) {
	var zero T
	if *field == zero {
		*field = v
	}
}

// withDefaults returns the configuration with its defaults filled in.
func (cfg Config) withDefaults() *Config {
	defaultTo(&cfg.SendBuffer, 1<<20)
	defaultTo(&cfg.ReceiveBuffer, 1<<20)
	defaultTo(&cfg.MSL, 30*time.Second)
	cfg.MSL = min(cfg.MSL, maxMSL)
	defaultTo(&cfg.InitialRTO, time.Second)
	defaultTo(&cfg.MinRTO, 200*time.Millisecond)
	defaultTo(&cfg.MaxRTO, 120*time.Second)
	defaultTo(&cfg.DelayedAck, 40*time.Millisecond)
	defaultTo(&cfg.QuickAcks, quickAcks)
	cfg.QuickAcks = min(cfg.QuickAcks, 255)
	defaultTo(&cfg.SynRetries, 6)
	defaultTo(&cfg.SynAckRetries, 5)
	defaultTo(&cfg.UserTimeout, 15*time.Minute)
	defaultTo(&cfg.FinWait2, time.Minute)
	defaultTo(&cfg.MaxHalfOpen, 4096)
	defaultTo(&cfg.AttackEnter, cfg.MaxHalfOpen/2)
	defaultTo(&cfg.AttackLeave, cfg.MaxHalfOpen/4)
	defaultTo(&cfg.VerdictTimeout, 30*time.Second)
	cfg.SynAckRetries = min(cfg.SynAckRetries, maxRetries)
	defaultTo(&cfg.MaxTimeWait, 65536)
	if cfg.NewController == nil {
		cfg.NewController = func(mss int) cc.Controller { return cc.NewReno(mss) }
	}
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
