package drill

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// maxBytes is what a call can read or write at once.
const maxBytes = 64 << 20

// sizeOf returns how many bytes a call reads or writes, and with which flags.
func (p *player) sizeOf(c *script.Call) (n int, flags int64) {
	switch c.Name {
	case "readv", "writev":
		p.needs(c, 2)
		return vectorSize(&c.Args[1]), 0
	case "recvmsg", "sendmsg":
		p.needs(c, 3)
		if v := c.Args[1].Field("msg_iov"); v != nil {
			n = vectorSize(v)
		}
		return n, c.Args[2].Number
	}
	p.needs(c, 3)
	if len(c.Args) > 3 {
		flags = c.Args[3].Number
	}
	if c.Args[2].Kind != script.Number || c.Args[2].Number < 0 || c.Args[2].Number > maxBytes {
		p.wrong(c.Args[2].Pos, "how many bytes is a number, up to %d", maxBytes)
	}
	return int(c.Args[2].Number), flags
}

// vectorSize adds up [{..., 1000}, {..., 500}].
func vectorSize(v *script.Value) (n int) {
	for i := range v.Items {
		if part := v.Items[i].Items; len(part) == 2 {
			n += int(min(max(part[1].Number, 0), maxBytes/int64(len(v.Items))))
		}
	}
	return n
}

// noMemory reports whether a call reads to nowhere, or writes from there.
func noMemory(c *script.Call) bool {
	v := &c.Args[1]
	return v.Kind == script.Number && (v.Text == "NULL" || v.Text == "null")
}

func callRead(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	n, flags := p.sizeOf(c)
	if flags&constant("MSG_ERRQUEUE") != 0 {
		return once(p.errorQueue(s, c))
	}
	if s.entry == nil {
		return once(failure("ENOTCONN"))
	}
	if noMemory(c) && n > 0 && s.entry.Buffered() > 0 {
		return once(failure("EFAULT"))
	}
	whole := flags&constant("MSG_WAITALL") != 0
	if flags&constant("MSG_OOB") != 0 {
		p.wrong(p.event.Pos, "urgent data stays in line here (RFC 6093): MSG_OOB is not played")
	}
	total := 0
	try, w := forever(s, flags&constant("MSG_DONTWAIT") == 0, func() (outcome, bool) {
		if flags&constant("MSG_PEEK") != 0 {
			return p.peek(s, n)
		}
		for {
			switch o, done := p.read(s, n-total); {
			case !done:
				return outcome{}, false
			case o.errno == "" && o.n > 0:
				total += int(o.n)
			case total == 0:
				return o, true
			default: // the end, or a failure, behind what came before it
				return ok(int64(total)), true
			}
			if !whole || total == n {
				return ok(int64(total)), true
			}
		}
	})
	if v := c.Args[1].Field("msg_control"); v != nil {
		try = p.control(s, v, try)
	}
	if t, set := s.options[optReceiveTimeout]; set && t > 0 && w.giveUp == clock.Never {
		w.giveUp = p.now.Add(time.Duration(t) * time.Microsecond)
	}
	return try, w
}

// control compares the ancillary data of a recvmsg: how much is still queued, which programs
// ask for by TCP_INQ.
func (p *player) control(s *socket, v *script.Value, try attempt) attempt {
	return func() (outcome, bool) {
		o, done := try()
		if !done || o.errno != "" || s.options[optQueued] == 0 {
			return o, done
		}
		for i := range v.Items {
			data, kind := v.Items[i].Field("cmsg_data"), v.Items[i].Field("cmsg_type")
			if got := p.queued(s); data != nil && kind != nil && kind.Number == optQueued.name && data.Number != got {
				p.failWith(&Failure{Problem: script.Say("TCP_CM_INQ tells something else"), Expected: quoted(outcomeText(ok(data.Number))), Got: quoted(outcomeText(ok(got)))})
			}
		}
		return o, done
	}
}

// queued is how many bytes wait to be read. Where nothing is left but the end Linux says 1.
func (p *player) queued(s *socket) int64 {
	n := int64(s.entry.Buffered())
	if n == 0 && s.entry.EOF() && s.entry.State() != tcp.Closed {
		return 1
	}
	return n
}

// read reads what is there; done is false when nothing is.
func (p *player) read(s *socket, n int) (outcome, bool) {
	if s.entry.State() == tcp.SynSent {
		return outcome{}, false
	}
	if s.entry.Buffered() == 0 {
		if o := p.failureOf(s); o.errno != "" {
			return o, true
		}
		if s.entry.EOF() || s.entry.State() == tcp.Closed {
			return ok(0), true
		}
		return outcome{}, false
	}
	var b []byte
	p.act(s, func(e *tcp.Endpoint, now clock.Time) {
		for _, v := range e.Take(now, s.entry, n, nil) {
			b = append(b, v.Bytes()...)
			v.Release()
		}
	})
	p.checkRead(s, b, 0)
	s.flow.read += len(b)
	return ok(int64(len(b))), true
}

func (p *player) peek(s *socket, n int) (outcome, bool) {
	if s.entry.Buffered() == 0 {
		return p.read(s, n)
	}
	k := 0
	for _, v := range s.entry.Peek(n, nil) {
		p.checkRead(s, v.Bytes(), k)
		k += len(v.Bytes())
		v.Release()
	}
	return ok(int64(k)), true
}

