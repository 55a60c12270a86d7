package handfast_test

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// conflictLog passes on what a host logs of its addresses.
type conflictLog chan string

func (l conflictLog) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "another host") {
		l <- string(line)
	}
	return len(line), nil
}

// Two hosts on an Ethernet with one address: who comes second lets it go, in all
// shards, and says so. Until then, and with its other address, it works.
func TestAddressOfAnotherHost(t *testing.T) {
	for _, shards := range []int{1, 4} {
		a, b := pipe.New(pipe.Options{Medium: link.Ethernet})
		// Who does not check keeps the address from the first moment.
		server, err := handfast.New(handfast.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		addresses := func(all ...string) (o handfast.LinkOptions) {
			for _, p := range all {
				o.Addresses = append(o.Addresses, netip.MustParsePrefix(p))
			}
			return o
		}
		o := addresses(serverIP+"/24", "10.0.0.9/24")
		o.NoConflictDetection = true
		if err := server.Attach(b, o); err != nil {
			t.Fatal(err)
		}
		l := listen(t, server, serverIP+":80")

		lines := make(conflictLog, 8)
		client, err := handfast.New(handfast.Config{Shards: shards, Logger: slog.New(slog.NewTextHandler(lines, nil))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		if err := client.Attach(a, addresses("10.0.0.9/24", clientIP+"/24")); err != nil {
			t.Fatal(err)
		}
		taken := listen(t, client, "10.0.0.9:80")
		defer taken.Close()

		select {
		case line := <-lines:
			if !strings.Contains(line, "link=pipe-a") || !strings.Contains(line, "address=10.0.0.9") || !strings.Contains(line, "02:00:00:00:00:0b") {
				t.Error(line)
			}
		case <-time.After(time.Minute):
			t.Fatal("nothing is said of the conflict")
		}
		info := client.Links()[0]
		if len(info.Lost) != 1 || !errors.Is(info.Lost[0], syscall.EADDRINUSE) || info.Lost[0].Address.String() != "10.0.0.9" ||
			len(info.Addresses) != 1 || info.Addresses[0].String() != clientIP+"/24" {
			t.Errorf("addresses %v, lost %v", info.Addresses, info.Lost)
		}
		for range 8 {
			c, s := connect(t, client, l)
			if from := s.RemoteAddr().String(); !strings.HasPrefix(from, clientIP+":") {
				t.Errorf("connection from %s", from)
			}
			c.Close()
			s.Close()
		}
		if _, err := client.Listen("tcp", "10.0.0.9:81"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Errorf("listening on it: %v", err)
		}
	}
}

// A host on an Ethernet works from the first moment.
func TestAttachDoesNotWaitForTheCheck(t *testing.T) {
	a, b := pipe.New(pipe.Options{Medium: link.Ethernet})
	server := newTestHost(t, handfast.Config{}, b, serverIP+"/24", "fd00::2/64")
	l := listen(t, server, ":80")
	start := time.Now()
	client := newTestHost(t, handfast.Config{}, a, clientIP+"/24", "fd00::1/64")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, to := range bothFamilies {
		c, err := client.DialContext(ctx, "tcp", to+":80")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	t.Logf("two connections after %v", time.Since(start))
	if lost := client.Links()[0].Lost; lost != nil {
		t.Errorf("lost %v", lost)
	}
}
