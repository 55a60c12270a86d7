package drill

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/lab/drill/script"
	"github.com/handfast-tcp/handfast/lab/oracle"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// start is when a script begins: not 0, which some clocks read as "never was".
const start = clock.Time(time.Second)

// patience is how long after its time an expected packet is still waited for, so that the
// failure can say when it came. What may come at any time is waited for as long as a
// program's patience can be set to.
const (
	patience    = 10 * time.Second
	anyPatience = 24 * time.Hour
)

// maxSteps is how often timers may run in a script.
const maxSteps = 1_000_000

// Options say how scripts are played.
type Options struct {
	// Strict lets nothing leave the host that the script does not expect: it fails at the
	// next event, or at the end.
	Strict bool
	// IPVersion is 4 or 6 where the script does not say itself; 0: 4.
	IPVersion int
	// Kernel plays in the place of our host; nil: ours does.
	Kernel Kernel
}

// Result is what came of a script.
type Result struct {
	Script *script.Script
	// Err is why it failed, a *Failure or an *script.Error; nil: it did not.
	Err error
	// Notes are lines of the script that have no effect here, with the reason.
	Notes []script.Phrase
	// Run is what happened.
	Run trace.Run
}

// Failure is an event that came out otherwise than the script says.
type Failure struct {
	File, Line string // the line is what stands in the script
	Pos        script.Pos
	Time       time.Duration // since the start
	Problem    script.Phrase
	Expected   script.Phrase // in the words of scripts; none: nothing to compare
	Got        script.Phrase
}

func (f *Failure) Error() string { return f.text().String() }

// Chinese is Error in Chinese.
func (f *Failure) Chinese() string { return f.text().Chinese() }

func (f *Failure) text() script.Phrase {
	if !f.Expected.None() || !f.Got.None() {
		return script.Say("%s:%d:%d: at %.6f s: %s\n  expected  %s\n  got       %s", f.File, f.Pos.Line, f.Pos.Col, f.Time.Seconds(), f.Problem, f.Expected, f.Got)
	}
	return script.Say("%s:%d:%d: at %.6f s: %s\n  in        %s", f.File, f.Pos.Line, f.Pos.Col, f.Time.Seconds(), f.Problem, f.Line)
}

// quoted is what stands in a script, or would.
func quoted(text string) script.Phrase { return script.Say("%s", text) }

// player plays one script.
type player struct {
	script *script.Script
	Options
	settings
	host  *host.Host // nil: it has not begun
	audit func() error
	judge oracle.Wire
	rec   *record

	now       clock.Time
	event     *script.Event
	sockets   map[int]*socket
	flows     []*flow
	flow      *flow       // whom packets without ports belong to
	port      uint16      // of the next peer
	steps     int         // of timers
	made      int         // sockets so far
	nextLocal uint16      // the port of the next connection without one
	left      []departure // packets that have left the host, and nobody has looked at
	waiting   *waiting    // the call that has not returned
	vars      map[string]any
	cookie    []byte         // of Fast Open, that the host has given
	known     fastopen.Cache // what the host has learnt of servers
}

// departure is a packet that has left the host.
type departure struct {
	at   clock.Time
	data []byte
}

// Play plays a script.
func Play(s *script.Script, o Options) *Result {
	p := &player{script: s, Options: o, now: start, sockets: map[int]*socket{}, port: firstRemotePort, nextLocal: firstLocalPort, vars: map[string]any{}, rec: &record{}}
	p.settings = defaults()
	p.setBlackHole(0)
	r := &Result{Script: s}
	r.Err = p.play()
	r.Notes, r.Run = p.notes, p.rec.told(p)
	return r
}

// stop ends a script: it is thrown, and play catches it.
type stop struct{ err error }

func (p *player) play() (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case stop:
			err = e.err
		default:
			panic(e)
		}
	}()
	p.fileOptions()
	p.bsdDefaults()
	for i := range p.script.Events {
		p.event = &p.script.Events[i]
		p.happen(p.event)
	}
	p.finish()
	return nil
}

// fail ends the script at the present event.
func (p *player) fail(format string, args ...any) {
	p.failWith(&Failure{Problem: script.Say(format, args...)})
}

func (p *player) failWith(f *Failure) {
	f.File, f.Time = p.script.Name, p.now.Sub(start)
	if p.event != nil {
		if f.Pos.Line == 0 {
			f.Pos = p.event.Pos
		}
		f.Line = p.script.Line(f.Pos.Line)
	}
	panic(stop{f})
}

// wrong ends the script because of what it says, at a place.
func (p *player) wrong(at script.Pos, format string, args ...any) {
	panic(stop{p.script.Fail(at, script.Say(format, args...))})
}

