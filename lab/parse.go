package lab

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// parser reads a scenario, line by line.
type parser struct {
	*Scenario
	file    string
	program *program // whose indented lines follow
}

func parse(file, text string) (*Scenario, error) {
	p := &parser{Scenario: &Scenario{Name: strings.TrimSuffix(file, ".txt")}, file: file}
	p.text, p.outcome = split(text)
	n := 0
	for line := range strings.Lines(p.text) {
		n++
		if err := p.line(n, strings.TrimRight(line, "\r\n")); err != nil {
			return nil, err
		}
	}
	if len(p.hosts) == 0 {
		return nil, &syntaxError{file, n + 1, 1, "the scenario has no host"}
	}
	return p.Scenario, nil
}

// line reads one line. One that is indented belongs to a program.
func (p *parser) line(n int, text string) error {
	if p.title(text) {
		return nil
	}
	l, err := newLineReader(p.file, n, text)
	if err != nil || len(l.words) == 0 {
		return err
	}
	if unicode.IsSpace(rune(text[0])) {
		if p.program == nil {
			return l.at(l.words[0], "this line is indented, but no program's name stands above it")
		}
		return p.step(l)
	}
	p.program = nil
	if len(l.words) == 0 {
		return nil
	}
	if last := l.words[len(l.words)-1]; strings.HasSuffix(last.text, ":") {
		return p.begin(l)
	}
	if err := p.statement(l); err != nil {
		return err
	}
	return l.done()
}

// title takes the lines that are text for the reader.
func (p *parser) title(text string) bool {
	key, value, ok := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if !ok || value == "" {
		return false
	}
	switch key {
	case "summary":
		p.Summary = value
	case "summary-zh":
		p.SummaryZH = value
	case "see":
		p.See = value
	default:
		return false
	}
	return true
}

// begin opens a program: its host, and what tells it from others on that host.
func (p *parser) begin(l *lineReader) error {
	first := l.words[0]
	var words []string
	for _, w := range l.words {
		words = append(words, strings.TrimSuffix(w.text, ":"))
	}
	if !p.hasHost(words[0]) {
		return l.at(first, "there is no host %q", words[0])
	}
	p.programs = append(p.programs, program{host: words[0], title: strings.Join(words, " "), line: l.line})
	p.program = &p.programs[len(p.programs)-1]
	return nil
}

func (p *parser) hasHost(name string) bool {
	for _, h := range p.hosts {
		if h.Name == name {
			return true
		}
	}
	return false
}

// host reads the name of a host that exists.
func (p *parser) host(l *lineReader) (string, error) {
	w, err := l.next("a host")
	if err == nil && !p.hasHost(w.text) {
		err = l.at(w, "there is no host %q", w.text)
	}
	return w.text, err
}

func (p *parser) statement(l *lineReader) (err error) {
	verb := l.words[0]
	l.skip()
	switch verb.text {
	case "host":
		return p.hostLine(l)
	case "wire":
		return p.wireLine(l)
	case "limit":
		p.limit, err = l.duration("how long the world lives at most")
		return err
	case "lose", "duplicate", "delay", "hold", "corrupt":
		return p.rule(l, verb.text)
	case "cut":
		return p.cut(l)
	case "forge":
		return p.forge(l)
	case "expect":
		return p.expectation(l)
	}
	return l.at(verb, "%q is no statement; known are host, wire, limit, lose, duplicate, delay, hold, corrupt, cut, forge, expect, and NAME: before a program", verb.text)
}

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
	for {
		w, ok := l.peek()
		if !ok {
			if h.noQuick {
				h.Host.TCP.QuickAcks = -1
			}
			p.hosts = append(p.hosts, h)
			return nil
		}
		l.skip()
		if err := h.option(l, w); err != nil {
			return err
		}
	}
}

// switches are the options of a host that have no value.
func (h *hostLine) switches() map[string]*bool {
	t := &h.Host.TCP
	return map[string]*bool{"scripted": &h.Scripted, "prompt": &h.Prompt, "nodelay": &h.noDelay, "no-quick-acks": &h.noQuick, "no-timestamps": &t.NoTimestamps,
		"no-sack": &t.NoSACK, "no-window-scale": &t.NoWindowScale}
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
	case "address":
		return h.address(l)
	case "cookies":
		return h.cookies(l)
	}
	return l.at(w, "%q is no option of a host", w.text)
}

