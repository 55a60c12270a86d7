package handfast_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// newLonelyHost returns a host that nobody answers.
func newLonelyHost(t *testing.T) *handfast.Host {
	a, _ := pipe.New(pipe.Options{})
	return newTestHost(t, handfast.Config{}, a, clientIP+"/24")
}

func TestDialGivesUp(t *testing.T) {
	for _, test := range []struct {
		name    string
		context func(context.Context) (context.Context, context.CancelFunc)
		is      error
		timeout bool
		after   time.Duration
	}{
		{"engine", context.WithCancel, syscall.ETIMEDOUT, true, 127 * time.Second},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 2500*time.Millisecond)
		}, context.DeadlineExceeded, true, 2500 * time.Millisecond},
		{"cancel", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(1500*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled, false, 1500 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newLonelyHost(t)
				ctx, cancel := test.context(context.Background())
				defer cancel()
				start := time.Now()
				_, err := h.DialContext(ctx, "tcp", serverIP+":80")
				var op *net.OpError
				if !errors.Is(err, test.is) || !errors.As(err, &op) || op.Timeout() != test.timeout {
					t.Error("Dial:", err)
				}
				if took := time.Since(start); took.Round(10*time.Millisecond) != test.after {
					t.Errorf("gave up after %v, want %v", took, test.after)
				}
				for c := range h.Connections() {
					t.Errorf("%v is left over", c)
				}
			})
		})
	}
}

// Towards one destination ports go up one by one, from a place that cannot be
// guessed; those in use are left out, and the range has an end.
func TestPorts(t *testing.T) {
	cfg := handfast.Config{FirstPort: 5000, LastPort: 5007}
	client, server := newNet(t, cfg, pipe.Options{})
	listen(t, server, ":80")
	listen(t, server, ":81")
	listen(t, client, ":5003")

	dial := func(address string) (int, error) {
		c, err := client.Dial("tcp", address)
		if err != nil {
			return 0, err
		}
		return c.LocalAddr().(*net.TCPAddr).Port, nil
	}
	used, last := map[int]bool{}, 0
	for range 7 {
		port, err := dial(serverIP + ":80")
		if err != nil {
			t.Fatal(err)
		}
		if used[port] || port == 5003 || port < 5000 || port > 5007 {
			t.Errorf("port %d after %v", port, used)
		}
		if next := 5000 + (last-5000+1)%8; last != 0 && port != next && next != 5003 {
			t.Errorf("port %d follows %d", port, last)
		}
		used[port], last = true, port
	}
	if _, err := dial(serverIP + ":80"); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Error("all ports are in use:", err)
	}
	if _, err := dial(serverIP + ":81"); err != nil {
		t.Error("towards another destination:", err)
	}
}

func TestDialer(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	listen(t, server, ":80")
	from := func(a net.Addr) (net.Conn, error) {
		d := handfast.Dialer{Host: client, LocalAddr: a}
		return d.DialContext(t.Context(), "tcp", serverIP+":80")
	}
	c, err := from(&net.TCPAddr{IP: net.ParseIP(clientIP), Port: 1234})
	if err != nil || c.LocalAddr().String() != clientIP+":1234" {
		t.Errorf("with an address and a port: %v, %v", c, err)
	}
	if _, err = from(&net.TCPAddr{Port: 1234}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error("the same port again:", err)
	}
	if _, err = from(&net.TCPAddr{IP: net.ParseIP("10.0.0.99")}); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Error("somebody else's address:", err)
	}
	if _, err = from(&net.UDPAddr{Port: 1234}); err == nil {
		t.Error("a UDP address: no error")
	}
}

// The resolver's error reaches who dials.
func TestResolver(t *testing.T) {
	broken := errors.New("no name server")
	a, _ := pipe.New(pipe.Options{})
	h := newTestHost(t, handfast.Config{Resolver: &net.Resolver{
		PreferGo: true,
		Dial:     func(context.Context, string, string) (net.Conn, error) { return nil, broken },
	}}, a, clientIP+"/24")
	_, err := h.Dial("tcp", "host.example:80")
	if dns := new(net.DNSError); !errors.As(err, &dns) || dns.Name != "host.example" {
		t.Error("Dial:", err)
	}
	if _, err := h.Dial("tcp", "[2001:db8::1]:80"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Error("a numeric address does not ask:", err)
	}
}
