package handfast

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

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
		h.keyTimer = time.AfterFunc(keyCheck, func() {
			defer h.running.Done()
			h.turnKeys()
		})
	}
}
