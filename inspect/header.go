package inspect

import (
	"os"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/tcp"
	"github.com/handfast-tcp/handfast/wire"
)

func header(h *handfast.Host, name string) Header {
	c := h.Counters()
	return Header{Source: "handfast", Name: name, PID: os.Getpid(), Time: time.Now(),
		Defence: defence(h.Defence()), Counters: counters(&c), Drops: drops(&c)}
}

func defence(d tcp.Defence) *Defence {
	return &Defence{d.HalfOpen, d.MaxHalfOpen, d.SynAckRetries, d.Cookies.String(), d.SendingCookies,
		d.Attack, d.Attacks, d.AttackEnter, d.AttackLeave}
}

func counters(c *handfast.Counters) map[string]map[string]uint64 {
	groups := map[string]map[string]uint64{}
	for name, n := range c.All() {
		if groups[name[0]] == nil {
			groups[name[0]] = map[string]uint64{}
		}
		groups[name[0]][name[1]] = n
	}
	return groups
}

// drops returns the reasons that have occurred.
func drops(c *handfast.Counters) map[string]uint64 {
	all := map[string]uint64{}
	for d, n := range c.Drops {
		if n > 0 && wire.Drop(d) != wire.None {
			all[wire.Drop(d).String()] = n
		}
	}
	return all
}
