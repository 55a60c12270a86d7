package tcp

import (
	"fmt"
	"math"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/internal/setting"
)

// Limits of Config.
const (
	MinBuffer = 2 << 10 // bytes
	MaxBuffer = 1 << 30 // bytes: the largest window, RFC 7323 §2.3
	// MaxBufferMemory bounds what all buffers together may hold, in bytes.
	MaxBufferMemory = 1 << 40
	// MaxConnMemory bounds what a connection counts in it, in bytes.
	MaxConnMemory = 1 << 20

	// MaxTimeout bounds every time but those that have a lower bound of their own.
	MaxTimeout = 24 * time.Hour
	// MaxDelayedAck is RFC 9293 §3.8.6.3's limit (MUST-40).
	MaxDelayedAck = 500 * time.Millisecond
	// MaxSynRetries is Linux's limit.
	MaxSynRetries = 127
	// MaxSynAckRetries is how many queues there are for them.
	MaxSynAckRetries = maxRetries
	// MaxEntries bounds the tables of half-open and TIME-WAIT connections.
	MaxEntries = 1 << 24
)

// settings lists the default and the range of every number. Some bound others,
// which come after them.
func (cfg *Config) settings() []setting.Setting {
	maxRTO := settled(cfg.MaxRTO, 120*time.Second, time.Millisecond, MaxTimeout)
	halfOpen := settled(cfg.MaxHalfOpen, 4096, 1, MaxEntries)
	enter := settled(cfg.AttackEnter, max(halfOpen/2, 1), 1, math.MaxInt32)
	user := settled(cfg.UserTimeout, 15*time.Minute, time.Millisecond, MaxTimeout)
	longest := settled(cfg.MaxUserTimeout, max(user, time.Hour), time.Millisecond, MaxTimeout)
	return []setting.Setting{
		setting.Of("tcp.Config.SendBuffer", &cfg.SendBuffer, 16<<20, MinBuffer, MaxBuffer),
		setting.Of("tcp.Config.ReceiveBuffer", &cfg.ReceiveBuffer, 16<<20, MinBuffer, MaxBuffer),
		setting.Of("tcp.Config.BufferMemory", &cfg.BufferMemory, 256<<20, MinBuffer, MaxBufferMemory),
		setting.Of("tcp.Config.ConnMemory", &cfg.ConnMemory, 0, 0, MaxConnMemory),
		setting.Of("tcp.Config.MSL", &cfg.MSL, 30*time.Second, 1, maxMSL),
		setting.Of("tcp.Config.TimeWaitReuse", &cfg.TimeWaitReuse, 0, 0, MaxTimeout),
		setting.Of("tcp.Config.MaxRTO", &cfg.MaxRTO, 120*time.Second, time.Millisecond, MaxTimeout),
		setting.Of("tcp.Config.InitialRTO", &cfg.InitialRTO, min(time.Second, maxRTO), time.Millisecond, maxRTO),
		setting.Of("tcp.Config.MinRTO", &cfg.MinRTO, min(200*time.Millisecond, maxRTO), time.Millisecond, maxRTO),
		setting.Of("tcp.Config.DelayedAck", &cfg.DelayedAck, 40*time.Millisecond, time.Millisecond, MaxDelayedAck),
		setting.Of("tcp.Config.ChallengeInterval", &cfg.ChallengeInterval, challengeInterval, 1, time.Minute),
		setting.Of("tcp.Config.QuickAcks", &cfg.QuickAcks, quickAcks, -1, 255),
		setting.Of("tcp.Config.SynRetries", &cfg.SynRetries, 6, -1, MaxSynRetries),
		setting.Of("tcp.Config.SynLinear", &cfg.SynLinear, 0, 0, MaxSynRetries),
		setting.Of("tcp.Config.SynAckRetries", &cfg.SynAckRetries, 5, -1, MaxSynAckRetries),
		setting.Of("tcp.Config.UserTimeout", &cfg.UserTimeout, 15*time.Minute, time.Millisecond, MaxTimeout),
		setting.Of("tcp.Config.MaxUserTimeout", &cfg.MaxUserTimeout, max(user, time.Hour), time.Millisecond, MaxTimeout),
		setting.Of("tcp.Config.MinUserTimeout", &cfg.MinUserTimeout, min(100*time.Second, longest), time.Millisecond, longest),
		setting.Of("tcp.Config.NotSentLowat", &cfg.NotSentLowat, 0, 0, MaxBuffer),
		setting.Of("tcp.Config.FinWait2", &cfg.FinWait2, time.Minute, time.Millisecond, MaxTimeout),
		setting.Of("tcp.Config.MaxHalfOpen", &cfg.MaxHalfOpen, 4096, 1, MaxEntries),
		setting.Of("tcp.Config.Cookies", &cfg.Cookies, CookiesAuto, CookiesAuto, CookiesOff),
		setting.Of("tcp.Config.ECN", &cfg.ECN, ecnDefault(cfg), cc.ECNOff, cc.ECNAccurate),
		setting.Of("tcp.Config.ECNOption", &cfg.ECNOption, cc.ECNOptionChanges, cc.ECNOptionChanges, cc.ECNOptionOff),
		setting.Of("tcp.Config.AttackEnter", &cfg.AttackEnter, max(halfOpen/2, 1), 1, math.MaxInt32),
		setting.Of("tcp.Config.AttackLeave", &cfg.AttackLeave, min(max(halfOpen/4, 1), enter), 1, enter),
		setting.Of("tcp.Config.VerdictTimeout", &cfg.VerdictTimeout, 30*time.Second, time.Millisecond, MaxTimeout),
		setting.Of("tcp.Config.FastOpen", &cfg.FastOpen, 0, 0, fastopen.All),
		setting.Of("tcp.Config.MaxTimeWait", &cfg.MaxTimeWait, 65536, 1, MaxEntries),
	}
}

// settled returns what a setting that bounds others will be.
func settled[T ~int | ~int64](v, byDefault, least, most T) T {
	setting.Of("", &v, byDefault, least, most).Settle()
	return v
}

// Check returns an error that names the first field outside its range. An
// endpoint made of such a configuration takes the nearest value inside, and the
// default for a name that does not exist.
func (cfg *Config) Check() error {
	if err := setting.Check(cfg.settings()); err != nil {
		return err
	}
	if err := cc.Check(cfg.CongestionControl); err != nil {
		return fmt.Errorf("tcp.Config.CongestionControl: %w", err)
	}
	return nil
}
