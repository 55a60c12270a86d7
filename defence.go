package handfast

import (
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// FloodVerdict returns what the host makes of the handshakes that it is asked
// for: whether there is a SYN flood, a flash crowd, a port scan or a broken
// path, why, and what is done about it. All shards speak with one voice; each
// tells of one moment of its own.
func (h *Host) FloodVerdict() detect.Verdict {
	all := make([]detect.Verdict, len(h.shards))
	for i, s := range h.shards {
		s.mu.Lock()
		all[i] = s.tcp.Flood(h.now())
		s.mu.Unlock()
	}
	return detect.Merge(all...)
}

// floodLog tells Config.Logger when the level of the verdict has changed.
type floodLog struct {
	mu    sync.Mutex
	level detect.Level // that was told last
}

// logFlood is run when a shard's level has changed, without any lock.
func (h *Host) logFlood() {
	h.flood.mu.Lock()
	defer h.flood.mu.Unlock()
	// The host's level is not the shard's: a flood that all of them see is one.
	v := h.FloodVerdict()
	if v.Level == h.flood.level {
		return
	}
	was := h.flood.level
	h.flood.level = v.Level
	h.howLoud(v.Level, was)(v.String(), "level", v.Level.String(), "was", was.String(), "reasons", v.Reasons)
}

// howLoud is how a change is told. What is only unusual is no alarm: people
// learn to ignore those.
func (h *Host) howLoud(now, was detect.Level) func(msg string, args ...any) {
	switch {
	case max(now, was) <= detect.Elevated:
		return h.cfg.Logger.Debug
	case now > was && now >= detect.BrokenPath:
		return h.cfg.Logger.Warn
	}
	return h.cfg.Logger.Info
}

// Defence returns how the host meets SYN floods: what is set, and what is in
// force in any of its shards. Entries are those of all shards together.
func (h *Host) Defence() (sum tcp.Defence) {
	for i, s := range h.shards {
		s.mu.Lock()
		d := s.tcp.Defence()
		s.mu.Unlock()
		if i == 0 {
			sum = d
			continue
		}
		sum.HalfOpen += d.HalfOpen
		sum.MaxHalfOpen += d.MaxHalfOpen
		sum.AttackEnter += d.AttackEnter
		sum.AttackLeave += d.AttackLeave
		sum.Attacks += d.Attacks
		sum.SynAckRetries = min(sum.SynAckRetries, d.SynAckRetries)
		sum.SendingCookies = sum.SendingCookies || d.SendingCookies
		sum.Attack = sum.Attack || d.Attack
	}
	return sum
}

// CookieKeys is where hosts get the keys of their SYN cookies from, if they
// share them: a keyring.Ring. With an error the keys are still used.
type CookieKeys interface {
	Keys(now time.Time) (tcp.CookieKeys, error)
}

// keyCheck is how often Config.CookieKeys is asked.
const keyCheck = 5 * time.Second

// turnKeys gives all shards the keys of now, and does so again and again until
// the host is closed.
func (h *Host) turnKeys() {
	keys, err := h.cfg.CookieKeys.Keys(time.Now())
	if err != nil {
		h.cfg.Logger.Warn("cookie keys", "error", err)
	}
	for _, s := range h.shards {
		s.mu.Lock()
		s.tcp.ShareCookieKeys(keys)
		s.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.running.Add(1)
		// A timer of its own for each turn, counted as a goroutine of the host's: Close waits
		// for one that has begun, and stops one that has not.
		h.keyTimer = time.AfterFunc(keyCheck, func() {
			defer h.running.Done()
			h.turnKeys()
		})
	}
}
