package drill

import (
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// The bits of poll; epoll has the same.
const (
	pollIn    = 1
	pollOut   = 4
	pollErr   = 8
	pollHup   = 0x10
	pollRead  = 0x40  // POLLRDNORM
	pollWrite = 0x100 // POLLWRNORM
	pollRdHup = 0x2000
	edge      = 1 << 31
	oneShot   = 1 << 30
)

// readiness returns what poll would say of a socket.
func (p *player) readiness(s *socket) int64 {
	switch {
	case s.listener != nil && s.listener.Waiting() > 0:
		return pollIn | pollRead
	case s.listener != nil:
		return 0
	case s.entry == nil:
		return pollOut | pollHup
	}
	return p.connReadiness(s)
}

func (p *player) connReadiness(s *socket) (bits int64) {
	st := s.entry.State()
	finished := st == tcp.CloseWait || st == tcp.LastAck || st == tcp.Closing || st == tcp.TimeWait || st == tcp.Closed
	if s.entry.Readable() || s.readClosed || finished {
		bits |= pollIn | pollRead
	}
	if s.writable() || s.writeClosed {
		bits |= pollOut | pollWrite
	}
	if finished || s.readClosed {
		bits |= pollRdHup
	}
	if st == tcp.Closed || finished && s.writeClosed {
		bits |= pollHup
	}
	if s.copies.look(p, s); s.copies.waiting() {
		bits |= pollErr
	}
	if st == tcp.Closed && !s.failed && s.entry.Failure() != tcp.NoFailure {
		bits |= pollErr
	}
	return bits
}

// writable reports whether a program can write. While a SYN of its own is out it cannot, as in
// Linux, though that has text; it can while that SYN waits for text.
func (s *socket) writable() bool {
	return s.entry.Writable() && (s.entry.State() != tcp.SynSent || s.entry.SynRoom() > 0)
}

// timeoutOf makes a call wait for milliseconds: less than 0 forever, 0 not at all.
func (p *player) timeoutOf(v *script.Value, try attempt) (attempt, *waiting) {
	w := &waiting{giveUp: clock.Never}
	if v.Number >= 0 {
		w.giveUp = p.now.Add(time.Duration(v.Number) * time.Millisecond)
	}
	return try, w
}

func callPoll(p *player, c *script.Call) (attempt, *waiting) {
	p.needs(c, 3)
	return p.timeoutOf(&c.Args[2], func() (outcome, bool) {
		n, report := p.polled(&c.Args[0])
		late := p.waiting != nil && p.waiting.giveUp <= p.now
		if n == 0 && !late && c.Args[2].Number != 0 {
			return outcome{}, false
		}
		report()
		return ok(int64(n)), true
	})
}

// polled counts the descriptors of a list that are ready; report compares what each says.
func (p *player) polled(list *script.Value) (n int, report func()) {
	type difference struct{ fd, want, got int64 }
	var wrong []difference
	for i := range list.Items {
		item := &list.Items[i]
		fd, events, revents := item.Field("fd"), item.Field("events"), item.Field("revents")
		if fd == nil || events == nil {
			p.wrong(item.Pos, "an item of poll is {fd=3, events=POLLIN, revents=POLLIN}")
		}
		got := p.readiness(p.descriptor(fd)) & (events.Number | pollErr | pollHup)
		if got != 0 {
			n++
		}
		if revents != nil && revents.Kind != script.Any && revents.Number != got {
			wrong = append(wrong, difference{fd.Number, revents.Number, got})
		}
	}
	return n, func() {
		if len(wrong) > 0 {
			d := wrong[0]
			p.failWith(&Failure{Problem: script.Say("poll says something else"), Expected: quoted(fmt.Sprintf("fd %d: %s", d.fd, pollText(d.want))), Got: quoted(fmt.Sprintf("fd %d: %s", d.fd, pollText(d.got)))})
		}
	}
}

func pollText(bits int64) string {
	s := ""
	for _, b := range []struct {
		bit  int64
		name string
	}{{pollIn, "POLLIN"}, {pollOut, "POLLOUT"}, {pollErr, "POLLERR"}, {pollHup, "POLLHUP"}, {pollRdHup, "POLLRDHUP"}} {
		if bits&b.bit != 0 {
			if s != "" {
				s += "|"
			}
			s += b.name
		}
	}
	if s == "" {
		return "0"
	}
	return s
}

// epoll is a set of sockets that are watched.
type epoll struct{ watched []*watch }

type watch struct {
	socket *socket
	events int64
	last   int64  // what it was when it was looked at last
	text   uint64 // how many bytes had come then
	copies uint32 // how many writes were acknowledged
	off    bool   // EPOLLONESHOT has told once
	news   bool   // of an edge: it has become ready since it was told
}

func callEpollCreate(p *player, c *script.Call) (attempt, *waiting) {
	return once(p.add(c, &socket{epoll: &epoll{}}))
}

func callEpollCtl(p *player, c *script.Call) (attempt, *waiting) {
	set := p.socketOf(c)
	p.needs(c, 4)
	if set.epoll == nil {
		return once(failure("EINVAL"))
	}
	s := p.descriptor(&c.Args[2])
	events := int64(0)
	if f := c.Args[3].Field("events"); f != nil {
		events = f.Number
	}
	at := -1
	for i, w := range set.epoll.watched {
		if w.socket == s {
			at = i
		}
	}
	switch op := c.Args[1].Number; {
	case op == constant("EPOLL_CTL_ADD") && at < 0:
		set.epoll.watched = append(set.epoll.watched, &watch{socket: s, events: events, news: true})
	case op == constant("EPOLL_CTL_ADD"):
		return once(failure("EEXIST"))
	case at < 0:
		return once(failure("ENOENT"))
	case op == constant("EPOLL_CTL_DEL"):
		set.epoll.watched = append(set.epoll.watched[:at], set.epoll.watched[at+1:]...)
	default:
		w := set.epoll.watched[at]
		w.events, w.news, w.off = events, true, false
	}
	return once(ok(0))
}

// edges notes which watched sockets have become ready.
func (p *player) edges() {
	for _, set := range p.sockets {
		if set.epoll == nil {
			continue
		}
		for _, w := range set.epoll.watched {
			now, text := p.readiness(w.socket), p.received(w.socket)
			if now&^w.last != 0 || w.copies != w.socket.copies.ready || text != w.text && w.events&pollIn != 0 {
				w.news = true
			}
			w.last, w.text, w.copies = now, text, w.socket.copies.ready
		}
	}
}

// received is how many bytes have come for a program to read, of a connection.
func (p *player) received(s *socket) uint64 {
	if s.entry == nil {
		return 0
	}
	return s.entry.Info(p.now).BytesReceived
}

func callEpollWait(p *player, c *script.Call) (attempt, *waiting) {
	set := p.socketOf(c)
	p.needs(c, 4)
	if set.epoll == nil {
		return once(failure("EINVAL"))
	}
	return p.timeoutOf(&c.Args[3], func() (outcome, bool) {
		n := int64(0)
		for _, w := range set.epoll.watched {
			got := p.readiness(w.socket) & (w.events | pollErr | pollHup)
			if got == 0 || w.off || w.events&edge != 0 && !w.news {
				continue
			}
			n++
			w.news = false
			if w.events&oneShot != 0 {
				w.off = true
			}
			if want := c.Args[1].Field("events"); want != nil && want.Kind != script.Any && want.Number != got {
				p.failWith(&Failure{Problem: script.Say("epoll says something else"), Expected: quoted(pollText(want.Number)), Got: quoted(pollText(got))})
			}
		}
		late := p.waiting != nil && p.waiting.giveUp <= p.now
		return ok(n), n > 0 || late || c.Args[3].Number == 0
	})
}

func callFcntl(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	p.needs(c, 2)
	switch c.Args[1].Number {
	case constant("F_GETFL"):
		n := constant("O_RDWR")
		if s.nonBlocking {
			n |= constant("O_NONBLOCK")
		}
		return once(ok(n))
	case constant("F_SETFL"):
		p.needs(c, 3)
		s.nonBlocking = c.Args[2].Number&constant("O_NONBLOCK") != 0
		return once(ok(0))
	}
	p.wrong(c.Args[1].Pos, "fcntl knows F_GETFL and F_SETFL here")
	return nil, nil
}

// callIoctl answers how much is queued: SIOCINQ, SIOCOUTQ, SIOCOUTQNSD.
func callIoctl(p *player, c *script.Call) (attempt, *waiting) {
	s := p.socketOf(c)
	p.needs(c, 2)
	if s.entry == nil {
		return once(failure("EINVAL"))
	}
	got := int64(0)
	switch c.Args[1].Number {
	case constant("SIOCINQ"):
		got = int64(s.entry.Buffered())
	case constant("SIOCOUTQ"):
		got = int64(s.entry.Unsent())
	case constant("SIOCOUTQNSD"):
		got = int64(s.entry.Info(p.now).NotsentBytes)
	case constant("FIONBIO"):
		p.needs(c, 3)
		s.nonBlocking = numberOf(&c.Args[2]) != 0
		return once(ok(0))
	default:
		p.wrong(c.Args[1].Pos, "ioctl knows SIOCINQ, SIOCOUTQ, SIOCOUTQNSD and FIONBIO here")
	}
	if len(c.Args) > 2 {
		if v := &c.Args[2]; v.Kind == script.List && len(v.Items) > 0 && v.Items[0].Kind == script.Number && v.Items[0].Number != got {
			p.failWith(&Failure{Problem: script.Say("the queue has another length"), Expected: quoted(outcomeText(ok(v.Items[0].Number))), Got: quoted(outcomeText(ok(got)))})
		}
	}
	return once(ok(0))
}
