package lab

import (
	"fmt"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// defaultLimit is how long a world lives whose scenario does not say.
const defaultLimit = time.Hour

// Run plays the scenario. It fails only when it cannot run at all; what did
// not come out as expected is in Result.Failed.
func (s *Scenario) Run(o Options) (*Result, error) {
	if _, known := cookieModes[o.Cookies]; !known && o.Cookies != "" {
		return nil, fmt.Errorf("cookies %q: off, auto or always", o.Cookies)
	}
	if err := cc.Check(o.Congestion); err != nil {
		return nil, err
	}
	r := &Result{Scenario: s, Seed: o.Seed}
	w, err := s.world(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	w.fault = func(n *node, err error) {
		r.Failed = append(r.Failed, fmt.Sprintf("%v: %s: %v", w.now.Sub(start), n.Name, err))
	}
	if err := s.cast(w, r); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	if err := w.Run(start.Add(s.lifetime(o))); err != nil {
		r.Failed = append(r.Failed, fmt.Sprintf("%v: %s", err, strings.Join(w.Waiting(), ", ")))
	}
	s.finish(w, r)
	return r, nil
}

func (s *Scenario) lifetime(o Options) time.Duration {
	for _, d := range []time.Duration{o.Limit, s.limit} {
		if d > 0 {
			return d
		}
	}
	return defaultLimit
}

// world builds the hosts and the wires.
func (s *Scenario) world(o Options) (*World, error) {
	w := NewWorld(o.Seed)
	for i := range s.hosts {
		c := s.hosts[i].HostConfig
		o.configure(&c.Host.TCP)
		if err := w.AddHost(c); err != nil {
			return nil, err
		}
	}
	// First what holds for all wires, then what a line says of one, and on top of each what the
	// caller asked for.
	base := w.base
	for i := range s.wires {
		if s.wires[i].from == "" {
			s.wires[i].change(&base)
		}
	}
	o.change(&base)
	w.SetWire(base)
	for i := range s.wires {
		if l := &s.wires[i]; l.from != "" {
			c := w.link(w.node(l.from), w.node(l.to))
			changed := c.WireConfig
			l.change(&changed)
			o.change(&changed)
			w.SetWireBetween(l.from, l.to, changed)
		}
	}
	w.judge = s.judge(w, make([]int, len(s.rules)))
	return w, nil
}

var cookieModes = map[string]tcp.CookieMode{"off": tcp.CookiesOff, "auto": tcp.CookiesAuto, "always": tcp.CookiesAlways}

// configure puts what the caller asked for in the place of a host's settings, of all hosts:
// an option of the command says nothing of which.
func (o *Options) configure(c *tcp.Config) {
	if o.Cookies != "" {
		c.Cookies = cookieModes[o.Cookies]
	}
	if o.MSL > 0 {
		c.MSL = o.MSL
	}
	if o.Congestion != "" {
		c.CongestionControl = o.Congestion
	}
	if o.HalfOpen > 0 {
		c.MaxHalfOpen = o.HalfOpen
	}
	if o.SynAckRetries > 0 {
		c.SynAckRetries = o.SynAckRetries
	}
}

// leastQueue is the queue, in bytes, of a wire that is slow because the caller wants it so:
// twenty full packets at least.
const leastQueue = 20 * 1500

// change puts what the caller asked for on top of the scenario's wires.
func (o *Options) change(c *WireConfig) {
	if o.Delay > 0 {
		c.Delay = o.Delay
	}
	if o.Rate > 0 {
		c.Rate = o.Rate
		if c.QueueBytes == 0 {
			c.QueueBytes = int(max(o.Rate/8/10, leastQueue))
		}
	}
	// Two chances that do not know of each other: a packet survives when both let it pass.
	c.Loss = 1 - (1-c.Loss)*(1-o.Loss)
	c.Reorder = 1 - (1-c.Reorder)*(1-o.Reorder)
	if c.ReorderDelay == 0 {
		c.ReorderDelay = c.Delay + time.Millisecond
	}
}

// cast starts the programs and what happens by itself.
func (s *Scenario) cast(w *World, r *Result) error {
	fail := func(line int, text string) {
		r.Failed = append(r.Failed, fmt.Sprintf("line %d: %s", line, text))
	}
	for i := range s.programs {
		g := &s.programs[i]
		err := w.Go(g.host, g.title, func(p *Proc) {
			a := &actor{Proc: p, host: s.hostLine(g.host), names: map[string]*Conn{}, fail: fail}
			a.play(g.steps)
		})
		if err != nil {
			return err
		}
	}
	for i := range s.deeds {
		d := &s.deeds[i]
		w.when(d.when, func() { d.do(w) })
	}
	return nil
}

func (s *Scenario) hostLine(name string) *hostLine {
	for i := range s.hosts {
		if s.hosts[i].Name == name {
			return &s.hosts[i]
		}
	}
	return nil
}

// finish checks the expectations and fills in the rest of the result.
func (s *Scenario) finish(w *World, r *Result) {
	for i := range s.expects {
		e := &s.expects[i]
		if text := e.check(w); text != "" {
			r.Failed = append(r.Failed, fmt.Sprintf("line %d: %s: %s", e.line, e.text, text))
		}
	}
	r.Run = w.told()
}