func (h *hostLine) cookies(l *lineReader) error {
	mode, err := l.expect("off", "auto", "always")
	h.Host.TCP.Cookies = cookieModes[mode]
	return err
}

func (h *hostLine) address(l *lineReader) (err error) {
	var w word
	if w, err = l.next("an address"); err != nil {
		return err
	}
	if h.Address, err = netip.ParseAddr(w.text); err != nil {
		return l.at(w, "%q is no address", w.text)
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
	line.change = func(c *WireConfig) { set.copyTo(c, seen) }
	p.wires = append(p.wires, line)
	return nil
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
	case "mtu":
		c.MTU, err = l.int("an MTU")
	default:
		return l.at(w, "%q is no property of a wire", w.text)
	}
	return err
}

// copyTo sets what the line named.
func (c *WireConfig) copyTo(to *WireConfig, seen map[string]bool) {
	for name, set := range map[string]func(){
		"delay": func() { to.Delay = c.Delay }, "jitter": func() { to.Jitter = c.Jitter },
		"loss": func() { to.Loss = c.Loss }, "duplicates": func() { to.Duplicate = c.Duplicate },
		"reordering": func() { to.Reorder = c.Reorder }, "corruption": func() { to.Corrupt = c.Corrupt },
		"reordering-delay": func() { to.ReorderDelay = c.ReorderDelay },
		"rate":             func() { to.Rate = c.Rate }, "queue": func() { to.QueueBytes = c.QueueBytes }, "mtu": func() { to.MTU = c.MTU },
	} {
		if seen[name] {
			set()
		}
	}
}

// condition reads a time since the start, or: HOST is STATE.
func (p *parser) condition(l *lineReader) (condition, error) {
	w, ok := l.peek()
	if ok && p.hasHost(w.text) {
		l.skip()
		if _, err := l.expect("is"); err != nil {
			return condition{}, err
		}
		st, err := l.state()
		return condition{holds: func(w2 *World) bool { return w2.record.states[w.text] == st }}, err
	}
	d, err := l.duration("a time, or HOST is STATE,")
	return condition{at: d}, err
}

// cut reads: cut HOST HOST from T [to T].
func (p *parser) cut(l *lineReader) error {
	a, err := p.host(l)
	if err != nil {
		return err
	}
	b, err := p.host(l)
	if err != nil {
		return err
	}
	if _, err = l.expect("from"); err != nil {
		return err
	}
	c, err := p.condition(l)
	if err != nil {
		return err
	}
	p.deeds = append(p.deeds, deed{l.line, c, func(w *World) { w.Cut(a, b, true) }})
	if l.accept("to") {
		if c, err = p.condition(l); err != nil {
			return err
		}
		p.deeds = append(p.deeds, deed{l.line, c, func(w *World) { w.Cut(a, b, false) }})
	}
	return nil
}

// forge reads: forge HOST PORT > HOST PORT SEGMENT at T. The segment's numbers
// count from the streams' first ones, as far as the wire has seen them.
func (p *parser) forge(l *lineReader) error {
	var names [2]string
	var ports [2]uint16
	for i := range names {
		var err error
		if names[i], err = p.host(l); err != nil {
			return err
		}
		if ports[i], err = l.port(); err != nil {
			return err
		}
		if i == 0 {
			if _, err = l.expect(">"); err != nil {
				return err
			}
		}
	}
	at := -1
	for i, w := range l.words {
		if w.text == "at" || w.text == "when" {
			at = i
		}
	}
	if at < 0 {
		w, _ := l.peek()
		return l.at(w, "a forged segment needs its time: at T, or when HOST is STATE")
	}
	tail := *l
	tail.words = l.words[at+1:]
	l.words = l.words[:at]
	t, err := l.template()
	if err != nil {
		return err
	}
	c, err := p.condition(&tail)
	if err != nil {
		return err
	}
	p.deeds = append(p.deeds, deed{l.line, c, func(w *World) {
		w.forge(w.node(names[0]), w.node(names[1]), ports, &t)
	}})
	return tail.done()
}

// forge puts a segment on the wire in a host's name.
func (w *World) forge(from, to *node, ports [2]uint16, t *template) {
	d := direction{from.addr, to.addr, ports[0], ports[1]}
	h := t.header(d, w.record.isns[d], w.record.isns[d.reverse()])
	w.send(from, packet(d, &h, []byte(strings.Repeat("x", t.len))), true)
}
