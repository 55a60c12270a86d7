package handfast

import (
	"net"
	"time"
)

// SetDeadline sets both deadlines.
func (u *UDPConn) SetDeadline(t time.Time) error { return u.setDeadlines(t, reading|writing) }

// SetReadDeadline sets when a read that waits, now or later, fails with
// os.ErrDeadlineExceeded. The zero time is never.
func (u *UDPConn) SetReadDeadline(t time.Time) error { return u.setDeadlines(t, reading) }

// SetWriteDeadline sets from when on writes fail with os.ErrDeadlineExceeded.
// The zero time is never.
func (u *UDPConn) SetWriteDeadline(t time.Time) error { return u.setDeadlines(t, writing) }

func (u *UDPConn) setDeadlines(t time.Time, of directions) error {
	at := u.owner.clockTime(t)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil {
		return u.setError(u.err)
	}
	if of&reading != 0 {
		u.readDeadline = at
		u.waiting.wakeAll()
	}
	if of&writing != 0 {
		u.writeDeadline = at
	}
	return nil
}

// SetReadBuffer sets how many bytes may wait to be read.
func (u *UDPConn) SetReadBuffer(bytes int) error {
	if err := u.failure(); err != nil {
		return u.setError(err)
	}
	share := max(bytes, minBuffer) / len(u.owner.shards)
	u.owner.mu.Lock()
	defer u.owner.mu.Unlock()
	for i, part := range u.parts {
		s := u.owner.shards[i]
		s.mu.Lock()
		part.SetReceiveBuffer(share)
		s.mu.Unlock()
	}
	return nil
}

// SetWriteBuffer does nothing: a datagram leaves at once or not at all.
func (u *UDPConn) SetWriteBuffer(int) error {
	if err := u.failure(); err != nil {
		return u.setError(err)
	}
	return nil
}

func (u *UDPConn) setError(err error) error {
	return &net.OpError{Op: "set", Net: u.network.String(), Addr: u.LocalAddr(), Err: err}
}
