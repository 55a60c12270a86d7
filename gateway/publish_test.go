package gateway_test

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
)

const outIP = "192.0.2.1" // the gateway's address towards the server

// inPublishedWorld has port 8080 of the gateway's outside lead to port 80 of the
// client, of TCP and UDP; the server is who calls.
func inPublishedWorld(t *testing.T, f func(w *world)) {
	inWorld(t, gateway.Config{}, func(w *world) {
		l, err := w.out.Listen("tcp", ":8080")
		if err != nil {
			t.Fatal(err)
		}
		u, err := w.out.ListenPacket("udp", ":8080")
		if err != nil {
			t.Fatal(err)
		}
		inside := netip.MustParseAddrPort(clientIP + ":80")
		w.gateway.Publish(l, inside)
		w.gateway.PublishPacket(u, inside)
		f(w)
		w.gateway.Close()
		if _, err := l.Accept(); err == nil {
			t.Error("the listener is open after Close")
		}
		w.gateway.Publish(l, inside) // and this comes to nothing
	})
}

// What comes from outside reaches the inside with half-closes, and resets both ways.
func TestPublish(t *testing.T) {
	inPublishedWorld(t, func(w *world) {
		ended := make(chan error, 1)
		w.serveOn(w.client, 80, func(c *handfast.TCPConn) {
			asked, err := io.ReadAll(c)
			if err != nil {
				ended <- err
				return
			}
			if string(asked) == "reset" {
				c.SetLinger(0)
			}
			io.WriteString(c, strings.ToUpper(string(asked)))
			c.Close()
		})
		call := func() *handfast.TCPConn {
			c, err := w.server.Dial("tcp", outIP+":8080")
			if err != nil {
				t.Fatal(err)
			}
			return c.(*handfast.TCPConn)
		}
		text := strings.Repeat("what is asked ", 50_000)
		c := call()
		io.WriteString(c, text)
		c.CloseWrite()
		if got, err := io.ReadAll(c); string(got) != strings.ToUpper(text) || err != nil {
			t.Errorf("%d bytes of %d came back, %v", len(got), len(text), err)
		}
		c.Close()
		w.wantStats("both have closed", gateway.Stats{})

		c = call()
		io.WriteString(c, "reset")
		c.CloseWrite()
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset inside: %v", err)
		}
		c.Close()
		c = call()
		synctest.Wait()
		c.SetLinger(0)
		c.Close()
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset outside: %v", err)
		}
		w.wantStats("reset", gateway.Stats{})
	})
}

// Who finds nobody inside is reset.
func TestPublishedAndRefused(t *testing.T) {
	inPublishedWorld(t, func(w *world) {
		c, err := w.server.Dial("tcp", outIP+":8080")
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
	})
}

// Each client outside has a session of its own, which ends when it is idle.
func TestPublishPacket(t *testing.T) {
	inPublishedWorld(t, func(w *world) {
		w.echoOn(w.client, 80)
		for range 2 {
			c, err := w.server.Dial("udp", outIP+":8080")
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if got, err := ask(c, "hello"); got != "hello" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			}
		}
		w.wantStats("two clients", gateway.Stats{Sessions: 2})
		time.Sleep(31 * time.Second)
		w.wantStats("idle", gateway.Stats{})
	})
}
