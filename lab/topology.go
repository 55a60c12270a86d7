package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/handfast-tcp/handfast/engine/ao"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/fastopen"
)

// hostLine reads: host NAME OPTION ...
func (p *parser) hostLine(l *lineReader) error {
	w, err := l.next("a name")
	if err != nil {
		return err
	}
	if p.hasHost(w.text) || w.text == routerName {
		return l.at(w, "the name %q is taken", w.text)
	}
	h := hostLine{HostConfig: HostConfig{Name: w.text}}
	h.Address = netip.AddrFrom4([4]byte{10, 0, 0, byte(len(p.hosts) + 1)})
	first, _ := l.peek()
	for {
		w, ok := l.peek()
		if !ok {
			if h.noQuick {
				h.Host.TCP.QuickAcks = -1
			}
			p.hosts = append(p.hosts, h)
			return h.check(l, first)
		}
		l.skip()
		if err := h.option(l, w); err != nil {
			return err
		}
	}
}

// check refuses what is outside the range of an option. A time of 0 became the
// shortest there is, on purpose.
func (h *hostLine) check(l *lineReader, at word) error {
	settings := *h
	for _, d := range settings.durations() {
		if *d == 1 {
			*d = 0
		}
	}
	if err := settings.Host.TCP.Check(); err != nil {
		return l.at(at, "%v", err)
	}
	least := 68
	if h.Address.Is6() {
		least = 1280
	}
	if h.MTU != 0 && (h.MTU < least || h.MTU > maxMTU) {
		return l.at(at, "mtu is %d; it may be %d to %d, or 0 for 1500", h.MTU, least, maxMTU)
	}
	return nil
}

// maxMTU is the largest IP packet.
const maxMTU = 65535

// switches are the options of a host that have no value.
func (h *hostLine) switches() map[string]*bool {
	t := &h.Host.TCP
	return map[string]*bool{"scripted": &h.Scripted, "prompt": &h.Prompt, "nodelay": &h.noDelay, "no-quick-acks": &h.noQuick, "no-timestamps": &t.NoTimestamps,
		"no-sack": &t.NoSACK, "no-window-scale": &t.NoWindowScale, "user-timeout-option": &t.UserTimeoutOption}
}

func (h *hostLine) durations() map[string]*time.Duration {
	t := &h.Host.TCP
	return map[string]*time.Duration{"msl": &t.MSL, "initial-rto": &t.InitialRTO, "min-rto": &t.MinRTO, "max-rto": &t.MaxRTO,
		"delayed-ack": &t.DelayedAck, "user-timeout": &t.UserTimeout, "fin-wait-2": &t.FinWait2}
}

func (h *hostLine) numbers() map[string]*int {
	t := &h.Host.TCP
	return map[string]*int{"send-buffer": &t.SendBuffer, "receive-buffer": &t.ReceiveBuffer, "syn-retries": &t.SynRetries,
		"synack-retries": &t.SynAckRetries, "max-half-open": &t.MaxHalfOpen, "attack-enter": &t.AttackEnter,
		"max-time-wait": &t.MaxTimeWait, "mtu": &h.MTU}
}

// option reads one option of a host, whose word was w. A time of 0, which the
// engine takes for "the default", becomes the shortest there is.
func (h *hostLine) option(l *lineReader, w word) (err error) {
	if b := h.switches()[w.text]; b != nil {
		*b = true
		return nil
	}
	if d := h.durations()[w.text]; d != nil {
		*d, err = l.duration(w.text)
		*d = max(*d, 1)
		return err
	}
	if n := h.numbers()[w.text]; n != nil {
		*n, err = l.int(w.text)
		return err
	}
	switch w.text {
	case "fast-open":
		h.Host.TCP.FastOpen = fastopen.Client | fastopen.Server | fastopen.EveryListener
		return nil
	case "address":
		return h.address(l)
	case "cookies":
		return h.cookies(l)
	case "congestion":
		return h.congestion(l)
	case "ecn":
		return h.ecn(l)
	case "auth-key":
		return h.authKey(l)
	}
	return l.at(w, "%q is not a host option", w.text)
}

func (h *hostLine) cookies(l *lineReader) error {
	mode, err := l.expect("off", "auto", "always")
	h.Host.TCP.Cookies = cookieModes[mode]
	return err
}

// congestion reads the name of a congestion control.
func (h *hostLine) congestion(l *lineReader) error {
	name, err := l.expect(cc.Names()...)
	h.Host.TCP.CongestionControl = name
	return err
}

// ecn reads when a host uses ECN.
func (h *hostLine) ecn(l *lineReader) error {
	var modes []string
	for m := cc.ECNOff; m <= cc.ECNAccurate; m++ {
		modes = append(modes, m.String())
	}
	mode, err := l.expect(modes...)
	h.Host.TCP.ECN = cc.ECNOff + cc.ECNMode(slices.Index(modes, mode))
	return err
}

