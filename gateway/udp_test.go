package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
)

// echo has the server answer each datagram to a port.
func (w *world) echo(port int) { w.echoOn(w.server, port) }

func (w *world) echoOn(h *handfast.Host, port int) {
	u, err := h.ListenPacket("udp", fmt.Sprintf(":%d", port))
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		p := make([]byte, 2000)
		for n, from, err := u.ReadFromUDPAddrPort(p); err == nil; n, from, err = u.ReadFromUDPAddrPort(p) {
			u.WriteToUDPAddrPort(p[:n], from)
		}
	}()
}

// ask sends text and returns what comes back within a second.
func ask(c net.Conn, text string) (string, error) {
	c.Write([]byte(text))
	c.SetReadDeadline(time.Now().Add(time.Second))
	p := make([]byte, 2000)
	n, err := c.Read(p)
	return string(p[:n]), err
}

// Answers come from where was asked, and a session ends when nothing passes: one
// that asks for names sooner.
func TestSessions(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		for port, idle := range map[int]time.Duration{53: 5 * time.Second, 4433: 30 * time.Second} {
			w.echo(port)
			c := w.dial("udp", fmt.Sprintf("%s:%d", serverIP, port))
			for i := range 3 {
				if got, err := ask(c, "hello"); got != "hello" || err != nil {
					t.Errorf("port %d: %q, %v", port, got, err)
				}
				w.wantStats("one client", gateway.Stats{Sessions: 1})
				if i < 2 {
					time.Sleep(idle - time.Millisecond)
				}
			}
			time.Sleep(idle - time.Millisecond)
			w.wantStats("idle, but not for long", gateway.Stats{Sessions: 1})
			time.Sleep(2 * time.Millisecond)
			w.wantStats("idle", gateway.Stats{})
			c.Close()
		}
	})
}

// That nobody listens comes through, and the session goes on.
func TestPortUnreachable(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		c := w.dial("udp", serverIP+":9")
		for range 3 {
			if _, err := ask(c, "anybody?"); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("%v", err)
			}
		}
		w.echo(9)
		if got, err := ask(c, "and now?"); got != "and now?" {
			t.Errorf("%q, %v", got, err)
		}
		w.wantStats("all the time", gateway.Stats{Sessions: 1})
	})
}

// A client is told why the dial of its session failed, and nothing when that took too long.
func TestFailedSessions(t *testing.T) {
	for _, c := range []struct {
		err  error
		told uint64 // ICMP messages that the client gets
		read error
	}{
		{syscall.ECONNREFUSED, 1, syscall.ECONNREFUSED},
		{errors.New("a proxy that grants no UDP"), 1, syscall.ECONNREFUSED},
		{syscall.EHOSTUNREACH, 1, syscall.EHOSTUNREACH},
		{context.DeadlineExceeded, 0, os.ErrDeadlineExceeded},
	} {
		d := dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, c.err })
		inWorld(t, gateway.Config{Dialer: d}, func(w *world) {
			u := w.dial("udp", serverIP+":443")
			if _, err := ask(u, "hello"); !errors.Is(err, c.read) {
				t.Errorf("%v: the client reads %v, want %v", c.err, err, c.read)
			}
			if told := w.client.Counters().IcmpInDestUnreachs; told != c.told {
				t.Errorf("%v: %d ICMP messages, want %d", c.err, told, c.told)
			}
			w.wantStats("failed", gateway.Stats{})
		})
	}
}

// The table is bounded: the session that is idle the longest makes room; its client may come back.
func TestSessionsAreBounded(t *testing.T) {
	inWorld(t, gateway.Config{MaxSessions: 10}, func(w *world) {
		w.echo(7)
		first := w.dial("udp", serverIP+":7")
		old := w.dial("udp", serverIP+":7")
		ask(old, "x")
		for i := range 100 {
			c := w.dial("udp", serverIP+":7")
			if _, err := ask(c, "x"); err != nil {
				t.Fatal(i, err)
			}
			if _, err := ask(first, "x"); err != nil {
				t.Errorf("who speaks all the time has lost its session: %v", err)
			}
			c.Close()
		}
		w.wantStats("a hundred clients", gateway.Stats{Sessions: 10})
		if _, err := ask(old, "x"); err != nil {
			t.Error("who comes again:", err)
		}
	})
}

// Datagrams that come while the session is being dialled are passed on, to a bound.
func TestDatagramsWaitForTheDial(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		w.echo(7)
		c := w.dial("udp", serverIP+":7")
		for i := range 16 {
			fmt.Fprint(c, i)
		}
		synctest.Wait()
		p := make([]byte, 10)
		for i := range 16 {
			n, err := c.Read(p)
			if string(p[:n]) != fmt.Sprint(i) || err != nil {
				t.Errorf("answer %d is %q, %v", i, p[:n], err)
			}
		}
	})
}

// A day of sessions that come and go leaves nothing.
func TestADayOfSessions(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		w.echo(53)
		for range 24 * 60 {
			c := w.dial("udp", serverIP+":53")
			ask(c, "x")
			c.Close()
			time.Sleep(time.Minute)
			w.wantStats("a minute later", gateway.Stats{})
		}
	})
}
