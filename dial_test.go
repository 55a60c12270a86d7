package handfast_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
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

// A connection that was reset has no port any more, on either side: the next one from there begins
// though its SYN comes with the RST, in one batch.
func TestPortIsFreeAfterReset(t *testing.T) {
	client, server := newNet(t, handfast.Config{FirstPort: 5000, LastPort: 5000}, pipe.Options{})
	listen(t, server, ":80")
	for i := range 300 {
		c, err := client.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		c.(*handfast.TCPConn).SetLinger(0)
		c.Close()
	}
}

// A dial that is over before it begins opens nothing, also where it would have to wait for
// nothing, and the program is not asked about addresses.
func TestDialThatIsOver(t *testing.T) {
	h := newLonelyHost(t)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	d := handfast.Dialer{Host: h, Control: func(string, string, syscall.RawConn) error {
		t.Error("the program is asked")
		return nil
	}}
	for network, address := range map[string]string{"tcp": serverIP + ":80", "udp": serverIP + ":80", "ip4:icmp": serverIP} {
		for _, c := range []struct {
			ctx  context.Context
			is   error
			text string
		}{
			{cancelled, context.Canceled, "operation was canceled"},
			{late, context.DeadlineExceeded, "i/o timeout"},
		} {
			want := "dial " + network + " " + address + ": " + c.text // as in package net
			if _, err := d.DialContext(c.ctx, network, address); !errors.Is(err, c.is) || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
	for range h.PacketConns() {
		t.Error("a socket is left over")
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

// names is a name service that knows the given addresses for every name.
func names(addresses ...string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		a, b := net.Pipe()
		go func() {
			defer b.Close()
			var size [2]byte
			io.ReadFull(b, size[:])
			q := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(b, q); err == nil {
				answer := answerName(q, addresses)
				b.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
		}()
		return a, nil
	}}
}

// answerName answers one question of the DNS.
func answerName(q []byte, addresses []string) []byte {
	const typeA, typeAAAA = 1, 28
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5
	asked := binary.BigEndian.Uint16(q[end-4:])
	r := append(q[:2:2], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	r = append(r, q[12:end]...)
	for _, s := range addresses {
		ip := netip.MustParseAddr(s)
		if ip.Is4() != (asked == typeA) || ip.Is6() != (asked == typeAAAA) {
			continue
		}
		r[7]++
		r = append(r, 0xc0, 12, 0, byte(asked), 0, 1, 0, 0, 0, 60, 0, byte(ip.BitLen()/8))
		r = append(r, ip.AsSlice()...)
	}
	return r
}

// Of several addresses each gets its share of the time, and the second family
// begins after FallbackDelay.
func TestDialSharesTheTime(t *testing.T) {
	const (
		dead4, dead6   = "10.0.0.9", "fd00::9"
		alive4, alive6 = serverIP, "fd00::2"
	)
	// What package net keeps of its first look-up must not belong to a bubble.
	if _, err := names(dead4).LookupHost(t.Context(), "service.example"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name      string
		addresses []string
		dialer    handfast.Dialer
		network   string
		want      string // who answers; "" nobody
		after     time.Duration
		is        error
	}{
		{name: "the second of one family", addresses: []string{dead4, alive4},
			dialer: handfast.Dialer{Timeout: 10 * time.Second}, want: alive4, after: 5 * time.Second},
		{name: "a share of two seconds at least", addresses: []string{dead4, alive4},
			dialer: handfast.Dialer{Timeout: 2500 * time.Millisecond}, want: alive4, after: 2 * time.Second},
		{name: "none answers", addresses: []string{dead4, "10.0.0.8"},
			dialer: handfast.Dialer{Timeout: 10 * time.Second}, after: 10 * time.Second, is: context.DeadlineExceeded},
		{name: "Deadline before Timeout", addresses: []string{dead4},
			dialer: handfast.Dialer{Timeout: 10 * time.Second, Deadline: in(3 * time.Second)}, after: 3 * time.Second, is: context.DeadlineExceeded},
		{name: "Timeout before Deadline", addresses: []string{dead4},
			dialer: handfast.Dialer{Timeout: 2 * time.Second, Deadline: in(3 * time.Second)}, after: 2 * time.Second, is: context.DeadlineExceeded},
		{name: "Timeout below zero", addresses: []string{alive4},
			dialer: handfast.Dialer{Timeout: -1}, is: context.DeadlineExceeded},
		{name: "the other family, by default", addresses: []string{dead6, alive4}, want: alive4, after: 300 * time.Millisecond},
		{name: "the other family, soon", addresses: []string{dead6, alive4},
			dialer: handfast.Dialer{FallbackDelay: 20 * time.Millisecond}, want: alive4, after: 20 * time.Millisecond},
		{name: "the other family, in turn", addresses: []string{dead6, alive4},
			dialer: handfast.Dialer{FallbackDelay: -1, Timeout: 12 * time.Second}, want: alive4, after: 6 * time.Second},
		{name: "no route to the first family", addresses: []string{"2001:db8::1", alive4}, want: alive4},
		{name: "no route to any", addresses: []string{"2001:db8::1", "192.0.2.1"}, is: syscall.ENETUNREACH},
		{name: "the first family refuses", addresses: []string{"fd00::3", alive4}, want: alive4},
		{name: "the first family answers", addresses: []string{alive6, dead4}, want: alive6},
		{name: "both families are dead", addresses: []string{dead6, dead4},
			dialer: handfast.Dialer{Timeout: 4 * time.Second}, after: 4 * time.Second, is: context.DeadlineExceeded},
		{name: "one family wanted", addresses: []string{dead6, alive4}, network: "tcp4", want: alive4},
		{name: "the family of LocalAddr", addresses: []string{alive6, alive4},
			dialer: handfast.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientIP)}}, want: alive4},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "-"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := newNet(t, handfast.Config{Resolver: names(test.addresses...)}, pipe.Options{})
				for _, alive := range []string{"[" + alive6 + "]:80", alive4 + ":80"} {
					listen(t, server, alive)
				}
				d := test.dialer
				d.Host = client
				if !d.Deadline.IsZero() {
					d.Deadline = time.Now().Add(d.Deadline.Sub(in(0)))
				}
				network := "tcp"
				if test.network != "" {
					network = test.network
				}
				start := time.Now()
				c, err := d.Dial(network, "service.example:80")
				if took := time.Since(start).Round(10 * time.Millisecond); took != test.after {
					t.Errorf("took %v, want %v", took, test.after)
				}
				if !errors.Is(err, test.is) {
					t.Error("Dial:", err)
				}
				if got := peer(c); got != test.want {
					t.Errorf("connected to %q, want %q", got, test.want)
				}
				time.Sleep(time.Minute) // whatever was begun beside has ended
				wantConnections(t, client, c)
			})
		})
	}
}