// authKey reads a key that the host shares with all others, and the number by which they
// all call it. Of several the first is the one that the host prefers.
func (h *hostLine) authKey(l *lineReader) error {
	w, _ := l.peek()
	id, err := l.int("auth-key")
	if err != nil {
		return err
	}
	if id < 0 || id > 255 {
		return l.at(w, "auth-key is called by a number from 0 to 255, not %d", id)
	}
	secret, err := l.next("a secret")
	if err != nil {
		return err
	}
	h.keys = append(h.keys, ao.Key{SendID: uint8(id), RecvID: uint8(id), Secret: []byte(secret.text)})
	keys, err := ao.New(h.keys...)
	if err != nil {
		return l.at(secret, "%v", err)
	}
	h.Host.TCP.Authenticator = keys
	return nil
}

func (h *hostLine) address(l *lineReader) (err error) {
	var w word
	if w, err = l.next("an address"); err != nil {
		return err
	}
	if h.Address, err = netip.ParseAddr(w.text); err != nil {
		return l.at(w, "%q is not an address", w.text)
	}
	return nil
}

// wireLine reads: wire [from HOST to HOST] delay D loss P ...
func (p *parser) wireLine(l *lineReader) error {
	var line wireLine
	if l.accept("from") {
		var err error
		if line.from, err = p.host(l); err != nil {
			return err
		}
		if _, err = l.expect("to"); err != nil {
			return err
		}
		if line.to, err = p.host(l); err != nil {
			return err
		}
	}
	var set WireConfig
	first, _ := l.peek()
	seen := map[string]bool{}
	for {
		w, ok := l.peek()
		if !ok {
			break
		}
		l.skip()
		seen[w.text] = true
		if err := set.option(l, w); err != nil {
			return err
		}
	}
	if err := set.check(); err != nil {
		return l.at(first, "%v", err)
	}
	line.change = func(c *WireConfig) { set.copyTo(c, seen) }
	p.wires = append(p.wires, line)
	return nil
}

// check returns an error that names a property outside its range.
func (c *WireConfig) check() error {
	if c.MTU != 0 && (c.MTU < 68 || c.MTU > maxMTU) {
		return fmt.Errorf("mtu is %d; it may be 68 to %d, or 0 for no router", c.MTU, maxMTU)
	}
	if c.Silent && c.MTU == 0 {
		return errors.New("silent is a router, and there is one where the wire has an mtu")
	}
	return c.Config.Check()
}

func (c *WireConfig) option(l *lineReader, w word) (err error) {
	switch w.text {
	case "delay":
		c.Delay, err = l.duration("a delay")
	case "jitter":
		c.Jitter, err = l.duration("a jitter")
	case "reordering-delay":
		c.ReorderDelay, err = l.duration("a delay")
	case "loss":
		c.Loss, err = l.probability("a probability")
	case "duplicates":
		c.Duplicate, err = l.probability("a probability")
	case "reordering":
		c.Reorder, err = l.probability("a probability")
	case "corruption":
		c.Corrupt, err = l.probability("a probability")
	case "rate":
		var bits int
		bits, err = l.int("bits in a second")
		c.Rate = uint64(bits)
	case "queue":
		c.QueueBytes, err = l.int("a number of bytes")
	case "mark":
		c.MarkBytes, err = l.int("a number of bytes")
	case "mtu":
		c.MTU, err = l.int("an MTU")
	case "silent":
		c.Silent = true
	default:
		return l.at(w, "%q is not a wire property", w.text)
	}
	return err
}

// copyTo sets what the line named, and leaves what it did not: that a wire has no delay is
// something else than that a line says nothing of it.
func (c *WireConfig) copyTo(to *WireConfig, seen map[string]bool) {
	for name, set := range map[string]func(){
		"delay": func() { to.Delay = c.Delay }, "jitter": func() { to.Jitter = c.Jitter },
		"loss": func() { to.Loss = c.Loss }, "duplicates": func() { to.Duplicate = c.Duplicate },
		"reordering": func() { to.Reorder = c.Reorder }, "corruption": func() { to.Corrupt = c.Corrupt },
		"reordering-delay": func() { to.ReorderDelay = c.ReorderDelay },
		"rate":             func() { to.Rate = c.Rate }, "queue": func() { to.QueueBytes = c.QueueBytes }, "mark": func() { to.MarkBytes = c.MarkBytes }, "mtu": func() { to.MTU = c.MTU },
		"silent": func() { to.Silent = c.Silent },
	} {
		if seen[name] {
			set()
		}
	}
}
