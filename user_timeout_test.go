package handfast_test

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A program sets how long its connection waits. Where the option is on the peer is told,
// and waits for as long, unless its own program has asked for a time.
func TestSetUserTimeout(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 1, TCP: tcp.Config{UserTimeout: 10 * time.Minute, UserTimeoutOption: true}}, pipe.Options{})
	l, err := server.ListenTCP("tcp", serverIP+":80", handfast.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	conn, accepted := connect(t, client, l)
	waits := func(h *handfast.Host, want time.Duration) {
		t.Helper()
		for c := range h.Connections() {
			if c.State == tcp.Established && c.Info.UserTimeout != want {
				t.Errorf("it waits for %v, want %v", c.Info.UserTimeout, want)
			}
		}
	}
	say := func() { // what was told has arrived when what follows it has
		conn.Write([]byte("x"))
		if _, err := accepted.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	say()
	waits(server, 10*time.Minute)
	if err := conn.SetUserTimeout(20 * time.Minute); err != nil {
		t.Fatal(err)
	}
	say()
	waits(client, 20*time.Minute)
	waits(server, 20*time.Minute)
	if err := accepted.SetUserTimeout(time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetUserTimeout(30 * time.Minute); err != nil {
		t.Fatal(err)
	}
	say()
	waits(client, 30*time.Minute)
	waits(server, time.Minute)
	conn.Close()
	if err := conn.SetUserTimeout(time.Minute); err == nil {
		t.Error("a closed connection takes it")
	}
}