// in is a time of the tests' own: d after their start.
func in(d time.Duration) time.Time { return time.Unix(0, 0).Add(time.Hour + d) }

// peer returns the peer's address, "" without a connection.
func peer(c net.Conn) string {
	if c == nil {
		return ""
	}
	host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
	return host
}

// wantConnections complains when h has other connections than c, or c is nil
// and it has any.
func wantConnections(t *testing.T, h *handfast.Host, c net.Conn) {
	t.Helper()
	for info := range h.Connections() {
		if c == nil || info.Local.String() != c.LocalAddr().String() && info.State == tcp.Established {
			t.Errorf("left over: %+v", info)
		}
	}
}

// Who loses the race is closed: one connection is left of two that were made.
func TestDialClosesTheSecond(t *testing.T) {
	for range 20 {
		client, server := newNet(t, handfast.Config{Resolver: names("fd00::2", serverIP)}, pipe.Options{})
		listen(t, server, ":80")
		d := handfast.Dialer{Host: client, FallbackDelay: 1}
		c, err := d.Dial("tcp", "service.example:80")
		if err != nil {
			t.Fatal(err)
		}
		wantConnections(t, client, c)
	}
}

func TestDialerWithoutHost(t *testing.T) {
	var op *net.OpError
	if _, err := new(handfast.Dialer).Dial("tcp", serverIP+":80"); !errors.As(err, &op) || !strings.Contains(err.Error(), "Dialer.Host") {
		t.Error("Dial:", err)
	}
}

