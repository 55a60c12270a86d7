package web

import (
	"context"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// What is kept of what happens.
const (
	keptOpened = 128 // connections
	keptAsking = 32  // of those whose handshake is not complete, or never was
	keptHead   = 32  // moments at the beginning of each
	keptTail   = 48
	toldLives  = 60 // connections in a list
)

// rest is how long what happens is not looked at after more of it came than could be
// kept: under a flood a sample is enough, and the host has better things to do.
const rest = 100 * time.Millisecond

// lives records what happens.
type lives struct {
	album *live.Album
	host  *handfast.Host
	watch *handfast.EventWatch
	hub   *hub
}

func newLives(h *handfast.Host, hub *hub, name string) *lives {
	return &lives{hub: hub, host: h, watch: h.WatchEvents(handfast.EventFilter{}),
		album: live.NewAlbum(live.Options{Host: name, Head: keptHead, Tail: keptTail}, say.Text{"peer", "对端"}, keptOpened, keptAsking)}
}

// run records until ctx ends.
func (r *lives) run(ctx context.Context) {
	defer r.watch.Close()
	for {
		batch, err := r.watch.Next(ctx)
		if err != nil {
			return
		}
		opened, ended := r.album.Events(batch.Events)
		r.tell(opened, ended, batch.Skipped)
		if batch.Skipped == 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
	}
}

// news is a line of what began and ended.
type news struct {
	Kind   string `json:"kind"` // opened, ended, verdict, skipped
	At     int64  `json:"at"`   // milliseconds
	Local  string `json:"l,omitempty"`
	Remote string `json:"r,omitempty"`
	Text   text   `json:"text"`
	Level  string `json:"level,omitempty"`
	Count  uint64 `json:"count,omitempty"`
}

func newsOf(n news) message {
	data, _ := json.Marshal(n) // numbers and texts
	return message{"news", data}
}

func (r *lives) tell(opened, ended []live.Life, skipped uint64) {
	var all []message
	for i := range opened {
		all = append(all, r.news("opened", &opened[i], opened[i].Began))
	}
	for i := range ended {
		all = append(all, r.news("ended", &ended[i], ended[i].Ended))
	}
	if skipped > 0 {
		all = append(all, newsOf(news{Kind: "skipped", At: time.Now().UnixMilli(), Count: skipped}))
	}
	r.hub.tell(func() {
		for _, m := range all {
			r.hub.news.add(m)
		}
		r.hub.version++
	})
}

func (r *lives) news(kind string, l *live.Life, at clock.Time) message {
	local, remote := ends(l)
	return newsOf(news{Kind: kind, At: r.host.WallTime(at).UnixMilli(), Local: local, Remote: remote, Text: causeText(l.Cause)})
}

func ends(l *live.Life) (local, remote string) {
	t := &l.Tuple
	return netip.AddrPortFrom(t.Local.Netip(), t.LocalPort).String(), netip.AddrPortFrom(t.Remote.Netip(), t.RemotePort).String()
}

// entry is a recorded connection in a list.
type entry struct {
	State  string `json:"s"`
	Local  string `json:"l"`
	Remote string `json:"r"`
	Began  int64  `json:"b"`
	Ended  int64  `json:"e,omitempty"`
	Opened bool   `json:"o"`
	Cause  text   `json:"c"`
	Count  int    `json:"n"` // grows when something happens
}

// list is what viewers are told of what is recorded.
func (r *lives) list() []byte {
	all := r.album.Lives()
	out := make([]entry, 0, min(len(all), toldLives))
	for i := range all[:min(len(all), toldLives)] {
		l := &all[i]
		local, remote := ends(l)
		e := entry{State: l.State.String(), Local: local, Remote: remote, Began: r.host.WallTime(l.Began).UnixMilli(), Opened: l.Opened, Cause: causeText(l.Cause), Count: l.Moments}
		if l.Ended > 0 {
			e.Ended = r.host.WallTime(l.Ended).UnixMilli()
		}
		out = append(out, e)
	}
	data, _ := json.Marshal(out) // numbers and texts
	return data
}