// happen lets one event happen.
func (p *player) happen(e *script.Event) {
	if e.Shell != nil {
		p.shell(e)
		return
	}
	p.boot()
	at, until := p.when(e)
	if e.Packet != nil && e.Packet.Out {
		p.expect(e, at, until)
		return
	}
	if e.Call != nil {
		p.settleCall() // one call at a time: packetdrill has one thread for those that block
	}
	p.live(at)
	p.nothingLeft()
	switch {
	case e.Packet != nil:
		p.inject(e.Packet)
	case e.Call != nil:
		p.call(e, at)
	case e.Code != nil && p.Kernel == nil:
		p.code(e.Code)
	}
}

// when returns the instants between which an event is to happen.
func (p *player) when(e *script.Event) (at, until clock.Time) {
	switch e.When.Mode {
	case script.Anytime:
		return p.now, p.now.Add(anyPatience)
	case script.Relative:
		return p.now.Add(e.When.At), p.now.Add(e.When.Until)
	}
	at, until = start.Add(e.When.At), start.Add(e.When.Until)
	if until.Add(p.tolerance) < p.now {
		p.fail("it is too late for this: the events before it took until %.6f s", p.now.Sub(start).Seconds())
	}
	return at, until
}

// boot makes the host, with what the script has said of it so far.
func (p *player) boot() {
	if p.host != nil {
		return
	}
	h, err := p.settings.newHost(p)
	if err != nil {
		p.fail("%v", err)
	}
	p.host, p.audit = h, h.TCP().Audit()
	if p.Kernel != nil {
		p.bootKernel()
		return
	}
	p.judge.MTU = p.mtu
	p.rec.trace(h)
}

// live lets time pass up to an instant, and what the host's timers demand happen.
func (p *player) live(until clock.Time) {
	if p.Kernel != nil {
		p.passes(until)
		return
	}
	for d := p.deadline(); d <= until; d = p.deadline() {
		if p.steps++; p.steps > maxSteps {
			p.fail("timers have run %d times: the script lets too much time pass", maxSteps)
		}
		p.now = max(p.now, d)
		p.host.Advance(p.now)
		p.flush()
	}
	p.now = max(p.now, until)
}

// deadline is when something happens next without the script.
func (p *player) deadline() clock.Time {
	d := p.host.Deadline()
	if p.waiting != nil {
		d = min(d, p.waiting.giveUp)
	}
	return d
}

// flush takes what the host sends, and looks whether a call can return.
func (p *player) flush() {
	for again := true; again; {
		p.output()
		again = p.callReturns()
		p.output() // also one that goes on waiting may have read
	}
	if err := p.audit(); err != nil {
		p.fail("the engine finds a connection that is not as it must be: %v", err)
	}
}

func (p *player) output() {
	p.rec.engine(p, 0)
	for {
		k, _ := p.host.Output(p.now)
		if k == nil {
			break
		}
		k.Flatten()
		data := append([]byte(nil), k.Data...)
		k.Release()
		if err := p.judge.Sent(p.now, data); err != nil {
			p.fail("what leaves the host breaks a rule: %v", err)
		}
		p.checkText(data)
		p.stampLeaving(data)
		p.rec.sent(p, data)
		p.left = append(p.left, departure{p.now, data})
	}
	p.rec.engine(p, 0)
	p.stampAcked()
	p.learnFastOpen()
	for _, _, ok := p.host.NextReady(); ok; _, _, ok = p.host.NextReady() {
		p.edges()
	}
	p.edges()
	p.endKeepInit()
}

// arrive gives the host a packet.
func (p *player) arrive(data []byte, size int) {
	if p.Kernel != nil {
		p.rec.arrives(p, data)
		if err := p.Kernel.Arrive(data); err != nil {
			p.fail("the kernel does not take the packet: %v", err)
		}
		return
	}
	k := buf.NewPacket()
	m := k.ReceiveInto(len(data))
	k.Data = m[:copy(m, data)]
	k.GSOSize = uint16(size)
	p.judge.Delivered(p.now, data)
	id := p.rec.arrives(p, data)
	p.host.Receive(p.now, 0, k)
	p.rec.engine(p, id)
	p.flush()
}

// nothingLeft fails in a strict play when packets have left that the script did not expect.
func (p *player) nothingLeft() {
	if !p.Strict || len(p.left) == 0 {
		return
	}
	d := p.left[0]
	p.failWith(&Failure{Problem: script.Say("before this, at %.6f s, a packet left that nothing here expects", d.at.Sub(start).Seconds()),
		Expected: script.Say("nothing"), Got: quoted(p.print(d.data))})
}

// finish is the end of the script.
func (p *player) finish() {
	if p.host == nil {
		return
	}
	p.settleCall()
	p.nothingLeft()
}
