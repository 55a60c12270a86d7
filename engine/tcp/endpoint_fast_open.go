package tcp

import (
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
)

// maxFastOpenNews is how much of it waits; more is forgotten, and learnt again.
const maxFastOpenNews = 64

func (f *fastOpens) tell(n fastopen.News) {
	if len(f.news) < maxFastOpenNews {
		f.news = append(f.news, n)
	}
}

// HasFastOpen reports whether NextFastOpen has something to tell.
func (e *Endpoint) HasFastOpen() bool { return len(e.cfg.fastOpens.news) > 0 }

// NextFastOpen returns what a connection has learnt of Fast Open since it was asked last,
// for who keeps a fastopen.Cache. ok is false when there is nothing more.
func (e *Endpoint) NextFastOpen() (n fastopen.News, ok bool) {
	f := &e.cfg.fastOpens
	if len(f.news) == 0 {
		return n, false
	}
	last := len(f.news) - 1
	n = f.news[last]
	f.news = f.news[:last]
	return n, true
}

// FastOpen has en, which Connect has just made, use Fast Open where Config.FastOpen lets
// connections do so, with what a fastopen.Cache knows of the way to the peer. With a cookie
// it counts as connected, and the SYN waits for the text that goes on it: Send, or
// SendSyn. Without one the SYN leaves at once, and asks for it.
func (e *Endpoint) FastOpen(now clock.Time, en *Entry, k fastopen.Hint) {
	m := e.cfg.FastOpen
	if m&fastopen.Client == 0 || k.Paused || en.options.auth != nil || en.state != SynSent || en.snd.nxt != en.snd.iss {
		return
	}
	f := &fastOpen{cookie: k.Cookie, old: k.Experiment}
	if k.Cookie.Len() > 0 || m&fastopen.ClientNoCookie != 0 {
		f.open, f.most = true, en.fastMost(k)
	}
	en.fast = f
	e.update(now, en)
}

// SendSyn lets the SYN of en go without text: for a program that wants to read first.
func (e *Endpoint) SendSyn(now clock.Time, en *Entry) {
	if en.awaitsText() {
		en.fast.most = 0
		e.update(now, en)
	}
}

// SynRoom returns how many bytes of text go on the SYN of c, which waits for them; 0 when none
// does.
func (c *Conn) SynRoom() int {
	if !c.awaitsText() {
		return 0
	}
	return int(c.fast.most)
}
