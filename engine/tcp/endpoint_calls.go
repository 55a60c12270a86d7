package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
)

// The program's calls. Each is the connection's own, followed by a look at
// what it changed.

// Send queues v, whose reference passes to the connection, also past
// SendBuffer. It returns false, and releases v, when the connection takes no
// data: closed by the program, or CLOSED.
func (e *Endpoint) Send(now clock.Time, en *Entry, v buf.View) bool {
	held := en.holds()
	ok := en.send(v)
	e.charge(now, en, held)
	e.update(now, en)
	return ok
}

// SendCopy queues a copy of b: for small writes. It returns false like Send.
func (e *Endpoint) SendCopy(now clock.Time, en *Entry, b []byte) bool {
	held := en.holds()
	ok := en.sendCopy(b)
	e.charge(now, en, held)
	e.update(now, en)
	return ok
}

// MarkUrgent makes all that is queued urgent (RFC 6093).
func (e *Endpoint) MarkUrgent(now clock.Time, en *Entry) {
	en.markUrgent()
	e.update(now, en)
}

// Take detaches up to max bytes that arrived in order and appends their views
// to dst; the references pass to the caller.
func (e *Endpoint) Take(now clock.Time, en *Entry, max int, dst []buf.View) []buf.View {
	held := en.holds()
	dst = en.take(now, max, dst)
	e.charge(now, en, held)
	e.update(now, en)
	return dst
}

// Read copies up to len(p) bytes that arrived in order, which are then read.
func (e *Endpoint) Read(now clock.Time, en *Entry, p []byte) int {
	held := en.holds()
	n := en.read(now, p)
	e.charge(now, en, held)
	e.update(now, en)
	return n
}

// CloseWrite closes the sending side: a FIN follows what is queued.
func (e *Endpoint) CloseWrite(now clock.Time, en *Entry) {
	held := en.holds()
	en.closeWrite(now)
	e.charge(now, en, held)
	e.update(now, en)
}

// CloseRead ends what the program reads with what has come, and the peer is not told. As after
// shutdown(SHUT_RD) of Linux more that comes is acknowledged, and read; with the window full the
// peer waits.
func (e *Endpoint) CloseRead(now clock.Time, en *Entry) {
	held := en.holds()
	en.closeRead()
	e.charge(now, en, held)
	e.update(now, en)
}

// Close lets go of the connection: what is queued is still sent, and a FIN
// behind it; with data unread the peer gets a RST. The entry must not be used
// after it has reported Gone.
func (e *Endpoint) Close(now clock.Time, en *Entry) {
	held := en.holds()
	en.close(now)
	e.letGo(now, en, held)
	e.update(now, en)
}

// Abort ends the connection with a RST and lets go of it.
func (e *Endpoint) Abort(now clock.Time, en *Entry) {
	held := en.holds()
	en.abort(now)
	en.set(orphan|readClosed, true)
	e.letGo(now, en, held)
	e.update(now, en)
}

// letGo follows the program's last call. What has left the table already goes now.
func (e *Endpoint) letGo(now clock.Time, en *Entry, held int32) {
	if en.is(gone) {
		en.release()
		e.delist(now, en)
	}
	e.charge(now, en, held)
}

// SetNoDelay turns Nagle's algorithm off, or on.
func (e *Endpoint) SetNoDelay(now clock.Time, en *Entry, on bool) {
	en.setNoDelay(on)
	e.update(now, en)
}

// SetKeepAlive sets the probing of an idle connection; the zero value ends it.
func (e *Endpoint) SetKeepAlive(now clock.Time, en *Entry, k KeepAlive) {
	e.change(now, en, en.options.withKeepAlive(k))
	en.resetKeepAlive(now)
}

// SetUserTimeout sets how long data may stay unacknowledged, from when it was first sent, and a
// SYN as well, rounded up to milliseconds; 0 is the default, and SYNs are counted. The peer is told, and what it advises
// counts no more, where Config.UserTimeoutOption is on.
func (e *Endpoint) SetUserTimeout(now clock.Time, en *Entry, d time.Duration) {
	en.setUserTimeout(d)
	e.update(now, en)
}

// SetQuickAck has what waits acknowledged now, and the next Config.QuickAcks segments at once,
// or with false all from now on after a delay. As TCP_QUICKACK in Linux it is no setting that
// stays: it only begins, or ends, the time that every connection begins with.
func (e *Endpoint) SetQuickAck(now clock.Time, en *Entry, on bool) {
	en.setQuickAck(on)
	e.update(now, en)
}

// SetReceiveBuffer sets how many bytes may wait for the program, at least two full
// segments unless the buffer was smaller before; what was offered to the peer
// stays offered.
func (e *Endpoint) SetReceiveBuffer(now clock.Time, en *Entry, bytes int) {
	en.setReceiveBuffer(bytes)
	e.update(now, en)
}

// SetSendBuffer sets at how many queued bytes the program has to wait.
func (e *Endpoint) SetSendBuffer(now clock.Time, en *Entry, bytes int) {
	en.setSendBuffer(bytes)
	e.change(now, en, en.options.withFixedSend())
}
