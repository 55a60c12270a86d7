package handfast_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newFastNet returns two hosts with Fast Open and several shards, an echo server on :80 of
// the second, and a dialer of the first.
func newFastNet(t *testing.T, o handfast.ListenOptions) (d *handfast.Dialer, server *handfast.Host) {
	client, server := newNet(t, handfast.Config{Shards: 4, TCP: tcp.Config{FastOpen: fastopen.Client | fastopen.Server}}, pipe.Options{})
	l, err := server.ListenTCP("tcp", ":80", o)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	return &handfast.Dialer{Host: client, FastOpen: true}, server
}

// Whatever shard a dial falls on, it knows the cookie of an earlier one, and the text of
// the first Write goes on the SYN. Both families are apart.
func TestFastOpen(t *testing.T) {
	d, server := newFastNet(t, handfast.ListenOptions{FastOpen: 100})
	for _, address := range []string{serverIP + ":80", "[fd00::2]:80"} {
		for i := range 10 {
			nc, err := d.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			c := nc.(*handfast.TCPConn)
			c.Write([]byte("hello"))
			c.CloseWrite()
			if b, err := io.ReadAll(c); string(b) != "hello" || err != nil {
				t.Fatalf("%q, %v", b, err)
			}
			if got := infoOf(t, c).FastOpen; got != (i > 0) {
				t.Errorf("%s, connection %d: Fast Open %v", address, i, got)
			}
			c.Close()
		}
	}
	if n := server.Counters().TCP; n.TCPFastOpenPassive != 18 || n.TCPFastOpenCookieReqd != 2 {
		t.Errorf("%+v", n)
	}
}

// Listeners make cookies by the keys that they have: of another key they are replaced, and of the
// second taken as well.
func TestFastOpenKeysOfListeners(t *testing.T) {
	one, two := fastopen.NewKey([16]byte{1}), fastopen.NewKey([16]byte{2})
	client, server := newNet(t, handfast.Config{Shards: 2, TCP: tcp.Config{FastOpen: fastopen.Client | fastopen.Server}}, pipe.Options{})
	d := &handfast.Dialer{Host: client, FastOpen: true}
	for i, test := range []struct {
		keys  fastopen.Keys
		early bool // the cookie that the client has from before is good
	}{{fastopen.Keys{one}, false}, {fastopen.Keys{one}, true}, {fastopen.Keys{two}, false}, {fastopen.Keys{one, two}, true}, {fastopen.Keys{one}, true}, {fastopen.Keys{}, false}} {
		l, err := server.ListenTCP("tcp", ":80", handfast.ListenOptions{FastOpen: 100, FastOpenKeys: test.keys})
		if err != nil {
			t.Fatal(err)
		}
		before := server.Counters().TCP.TCPFastOpenPassive
		c, err := d.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("x"))
		a, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		io.ReadFull(a, make([]byte, 1))
		a.Write([]byte("y"))
		io.ReadFull(c, make([]byte, 1)) // by now the client knows the cookie of the SYN-ACK
		if got := server.Counters().TCP.TCPFastOpenPassive > before; got != test.early {
			t.Errorf("listener %d: Fast Open %v", i, got)
		}
		a.Close()
		c.Close()
		l.Close()
	}
}

// alone is what comes of a call that reads before anything was written: it connects, and waits.
func alone(read func(*handfast.TCPConn, []byte) (int, error)) func(*handfast.TCPConn) error {
	return func(c *handfast.TCPConn) error {
		c.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := read(c, make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("it returns %w", err)
		}
		if i, err := c.Info(); err != nil || i.State != tcp.Established {
			return errors.New("it does not connect")
		}
		return nil
	}
}

// What a program may do first with a connection that is not connected yet.
func TestFastOpenFirstCalls(t *testing.T) {
	for name, first := range map[string]func(c *handfast.TCPConn) error{
		"read": func(c *handfast.TCPConn) error {
			c.SetReadDeadline(time.Now().Add(time.Minute))
			go c.Write([]byte("x"))
			_, err := c.Read(make([]byte, 1))
			return err
		},
		"read alone":      alone((*handfast.TCPConn).Read),
		"read much alone": alone(func(c *handfast.TCPConn, b []byte) (int, error) { return c.Read(make([]byte, 1<<20)) }),
		"peek alone":      alone((*handfast.TCPConn).Peek),
		"copy alone":      alone(func(c *handfast.TCPConn, b []byte) (int, error) { n, err := c.WriteTo(io.Discard); return int(n), err }),
		"close":           (*handfast.TCPConn).Close,
		"write and close": func(c *handfast.TCPConn) error {
			c.Write([]byte("x"))
			return c.Close()
		},
		"write twice": func(c *handfast.TCPConn) error {
			c.Write([]byte("x"))
			c.Write(make([]byte, 100_000))
			c.CloseWrite()
			b, err := io.ReadAll(c)
			if len(b) != 100_001 {
				return errors.New("not all came back")
			}
			return err
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, server := newFastNet(t, handfast.ListenOptions{FastOpen: 100})
			c, err := d.Dial("tcp", serverIP+":80")
			if err != nil {
				t.Fatal(err)
			}
			c.Close()
			if c, err = d.Dial("tcp", serverIP+":80"); err != nil {
				t.Fatal(err)
			}
			if s := infoOf(t, c.(*handfast.TCPConn)).State; s != tcp.SynSent {
				t.Errorf("%s: %v after the dial", name, s)
			}
			if err := first(c.(*handfast.TCPConn)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			c.Close()
			time.Sleep(5 * time.Minute)
			for h := range server.Connections() {
				t.Errorf("%s: %v is left over", name, h)
			}
			for h := range d.Host.Connections() {
				t.Errorf("%s: %v is left over", name, h)
			}
			d.Host.Close()
			server.Close()
		})
	}
}

// Without room for it, or a program that decides about SYNs, a listener does none.
func TestFastOpenIsOffWhereNobodyAsks(t *testing.T) {
	for name, o := range map[string]handfast.ListenOptions{
		"no room": {}, "verdicts": {FastOpen: 10, Verdict: func(r *handfast.Request) { r.Accept() }},
	} {
		d, server := newFastNet(t, o)
		for range 3 {
			c, err := d.Dial("tcp", serverIP+":80")
			if err != nil {
				t.Fatal(err)
			}
			c.Write([]byte("hello"))
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil || infoOf(t, c.(*handfast.TCPConn)).FastOpen {
				t.Errorf("%s: %v", name, err)
			}
			c.Close()
		}
		if n := server.Counters().TCP; n.TCPFastOpenPassive != 0 {
			t.Errorf("%s: %+v", name, n)
		}
	}
	if _, err := newLonelyHost(t).ListenTCP("tcp", ":80", handfast.ListenOptions{FastOpen: -1}); err == nil {
		t.Error("a negative bound is taken")
	}
}

func infoOf(t *testing.T, c *handfast.TCPConn) tcp.Info {
	t.Helper()
	i, err := c.Info()
	if err != nil {
		t.Error(err)
	}
	return i
}
