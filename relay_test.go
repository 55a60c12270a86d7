package handfast_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newSockets returns the two ends of a connection of the system's.
func newSockets(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	near, far = c.(*net.TCPConn), s.(*net.TCPConn)
	near.SetWriteBuffer(64 << 10) // so that it is soon full
	far.SetReadBuffer(64 << 10)
	return near, far
}

// relayed is what a call of RelayTo or RelayFrom returned.
type relayed struct {
	n   int64
	err error
}

func relay(f func() (int64, error)) chan relayed {
	done := make(chan relayed, 1)
	go func() {
		n, err := f()
		done <- relayed{n, err}
	}()
	return done
}

// says has c write amounts of those sizes and close, and returns what they are together.
func says(c net.Conn, sizes []int) (all []byte) {
	for _, n := range sizes {
		all = append(all, random(n)...)
	}
	go func() {
		rest := all
		for _, n := range sizes {
			c.Write(rest[:n])
			rest = rest[n:]
		}
		c.Close()
	}()
	return all
}

// await waits for how much a connection holds: what came, and what was never sent.
func await(t *testing.T, c *handfast.TCPConn, enough func(in, notSent int) bool) {
	t.Helper()
	for {
		in, _, notSent, err := c.Queued()
		if err != nil {
			t.Fatal(err)
		}
		if enough(in, notSent) {
			return
		}
		runtime.Gosched()
	}
}

// All that a socket says comes out of a connection, in whatever amounts, and then its end.
func TestRelayFrom(t *testing.T) {
	for _, sizes := range [][]int{{1}, {1, 2000, 1, 70_000, 3}, {3 << 20}} {
		for _, slow := range []bool{false, true} {
			near, far := newSockets(t)
			c, s := newConns(t, handfast.Config{}, pipe.Options{})
			done := relay(func() (int64, error) { return c.RelayFrom(near) })
			all := says(far, sizes)
			if slow {
				await(t, c, func(in, notSent int) bool { return notSent > 0 || len(all) < 1<<20 })
			}
			got, err := io.ReadAll(s)
			if r := <-done; err != nil || !bytes.Equal(got, all) || r.err != nil || r.n != int64(len(all)) {
				t.Errorf("%v: got %d bytes, %v; RelayFrom returned %+v, want %d bytes", sizes, len(got), err, r, len(all))
			}
		}
	}
}

// What a socket has said before its end leaves with our FIN.
func TestRelayFromSendsFINWithText(t *testing.T) {
	near, far := newSockets(t)
	far.Write([]byte("answer"))
	far.Close()
	from, to := newNet(t, handfast.Config{}, pipe.Options{})
	c, s := connect(t, from, listen(t, to, ":80"))
	before := from.Counters().TCP.OutSegs
	if n, err := c.RelayFrom(near); n != 6 || err != nil {
		t.Fatalf("RelayFrom: %d, %v", n, err)
	}
	if got, err := io.ReadAll(s); string(got) != "answer" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	if n := from.Counters().TCP.OutSegs - before; n != 1 {
		t.Errorf("%d segments, want one with the text and the FIN", n)
	}
}

// All that a connection says comes out of a socket, also when that does not take it.
func TestRelayTo(t *testing.T) {
	for _, sizes := range [][]int{{1}, {1, 2000, 1, 70_000, 3}, {16 << 20}} {
		near, far := newSockets(t)
		c, s := newConns(t, handfast.Config{}, pipe.Options{})
		done := relay(func() (int64, error) { return c.RelayTo(near) })
		all := says(s, sizes)
		// The socket is full, or all has been said.
		await(t, c, func(in, notSent int) bool { return in > 100<<10 || len(all) < 1<<20 })
		go func() { <-done; near.CloseWrite() }()
		got, err := io.ReadAll(far)
		if err != nil || !bytes.Equal(got, all) {
			t.Errorf("%v: got %d bytes, %v, want %d", sizes, len(got), err, len(all))
		}
	}
}

// Many small writes, each alone, come through in their order: whoever receives writes.
func TestRelayToInSmallPieces(t *testing.T) {
	near, far := newSockets(t)
	c, s := newConns(t, handfast.Config{}, pipe.Options{})
	done := relay(func() (int64, error) { return c.RelayTo(near) })
	p := make([]byte, 8)
	for i := range 1000 {
		want := random(8)
		s.Write(want)
		if _, err := io.ReadFull(far, p); err != nil || !bytes.Equal(p, want) {
			t.Fatalf("piece %d: %x, %v, want %x", i, p, err, want)
		}
	}
	s.Close()
	if r := <-done; r.n != 8000 || r.err != nil {
		t.Errorf("RelayTo returned %+v, want 8000 bytes", r)
	}
}

// A relay ends with what ends either side.
func TestRelayEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(c *handfast.TCPConn, near, far *net.TCPConn)
		to   error // of RelayTo
		from error
	}{
		"deadline": {func(c *handfast.TCPConn, near, _ *net.TCPConn) {
			c.SetDeadline(time.Now())
			near.SetDeadline(time.Now())
		}, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		"close": {func(c *handfast.TCPConn, near, _ *net.TCPConn) {
			c.Close()
			near.Close()
		}, net.ErrClosed, net.ErrClosed},
		"reset": {func(_ *handfast.TCPConn, _, far *net.TCPConn) {
			far.SetLinger(0)
			far.Close()
		}, os.ErrDeadlineExceeded, syscall.ECONNRESET},
	} {
		near, far := newSockets(t)
		ours, _ := newConns(t, handfast.Config{}, pipe.Options{})
		to := relay(func() (int64, error) { return ours.RelayTo(near) })
		from := relay(func() (int64, error) { return ours.RelayFrom(near) })
		c.end(ours, near, far) // they wait, or have not begun: the same comes of both
		if r := <-from; !errors.Is(r.err, c.from) {
			t.Errorf("%s: RelayFrom returned %+v, want %v", name, r, c.from)
		}
		ours.SetReadDeadline(time.Now())
		if r := <-to; !errors.Is(r.err, c.to) {
			t.Errorf("%s: RelayTo returned %+v, want %v", name, r, c.to)
		}
	}
}

// What cannot be written because the other side of the socket is gone is an error of RelayTo.
func TestRelayToWhatIsGone(t *testing.T) {
	near, far := newSockets(t)
	far.SetLinger(0)
	far.Close()
	c, s := newConns(t, handfast.Config{}, pipe.Options{})
	done := relay(func() (int64, error) { return c.RelayTo(near) })
	for len(done) == 0 {
		s.Write([]byte("x"))
	}
	r := <-done
	if !errors.Is(r.err, syscall.ECONNRESET) && !errors.Is(r.err, syscall.EPIPE) {
		t.Errorf("RelayTo returned %+v", r)
	}
}

// A peer that does not read keeps nobody from closing the socket that is relayed from.
func TestRelayFromLetsClose(t *testing.T) {
	near, far := newSockets(t)
	c, _ := newConns(t, handfast.Config{}, pipe.Options{})
	done := relay(func() (int64, error) { return c.RelayFrom(near) })
	go func() {
		for {
			if _, err := far.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}()
	await(t, c, func(_, notSent int) bool { return notSent > 0 })
	closed := make(chan struct{})
	go func() { near.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("Close waits for the relay")
	}
	c.Close()
	<-done
}