// Control sees every address, and what it refuses is not dialled.
func TestDialerControl(t *testing.T) {
	veto := errors.New("not there")
	client, server := newNet(t, handfast.Config{Resolver: names("fd00::2", serverIP)}, pipe.Options{})
	listen(t, server, ":80")
	for _, test := range []struct {
		network string
		refuse  string
		want    string
		seen    []string
	}{
		{"tcp", "", "fd00::2", []string{"tcp6 [fd00::2]:80"}},
		{"tcp", "tcp6", serverIP, []string{"tcp6 [fd00::2]:80", "tcp4 " + serverIP + ":80"}},
		{"tcp4", "tcp4", "", []string{"tcp4 " + serverIP + ":80"}},
		{"udp4", "", serverIP, []string{"udp4 " + serverIP + ":80"}},
		{"udp6", "udp6", "", []string{"udp6 [fd00::2]:80"}},
	} {
		var seen []string
		d := handfast.Dialer{Host: client, Control: func(network, address string, c syscall.RawConn) error {
			seen = append(seen, network+" "+address)
			for _, err := range []error{c.Control(nil), c.Read(nil), c.Write(nil)} {
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Error("RawConn:", err)
				}
			}
			if network == test.refuse {
				return veto
			}
			return nil
		}}
		c, err := d.Dial(test.network, "service.example:80")
		if peer(c) != test.want || (test.want == "") != errors.Is(err, veto) || !slices.Equal(seen, test.seen) {
			t.Errorf("%s, refused %q: %v, %v, seen %q", test.network, test.refuse, c, err, seen)
		}
		seen = nil
		d.ControlContext = func(ctx context.Context, network, address string, _ syscall.RawConn) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("ControlContext does not get the dial's context")
			}
			return veto
		}
		d.Timeout = time.Minute
		if _, err := d.Dial(test.network, "service.example:80"); !errors.Is(err, veto) || seen != nil {
			t.Errorf("ControlContext: %v, and Control has seen %q", err, seen)
		}
	}
}

// A connection is probed as its Dialer says.
func TestDialerKeepAlive(t *testing.T) {
	for _, test := range []struct {
		name   string
		off    bool
		dialer handfast.Dialer
		want   time.Duration
	}{
		{"default", false, handfast.Dialer{}, (15 + 9*15) * time.Second},
		{"KeepAlive", false, handfast.Dialer{KeepAlive: 60 * time.Second}, (60 + 9*15) * time.Second},
		{"KeepAlive, off by Config", true, handfast.Dialer{KeepAlive: 60 * time.Second}, (60 + 9*15) * time.Second},
		{"KeepAliveConfig", true, handfast.Dialer{KeepAlive: -1,
			KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}, 11 * time.Second},
		{"off", false, handfast.Dialer{KeepAlive: -1}, 0},
		{"off by Config", true, handfast.Dialer{}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pipe.New(pipe.Options{})
				client := newTestHost(t, handfast.Config{NoKeepAlive: test.off}, a, clientIP+"/24")
				listen(t, newTestHost(t, handfast.Config{}, b, serverIP+"/24"), ":80")
				test.dialer.Host = client
				c, err := test.dialer.Dial("tcp", serverIP+":80")
				if err != nil {
					t.Fatal(err)
				}
				b.Close()
				start := time.Now()
				c.SetReadDeadline(start.Add(time.Hour))
				_, err = c.Read(make([]byte, 1))
				if gaveUp := errors.Is(err, syscall.ETIMEDOUT); gaveUp != (test.want != 0) {
					t.Error("Read:", err)
				}
				if took := time.Since(start).Round(time.Second); test.want != 0 && took != test.want {
					t.Errorf("gave up after %v, want %v", took, test.want)
				}
			})
		})
	}
}

// A Dialer is what http.Transport.DialContext wants.
func TestDialerForHTTP(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	l := listen(t, server, ":80")
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	d := handfast.Dialer{Host: client, Timeout: time.Minute, Resolver: names(serverIP)}
	c := http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
	r, err := c.Get("http://service.example/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); string(b) != "hello" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}
