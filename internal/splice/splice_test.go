package splice

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// pair returns both ends of a connection of the system's TCP.
func pair(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{c, far} {
		c.SetDeadline(time.Now().Add(10 * time.Second)) // nothing here waits for it
		t.Cleanup(func() { c.Close() })
	}
	return c.(*net.TCPConn), far
}

// ended is what Both returned.
type ended struct {
	sent, received int64
	err            error
}

// joined joins two connections, and returns their far ends.
func joined(t *testing.T, ctx context.Context) (client, server *net.TCPConn, end <-chan ended) {
	t.Helper()
	client, a := pair(t)
	b, server := pair(t)
	done := make(chan ended, 1)
	go func() {
		var e ended
		e.sent, e.received, e.err = Both(ctx, a, b, Go)
		a.Close()
		b.Close()
		done <- e
	}()
	return client, server, done
}

// A client that has sent its request and closed its direction gets the whole answer.
func TestHalfClose(t *testing.T) {
	client, server, end := joined(t, t.Context())
	io.WriteString(client, "request")
	client.CloseWrite()
	if got, err := io.ReadAll(server); string(got) != "request" || err != nil {
		t.Fatalf("the server read %q, %v", got, err)
	}
	io.WriteString(server, "the answer")
	server.Close()
	if got, err := io.ReadAll(client); string(got) != "the answer" || err != nil {
		t.Errorf("the client read %q, %v", got, err)
	}
	if e := <-end; e != (ended{7, 10, nil}) {
		t.Errorf("Both returned %+v", e)
	}
}

// A reset reaches the other side as one, from either, and is what Both tells.
func TestReset(t *testing.T) {
	for _, from := range []string{"client", "server"} {
		t.Run(from, func(t *testing.T) {
			client, server, end := joined(t, t.Context())
			resets, hears := client, server
			if from == "server" {
				resets, hears = server, client
			}
			resets.SetLinger(0)
			resets.Close()
			if _, err := io.ReadAll(hears); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the other side reads %v", err)
			}
			if e := <-end; !errors.Is(e.err, syscall.ECONNRESET) {
				t.Errorf("Both returned %+v", e)
			}
		})
	}
}

// When its context ends, both sides are reset, though nobody says anything.
func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	client, server, end := joined(t, ctx)
	cancel()
	for _, c := range []net.Conn{client, server} {
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a side reads %v", err)
		}
	}
	if e := <-end; e.err == nil {
		t.Errorf("Both returned %+v", e)
	}
}

// What cannot half-close ends whole: the other direction ends with it.
func TestWithoutHalfClose(t *testing.T) {
	client, a := net.Pipe()
	b, server := pair(t)
	done := make(chan ended, 1)
	go func() {
		var e ended
		e.sent, e.received, e.err = Both(t.Context(), a, b, Go)
		b.Close()
		done <- e
	}()
	go func() {
		io.WriteString(server, "all")
		server.CloseWrite()
	}()
	if got, err := io.ReadAll(client); string(got) != "all" || err != nil {
		t.Errorf("the client read %q, %v", got, err)
	}
	if e := <-done; e.received != 3 {
		t.Errorf("Both returned %+v", e)
	}
}
