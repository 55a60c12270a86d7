package lab

import (
	"cmp"
	"strings"
	"unicode"
)

// parser reads a scenario, line by line.
type parser struct {
	*Scenario
	file    string
	program *program // whose indented lines follow
	note    *note    // the line before, if it is one
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
		return nil, &SyntaxError{file, n + 1, 1, "the scenario has no host"}
	}
	p.Title = cmp.Or(p.Title, p.Name)
	p.TitleZH = cmp.Or(p.TitleZH, p.Title)
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

// title takes the lines that are text for the reader. They come before words are looked for:
// a summary may have a quotation mark, or a sign that begins a remark.
func (p *parser) title(text string) bool {
	key, value, ok := strings.Cut(text, ":")
	value = strings.TrimSpace(value)
	if !ok || value == "" {
		return false
	}
	switch key {
	case "title":
		p.Title = value
	case "title-zh":
		p.TitleZH = value
	case "summary":
		p.Summary = value
	case "summary-zh":
		p.SummaryZH = value
	case "see":
		p.See, p.SeeZH = value, value
	case "see-zh":
		p.SeeZH = value
	case "try":
		with, question, ok := strings.Cut(value, ": ")
		if !ok {
			return false
		}
		p.Tries = append(p.Tries, Try{With: with, Text: question, TextZH: question})
	case "try-zh":
		if len(p.Tries) == 0 {
			return false
		}
		p.Tries[len(p.Tries)-1].TextZH = value
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
	case "lose", "duplicate", "delay", "hold", "corrupt", "mark":
		return p.rule(l, verb.text)
	case "cut":
		return p.cut(l)
	case "forge":
		return p.forge(l)
	case "expect":
		return p.expectation(l)
	}
	return l.at(verb, "%q is not a statement; known are host, wire, limit, lose, duplicate, delay, hold, corrupt, cut, forge, expect, and NAME: before a program", verb.text)
}

// condition reads a time since the start, or: HOST is STATE. A state says what is meant where
// a time would have to be computed, and stays right when the wire gets slower.
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
