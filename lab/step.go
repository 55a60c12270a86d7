package lab

import (
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// step reads one line of a program: a call, and perhaps -> what it has to give.
func (p *parser) step(l *lineReader) error {
	s := step{line: l.line, text: strings.TrimSpace(l.text[:min(len(l.text), l.byteEnd())])}
	// Cut from the text, so that what is recorded is the call as a program makes it.
	if at := l.find("->"); at >= 0 {
		s.wants = true
		s.text, s.want, _ = strings.Cut(s.text, "->")
		s.text, s.want = strings.TrimSpace(s.text), strings.TrimSpace(s.want)
		l.words = l.words[:at]
	}
	verb, err := l.next("a call")
	if err != nil {
		return err
	}
	scripted := p.scripted(p.program.host)
	read, ok := calls[verb.text]
	if scripted {
		if play, has := plays[verb.text]; has {
			read, ok = play, true
		} else if !either[verb.text] {
			ok = false
		}
	}
	if !ok {
		return l.at(verb, "unknown call %q for a program on %s", verb.text, p.program.host)
	}
	if verb.text != "note-zh" {
		p.note = nil
	}
	s.quiet = either[verb.text] || verb.text == "info"
	if s.run, err = read(p, l); err != nil {
		return err
	}
	p.program.steps = append(p.program.steps, s)
	return l.done()
}

func (p *parser) scripted(name string) bool {
	for _, h := range p.hosts {
		if h.Name == name {
			return h.Scripted
		}
	}
	return false
}

// find returns the index of a word, or -1.
func (l *lineReader) find(text string) int {
	for i, w := range l.words {
		if w.text == text && !w.quoted {
			return i
		}
	}
	return -1
}

// byteEnd is where the line's remark begins, in bytes: words are placed by characters, which
// is what an editor shows.
func (l *lineReader) byteEnd() int {
	n, col := 0, 1
	for _, r := range l.text {
		if col >= l.end {
			break
		}
		n += len(string(r))
		col++
	}
	return n
}

// reading makes a step of the words of its line.
type reading func(p *parser, l *lineReader) (func(*actor) string, error)

// either are the calls that programs of both kinds of host have, and that say
// nothing by themselves.
var either = map[string]bool{"sleep": true, "at": true, "wait": true, "note": true, "note-zh": true}

// calls are what a program on a host with an engine can do.
var calls map[string]reading

func init() {
	calls = map[string]reading{
		"listen": readListen, "accept": readAccept, "connect": readConnect, "open": readConnect,
		"established": simple((*actor).established), "use": readUse,
		"write": readWrite, "read": readRead, "info": readInfo,
		"shutdown": simple((*actor).shutdown), "close": simple((*actor).close),
		"abort": simple((*actor).abort), "unlisten": simple((*actor).unlisten), "reboot": simple((*actor).reboot),
		"nodelay": simple((*actor).noDelay), "linger": readLinger, "keepalive": readKeepAlive,
		"user-timeout": readUserTimeout, "receive-buffer": readBuffer, "send-buffer": readBuffer,
		"sleep": readSleep, "at": readWait, "wait": readWait, "note": readNote, "note-zh": readNoteZH,
	}
}

func simple(f func(*actor) string) reading {
	return func(*parser, *lineReader) (func(*actor) string, error) { return f, nil }
}

func readListen(_ *parser, l *lineReader) (func(*actor) string, error) {
	port, err := l.port()
	backlog := 16
	if err == nil && l.accept("backlog") {
		backlog, err = l.int("a number of connections")
	}
	return func(a *actor) string { return a.listen(port, backlog) }, err
}

func readAccept(_ *parser, l *lineReader) (func(*actor) string, error) {
	name, until, err := "", time.Duration(0), error(nil)
	if l.accept("as") {
		var w word
		w, err = l.next("a name")
		name = w.text
	}
	if err == nil && l.accept("until") {
		until, err = l.duration("a time since the start")
	}
	return func(a *actor) string { return a.accept(name, until) }, err
}

func readConnect(p *parser, l *lineReader) (func(*actor) string, error) {
	k := connecting{wait: strings.HasPrefix(strings.TrimSpace(l.text), "connect")}
	var err error
	if k.to, err = p.host(l); err != nil {
		return nil, err
	}
	k.port, err = l.port()
	if err == nil && l.accept("from") {
		k.from, err = l.port()
	}
	if err == nil && l.accept("as") {
		var w word
		w, err = l.next("a name")
		k.name = w.text
	}
	k.fast = err == nil && l.accept("fast")
	return func(a *actor) string { return a.connect(&k) }, err
}

func readUse(_ *parser, l *lineReader) (func(*actor) string, error) {
	w, err := l.next("a name given with as")
	return func(a *actor) string { return a.use(w.text) }, err
}

// maxWrite bounds what one line of a scenario makes us hold, in bytes.
const maxWrite = 16 << 20

// readWrite reads: write N [of X] [urgent], or write "text" [urgent].
func readWrite(_ *parser, l *lineReader) (func(*actor) string, error) {
	w, ok := l.peek()
	var data string
	if ok && w.quoted {
		l.skip()
		data = w.text
	} else {
		n, err := l.int("a number of bytes, or a text in quotes,")
		if err != nil {
			return nil, err
		}
		if n > maxWrite {
			return nil, l.at(w, "%d bytes are more than a scenario may write at once, %d", n, maxWrite)
		}
		letter := "a"
		if l.accept("of") {
			if w, err = l.next("a letter"); err != nil {
				return nil, err
			}
			if letter = w.text; len(letter) != 1 {
				return nil, l.at(w, "%q is not one letter", letter)
			}
		}
		data = strings.Repeat(letter, n)
	}
	urgent := l.accept("urgent")
	return func(a *actor) string { return a.write(data, urgent) }, nil
}

// readRead reads: read, read N, read all; until T.
func readRead(_ *parser, l *lineReader) (func(*actor) string, error) {
	amount, until := 0, time.Duration(0)
	var err error
	if l.accept("all") {
		amount = -1
	} else if w, ok := l.peek(); ok && w.text != "until" {
		amount, err = l.int("a number of bytes, or all,")
	}
	if err == nil && l.accept("until") {
		until, err = l.duration("a time since the start")
	}
	return func(a *actor) string { return a.read(amount, until) }, err
}

func readLinger(_ *parser, l *lineReader) (func(*actor) string, error) {
	d, err := l.duration("how long close waits")
	return func(a *actor) string { return a.set(func(c *Conn) { c.SetLinger(d) }) }, err
}

func readUserTimeout(_ *parser, l *lineReader) (func(*actor) string, error) {
	d, err := l.duration("a time")
	return func(a *actor) string { return a.set(func(c *Conn) { c.SetUserTimeout(d) }) }, err
}

func readBuffer(_ *parser, l *lineReader) (func(*actor) string, error) {
	receive := strings.HasPrefix(strings.TrimSpace(l.text), "receive")
	n, err := l.int("a number of bytes")
	return func(a *actor) string {
		return a.set(func(c *Conn) {
			if receive {
				c.SetReceiveBuffer(n)
			} else {
				c.SetSendBuffer(n)
			}
		})
	}, err
}

func readKeepAlive(_ *parser, l *lineReader) (_ func(*actor) string, err error) {
	var k tcp.KeepAlive
	if k.Idle, err = l.duration("the idle time"); err != nil {
		return nil, err
	}
	if k.Interval, err = l.duration("the time between probes"); err != nil {
		return nil, err
	}
	k.Count, err = l.int("the number of probes")
	return func(a *actor) string { return a.set(func(c *Conn) { c.SetKeepAlive(k) }) }, err
}

func readSleep(_ *parser, l *lineReader) (func(*actor) string, error) {
	d, err := l.duration("how long")
	return func(a *actor) string { a.Sleep(d); return "" }, err
}

// readWait reads: at T, or wait HOST is STATE.
func readWait(p *parser, l *lineReader) (func(*actor) string, error) {
	c, err := p.condition(l)
	return func(a *actor) string {
		ready, until := c.ready(a.world)
		a.Wait(ready, until)
		return ""
	}, err
}

// readNote reads: note TEXT. The line below it may say the same in Chinese.
func readNote(p *parser, l *lineReader) (func(*actor) string, error) {
	n := &note{en: l.rest()}
	p.note = n
	return func(a *actor) string { a.world.record.note(a.node, n); return "" }, nil
}

// readNoteZH reads: note-zh TEXT, below a note.
func readNoteZH(p *parser, l *lineReader) (func(*actor) string, error) {
	if p.note == nil {
		w, _ := l.peek()
		return nil, l.at(w, "note-zh stands below the note that it says in Chinese")
	}
	p.note.zh = l.rest()
	p.note = nil
	return func(*actor) string { return "" }, nil
}

// note is what a scenario says at a moment of a program, in both languages.
type note struct{ en, zh string }

// rest reads the words that are left as one text.
func (l *lineReader) rest() string {
	var words []string
	for _, w := range l.words {
		words = append(words, w.text)
	}
	l.words = nil
	return strings.Join(words, " ")
}

// plays are what a program on a host without an engine can do.
var plays = map[string]reading{"peer": readPeer, "send": readSend, "want": readWant, "flood": readFlood}

func readPeer(p *parser, l *lineReader) (func(*actor) string, error) {
	to, err := p.host(l)
	if err != nil {
		return nil, err
	}
	port, err := l.port()
	from := uint16(firstPort)
	if err == nil && l.accept("from") {
		from, err = l.port()
	}
	return func(a *actor) string {
		a.flow = direction{a.node.addr, a.world.node(to).addr, from, port}
		return ok
	}, err
}

func readSend(_ *parser, l *lineReader) (func(*actor) string, error) {
	t, err := l.template()
	return func(a *actor) string { return a.send(&t) }, err
}

// readWant reads: want SEGMENT, or want nothing until T.
func readWant(_ *parser, l *lineReader) (func(*actor) string, error) {
	if l.accept("nothing") {
		if _, err := l.expect("until"); err != nil {
			return nil, err
		}
		d, err := l.duration("a time since the start")
		return func(a *actor) string { return a.wantNothing(start.Add(d)) }, err
	}
	t, err := l.template()
	return func(a *actor) string { return a.want(&t) }, err
}

// readFlood reads: flood HOST PORT with N SYNs every D.
func readFlood(p *parser, l *lineReader) (_ func(*actor) string, err error) {
	var to string
	if to, err = p.host(l); err != nil {
		return nil, err
	}
	port, err := l.port()
	if err != nil {
		return nil, err
	}
	if _, err = l.expect("with"); err != nil {
		return nil, err
	}
	n, err := l.int("a number of SYNs")
	if err != nil {
		return nil, err
	}
	if _, err = l.expect("SYNs"); err != nil {
		return nil, err
	}
	if _, err = l.expect("every"); err != nil {
		return nil, err
	}
	d, err := l.duration("the time between two")
	return func(a *actor) string { return a.flood(a.world.node(to).addr, port, n, d) }, err
}

// flood sends SYNs from addresses that nobody has (TEST-NET-1).
func (a *actor) flood(to wire.Addr, port uint16, n int, every time.Duration) string {
	for i := range n {
		// RFC 5737 keeps this network for documentation: whoever draws the picture
		// points at nobody. https://www.rfc-editor.org/rfc/rfc5737#section-3
		src := wire.AddrFrom4(192<<24 | 2<<8 | uint32(1+i%250))
		d := direction{src, to, uint16(1024 + i), port}
		t := template{flags: wire.SYN, win: 65535, options: wire.Options{Set: wire.OptMSS, MSS: 1460}}
		h := t.header(d, a.world.scriptISN(d), 0)
		a.world.record.isnOf(d, h.Seq)
		a.world.send(a.node, packet(d, &h, nil), true)
		a.Sleep(every)
	}
	return ok
}
