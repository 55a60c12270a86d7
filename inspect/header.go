package inspect

import (
	"os"
	"path/filepath"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

func header(h *handfast.Host, name string) Header {
	c := h.Counters()
	return Header{Source: "handfast", Name: name, PID: os.Getpid(), Program: filepath.Base(os.Args[0]), Time: time.Now(), Links: links(h, &c),
		Flood: FloodOf(h.FloodVerdict()), Defence: defence(h.Defence()), Counters: counters(&c), Drops: drops(&c)}
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

// FloodOf puts a detector's verdict into words and numbers.
func FloodOf(v detect.Verdict) *Flood {
	n := &v.Numbers
	f := &Flood{Level: v.Level.String(), Text: v.String(), Numbers: map[string]float64{
		"syns_per_second": n.SynRate, "synacks_per_second": n.SynAckRate, "synacks_repeated_per_second": n.RepeatRate,
		"completed_per_second": n.CompletedRate, "completed_per_second_usual": n.Usual,
		"closed_port_syns_per_second": n.ClosedRate, "refused_syns_per_second": n.RefusedRate,
		"invalid_cookies_per_second": n.CookieFailed, "unanswered_ratio": n.Unanswered(),
		"sources": n.Sources, "closed_ports": n.Ports, "scanners": float64(n.Scanners),
		"half_open": float64(v.Defence.HalfOpen), "half_open_limit": float64(v.Defence.Limit),
		"half_open_oldest_seconds": v.Defence.Oldest.Seconds(),
	}}
	if v.SourcesUnknown() {
		delete(f.Numbers, "sources")
	}
	for _, r := range v.Reasons {
		f.Reasons = append(f.Reasons, r.String())
	}
	return f
}
