package handfast_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// pieces cuts all into pieces of a size.
func pieces(all []byte, size int) (v net.Buffers) {
	for len(all) > size {
		v, all = append(v, all[:size:size]), all[size:]
	}
	return append(v, all)
}

// segmentsOf returns in how many segments a write leaves, and wants all of it
// to arrive.
func segmentsOf(t *testing.T, all []byte, write func(c *handfast.TCPConn) (int64, error)) uint64 {
	t.Helper()
	from, to := newNet(t, handfast.Config{}, pipe.Options{})
	c, s := connect(t, from, listen(t, to, ":80"))
	before := from.Counters().TCP.OutSegs
	if n, err := write(c); n != int64(len(all)) || err != nil {
		t.Errorf("wrote %d bytes of %d, %v", n, len(all), err)
	}
	got := make([]byte, len(all))
	if _, err := io.ReadFull(s, got); err != nil || !bytes.Equal(got, all) {
		t.Errorf("not what was written, %v", err)
	}
	return from.Counters().TCP.OutSegs - before
}

// A hundred pieces leave in as few segments as one write of them would.
func TestVectoredWrite(t *testing.T) {
	all := random(100 * 100)
	const want = 7 // of 1448 bytes
	for name, write := range map[string]func(c *handfast.TCPConn, v *net.Buffers) (int64, error){
		"WriteBuffers": (*handfast.TCPConn).WriteBuffers,
		"ReadFrom":     func(c *handfast.TCPConn, v *net.Buffers) (int64, error) { return c.ReadFrom(v) },
	} {
		v := pieces(all, 100)
		n := segmentsOf(t, all, func(c *handfast.TCPConn) (int64, error) { return write(c, &v) })
		if n != want || len(v) != 0 {
			t.Errorf("%s: %d segments, want %d; %d pieces are left", name, n, want, len(v))
		}
	}
}

// What writes piece by piece, as net.Buffers does with connections that are not
// of package net, leaves in few segments too: those pieces go together that
// come before the goroutine runs that sends them.
func TestPiecesGoTogether(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	all := random(100 * 100)
	n := segmentsOf(t, all, func(c *handfast.TCPConn) (int64, error) {
		v := pieces(all, 100)
		return v.WriteTo(c)
	})
	t.Logf("%d segments", n)
	if n > 50 {
		t.Errorf("100 pieces left in %d segments", n)
	}
}

// countingLink counts what is written.
type countingLink struct {
	link.Link
	n *atomic.Int64
}

func (l countingLink) Write(queue int, batch []*buf.Packet) error {
	l.n.Add(int64(len(batch)))
	return l.Link.Write(queue, batch)
}

// A question, or an answer, in one write or two is sent before Write returns. A
// third piece does not wait for the writer either.
func TestFirstPiecesLeaveAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pipe.New(pipe.Options{})
		var sent atomic.Int64
		client := newTestHost(t, handfast.Config{}, countingLink{a, &sent}, clientIP+"/24")
		c, s := connect(t, client, listen(t, newTestHost(t, handfast.Config{}, b, serverIP+"/24"), ":80"))
		for range 20 {
			synctest.Wait() // nobody else is sending
			for i := range 2 {
				before := sent.Load()
				c.Write([]byte{1})
				if sent.Load() == before {
					t.Errorf("write %d has not left", i+1)
				}
			}
			c.Write([]byte{1})
			if _, err := io.ReadFull(s, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			s.Write([]byte{1}) // acknowledges all
			if _, err := c.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Of a vectored write that fails what is left is what was not written.
func TestVectoredWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := newConns(t, handfast.Config{}, pipe.Options{})
		all := random(8 << 20)
		v := pieces(all, 10007)
		go func() {
			synctest.Wait()
			c.SetWriteDeadline(time.Unix(1, 0))
		}()
		n, err := c.WriteBuffers(&v)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("WriteBuffers:", err)
		}
		if rest := bytes.Join(v, nil); !bytes.Equal(rest, all[n:]) {
			t.Errorf("%d bytes were written, and %d are left, of %d", n, len(rest), len(all))
		}
		c.CloseWrite()
		if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, all[:n]) {
			t.Errorf("%d bytes came of %d, %v", len(got), n, err)
		}
	})
}

// Empty pieces, long ones and none at all.
func TestOddPieces(t *testing.T) {
	for _, v := range []net.Buffers{
		nil, {nil}, {{}, {}, {1}}, {{1}, nil, {2}}, {nil, random(100 << 10), nil, {1}, random(64 << 10)}, {random(5000), {1}},
	} {
		all := bytes.Join(v, nil)
		segmentsOf(t, all, func(c *handfast.TCPConn) (int64, error) { return c.WriteBuffers(&v) })
		if len(v) != 0 {
			t.Errorf("%d pieces are left", len(v))
		}
	}
}

// The pieces of one vectored write stay together, whoever else writes.
func TestVectoredWritesDoNotMix(t *testing.T) {
	client, server := newConns(t, handfast.Config{}, pipe.Options{})
	const writers, size = 8, 300 << 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			v := pieces(bytes.Repeat([]byte{byte(i)}, size), 9999)
			if _, err := client.WriteBuffers(&v); err != nil {
				t.Error(err)
			}
		})
	}
	got := make([]byte, size)
	for range writers {
		if _, err := io.ReadFull(server, got); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(got, got[:1]); n != size {
			t.Errorf("%d of %d bytes are of the same write", n, size)
		}
	}
	wg.Wait()
}
