package handfast_test

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A connection that nobody uses lives, by all defaults, as long as its peer
// answers; and when that falls silent it ends after 15 s and nine probes.
func TestIdleConnectionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, cut := cuttablePair(t)
		l, err := b.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				io.Copy(io.Discard, c)
			}
		}()
		c, err := a.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		c.SetReadDeadline(start.Add(6*time.Hour + time.Second))
		if _, err = c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("an idle connection ended after %v: %v", time.Since(start), err)
		}
		cut()
		start = time.Now()
		c.SetReadDeadline(time.Time{})
		_, err = c.Read(make([]byte, 1))
		if took := time.Since(start); !os.IsTimeout(err) || took < 9*15*time.Second || took > 10*15*time.Second {
			t.Errorf("a dead peer was noticed after %v: %v", took, err)
		}
		a.Close()
		b.Close()
	})
}

// cuttable is a link that can be cut: what is written to it is lost then.
type cuttable struct {
	*pipe.End
	off *atomic.Bool
}

func (c cuttable) Write(queue int, batch []*buf.Packet) error {
	if !c.off.Load() {
		return c.End.Write(queue, batch)
	}
	for _, p := range batch {
		p.Release()
	}
	return nil
}

// cuttablePair returns two hosts on a pipe, and how to cut it.
func cuttablePair(t *testing.T) (a, b *handfast.Host, cut func()) {
	t.Helper()
	la, lb := pipe.New(pipe.Options{})
	var hosts [2]*handfast.Host
	off := new(atomic.Bool)
	for i, end := range []*pipe.End{la, lb} {
		h, err := handfast.New(handfast.Config{})
		if err != nil {
			t.Fatal(err)
		}
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		if err := h.Attach(cuttable{end, off}, handfast.LinkOptions{Addresses: []netip.Prefix{prefix}}); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	return hosts[0], hosts[1], func() { off.Store(true) }
}
