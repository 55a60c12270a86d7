package handfast

import (
	"context"
	"errors"
	"math/bits"
	"net"
	"net/netip"
	"reflect"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// An idle connection should cost little beyond the engine's own state.
func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(TCPConn{}); n > 96 {
		t.Errorf("a TCPConn has %d bytes", n)
	}
}

// A pool keeps no more waiters than maxIdleWaiters for later.
func TestIdleWaitersAreBounded(t *testing.T) {
	var p waiterPool
	all := make([]*waiter, 2*maxIdleWaiters)
	for i := range all {
		all[i] = p.get()
	}
	for _, w := range all {
		p.put(w)
	}
	n := 0
	for w := p.free.first; w != nil; w = w.next {
		n++
	}
	if n != maxIdleWaiters || p.n != n {
		t.Errorf("%d waiters are kept, counted as %d", n, p.n)
	}
}

// However many shards always have something, each has its turn: no call has to wait
// for what lies in one of them while others are never empty.
func TestShardsTakeTurns(t *testing.T) {
	s := &shared{epoch: time.Now()}
	for ready := uint64(1); ready < 1<<6; ready++ {
		b := inbox{ready: ready, deadline: clock.Never}
		for round := range 3 {
			seen := uint64(0)
			for range bits.OnesCount64(ready) {
				shard, err := b.awaitShard(s)
				if err != nil {
					t.Fatal(err)
				}
				b.becomeReady(shard, 0) // there is more
				seen |= 1 << shard
			}
			if seen != ready {
				t.Fatalf("of the shards %b only %b had a turn in round %d", ready, seen, round)
			}
		}
	}
	b := inbox{ready: 1 << 63, last: 63, deadline: clock.Never}
	if shard, err := b.awaitShard(s); shard != 63 || err != nil {
		t.Errorf("shard %d, %v: the last one alone is ready", shard, err)
	}
}

// What cannot be queued any more is given back.
func TestRefusedTextIsGivenBack(t *testing.T) {
	c := &TCPConn{shard: &shard{shared: &shared{}}, flags: connClosed}
	b := buf.Get(100)
	if err := c.queue(0, buf.MakeView(b, 0, 100)); err != net.ErrClosed {
		t.Fatal(err)
	}
	if n := reflect.ValueOf(b).Elem().FieldByName("refs").FieldByName("v").Int(); n != 0 {
		t.Errorf("the block has %d references left", n)
	}
}

// hostOnPipe returns a host with an address, whose peer takes nothing.
func hostOnPipe(t *testing.T) *Host {
	h, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	end, _ := pipe.New(pipe.Options{})
	if err := h.Attach(end, LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}); err != nil {
		t.Fatal(err)
	}
	return h
}

// Of addresses that are tried one after the other the first one's error is told.
func TestFirstErrorIsTold(t *testing.T) {
	h := hostOnPipe(t)
	own, far := wire.AddrFrom(netip.MustParseAddr("10.0.0.1")), wire.AddrFrom(netip.MustParseAddr("192.0.2.1"))
	for _, c := range []struct {
		remotes []wire.Addr
		want    error
	}{{[]wire.Addr{own, far}, syscall.ECONNREFUSED}, {[]wire.Addr{far, own}, syscall.ENETUNREACH}} {
		w := dialling{Dialer: &Dialer{Host: h}, network: netTCP, port: 81, remotes: c.remotes}
		if _, err := w.inTurn(t.Context(), w.remotes); !errors.Is(err, c.want) {
			t.Errorf("%v: %v, want %v", c.remotes, err, c.want)
		}
	}
}

// A handshake that was done in time is a connection, although the context has ended since.
func TestDoneHandshakeIsAConnection(t *testing.T) {
	h := hostOnPipe(t)
	l, err := h.Listen("tcp", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := h.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*TCPConn)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if done, err := c.handshake(ctx); !done || err != nil {
		t.Errorf("done %v, %v", done, err)
	}
}