// checkRead fails when bytes that a program gets, behind so many, are not those that were sent.
func (p *player) checkRead(s *socket, b []byte, behind int) {
	irs := s.entry.Info(p.now).IRS
	for i, c := range b {
		if at := s.flow.read + behind + i; c != byte(irs+1)+byte(at) && irs != 0 {
			p.fail("byte %d of the stream was read, and is not the one that was sent", at+1)
		}
	}
}

func callWrite(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	n, flags := p.sizeOf(c)
	fast := flags&constant("MSG_FASTOPEN") != 0
	switch {
	case noMemory(c) && n > 0:
		return once(failure("EFAULT"))
	case s.entry == nil && s.listener == nil && p.script.BSD && s.options[optFastOpen] != 0:
		return p.sendFastBSD(c, s, make([]byte, n), flags)
	case s.entry == nil && fast && s.listener == nil:
		return p.sendFast(c, s, make([]byte, n), flags)
	case s.entry == nil:
		return once(failure("EPIPE"))
	case fast && s.entry.State() == tcp.SynSent && s.entry.SynRoom() == 0:
		return once(failure("EALREADY"))
	}
	data := make([]byte, n)
	if c.Name == "write" || c.Name == "send" || c.Name == "sendto" {
		copy(data, c.Args[1].Text)
	}
	if s.entry.SynRoom() > 0 { // connect with TCP_FASTOPEN_CONNECT has left the SYN to us
		return p.writeFast(s, data, flags)
	}
	return p.writeAll(s, data, flags)
}

// writeAll is a write that waits until all is queued, where its socket does.
func (p *player) writeAll(s *socket, data []byte, flags int64) (attempt, *waiting) {
	written := 0
	try, w := forever(s, flags&constant("MSG_DONTWAIT") == 0, func() (outcome, bool) {
		o, done := p.write(s, data[written:], flags)
		if done && o.errno == "" {
			written += int(o.n)
			o.n = int64(written)
			done = written == len(data)
		}
		if done && o.errno != "" && written > 0 {
			return ok(int64(written)), true
		}
		if written > 0 && !done && (s.nonBlocking || flags&constant("MSG_DONTWAIT") != 0) {
			return ok(int64(written)), true
		}
		return o, done
	})
	if t, set := s.options[optSendTimeout]; set && t > 0 && w.giveUp == clock.Never {
		w.giveUp = p.now.Add(time.Duration(t) * time.Microsecond)
	}
	return try, w
}

// write queues as much as there is room for; done is false when there is none.
func (p *player) write(s *socket, b []byte, flags int64) (outcome, bool) {
	if o := p.failureOf(s); o.errno != "" {
		return o, true
	}
	st := s.entry.State()
	if s.writeClosed || st == tcp.Closed {
		return failure("EPIPE"), true
	}
	if (st == tcp.SynSent || st == tcp.SynReceived) && !s.writable() {
		return outcome{}, false
	}
	took := 0
	for took < len(b) {
		k := p.room(s, len(b)-took)
		if k <= 0 {
			break
		}
		part := mark(s.flow, b[took:took+k])
		sent := false
		p.act(s, func(e *tcp.Endpoint, now clock.Time) { sent = p.send(e, now, s, part, flags, took+k == len(b)) })
		if !sent {
			return failure("EPIPE"), true
		}
		took += k
		p.output() // what is sent makes room
	}
	p.copied(s, flags, int64(took))
	if took == 0 && len(b) > 0 {
		return outcome{}, false
	}
	return ok(int64(took)), true
}

// room is how much of n bytes the socket takes now.
func (p *player) room(s *socket, n int) int {
	if !s.entry.Writable() {
		return 0
	}
	return min(n, s.entry.SendSpace())
}

// mark gives bytes that a program writes a look of their own, so that one can be told from
// another when it leaves, and keeps them.
func mark(f *flow, b []byte) []byte {
	out := make([]byte, len(b))
	for i := range out {
		if out[i] = b[i]; out[i] == 0 {
			out[i] = byte((len(f.wrote) + i) * 7 >> 2)
		}
	}
	f.wrote = append(f.wrote, out...)
	return out
}

// send queues a part of what a program writes; last says that nothing of the call is left.
func (p *player) send(e *tcp.Endpoint, now clock.Time, s *socket, b []byte, flags int64, last bool) bool {
	ok := e.SendCopy(now, s.entry, b)
	if ok && last && flags&constant("MSG_MORE") != 0 {
		e.MoreFollows(now, s.entry)
	}
	if ok && last && flags&constant("MSG_EOR") != 0 {
		e.EndRecord(now, s.entry)
	}
	if ok && last && flags&constant("MSG_OOB") != 0 {
		e.MarkUrgent(now, s.entry)
	}
	return ok
}

// shutRead is shutdown(SHUT_RD).
func (p *player) shutRead(s *socket) {
	s.readClosed = true
	p.act(s, func(e *tcp.Endpoint, now clock.Time) { e.CloseRead(now, s.entry) })
}
