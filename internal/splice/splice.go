// Package splice joins two connections: what one of them says the other one hears,
// with half-closes and resets.
package splice

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Both copies both ways until both have ended, and returns how many bytes of client's
// went to other, and how many came back. err is nil when both directions ended with a FIN. When
// ctx ends both connections are reset. The caller closes them at once: with that the FIN of the
// direction that ends last may go. Beside runs the second direction in a goroutine; see Go.
func Both(ctx context.Context, client, other net.Conn, beside func(func())) (sent, received int64, err error) {
	// Two copies that wait for their peers hear of ctx only by their connections' end.
	stop := context.AfterFunc(ctx, func() {
		Abort(client)
		Abort(other)
	})
	defer stop()
	var failed error
	var ended atomic.Int32 // directions
	var back sync.WaitGroup
	back.Add(1)
	beside(func() {
		defer back.Done()
		received, failed = half(client, other, &ended)
	})
	sent, err = half(other, client, &ended)
	back.Wait()
	return sent, received, cause(err, failed)
}

// Go runs f in a goroutine of its own.
func Go(f func()) { go f() }

// cause is why a connection ended, of what its two directions say: who has it first
// closes both sides, and the other one only says so.
func cause(sent, received error) error {
	if sent == nil || received != nil && errors.Is(sent, net.ErrClosed) {
		return received
	}
	return sent
}

// halfCloser is what has a direction that ends alone.
type halfCloser interface{ CloseWrite() error }

// half copies one direction to its end. An error is the end of both: whichever
// side had it, the other one is reset. Ended counts directions that have.
func half(to, from net.Conn, ended *atomic.Int32) (int64, error) {
	n, closed, err := relay(to, from)
	last := ended.Add(1) == 2
	if err != nil {
		Abort(to)
		Abort(from)
		return n, err
	}
	// The end of one direction is passed on and the other goes on: a client that has sent
	// its request and closed still waits for the answer. What cannot half-close, as TLS of
	// old, ends whole.
	switch h, ok := to.(halfCloser); {
	case closed, last: // Close, which follows, says the same by itself
	case ok:
		h.CloseWrite()
	default:
		to.Close()
	}
	return n, nil
}

// What our connections have, and the system's do not.
type (
	relayTo interface {
		RelayTo(io.Writer) (int64, error)
	}
	relayFrom interface {
		RelayFrom(io.Reader) (int64, error)
	}
)

// relay copies, and reports whether to was half-closed.
func relay(to, from net.Conn) (n int64, closed bool, err error) {
	if r, ok := from.(relayTo); ok {
		n, err = r.RelayTo(to)
	} else if r, ok := to.(relayFrom); ok {
		n, err = r.RelayFrom(from)
		closed = true
	} else {
		n, err = io.Copy(to, from)
	}
	return n, closed, err
}

// Abort closes c with a RST where it can: the peer must see that the stream was cut, and
// not take what it has got for all there was.
func Abort(c net.Conn) {
	if l, ok := c.(interface{ SetLinger(sec int) error }); ok {
		l.SetLinger(0)
	}
	c.Close()
}
