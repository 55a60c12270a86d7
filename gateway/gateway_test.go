package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// world is a client, a gateway, and a server on the far side of it:
//
//	client - gate | out - server
//
// Gate and out are hosts of one program, which the gateway's dialer joins. Times
// are virtual.
type world struct {
	*testing.T
	client, gate, out, server *handfast.Host
	gateway                   *gateway.Gateway
}

const (
	clientIP = "10.0.0.1"
	serverIP = "198.51.100.7" // has a host
	deadIP   = "198.51.100.8" // has none, and nobody says so
)

func inWorld(t *testing.T, cfg gateway.Config, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t}
		a, b := pipe.New(pipe.Options{})
		w.client, w.gate = w.host(a, clientIP+"/32"), w.host(b, "10.0.0.254/32")
		a, b = pipe.New(pipe.Options{})
		w.out, w.server = w.host(a, "192.0.2.1/32"), w.host(b, serverIP+"/32")
		cfg.Host = w.gate
		if cfg.Dialer == nil {
			cfg.Dialer = &handfast.Dialer{Host: w.out}
		}
		var err error
		if w.gateway, err = gateway.New(cfg); err != nil {
			t.Fatal(err)
		}
		f(w)
		w.gateway.Close()
		if s := w.gateway.Stats(); s != (gateway.Stats{}) {
			t.Errorf("closed, and has %+v", s)
		}
		for _, h := range []*handfast.Host{w.client, w.gate, w.out, w.server} {
			h.Close()
		}
	})
}

// host has the default routes to the other end of its link.
func (w *world) host(l link.Link, addresses ...string) *handfast.Host {
	return w.hostWith(handfast.Config{}, l, addresses...)
}

func (w *world) hostWith(cfg handfast.Config, l link.Link, addresses ...string) *handfast.Host {
	h, err := handfast.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	o := handfast.LinkOptions{Routes: []handfast.Route{{Destination: netip.MustParsePrefix("0.0.0.0/0")}}}
	for _, a := range addresses {
		o.Addresses = append(o.Addresses, netip.MustParsePrefix(a))
	}
	if err := h.Attach(l, o); err != nil {
		w.Fatal(err)
	}
	return h
}

// serve has the server do f with each connection to a port.
func (w *world) serve(port int, f func(c *handfast.TCPConn)) { w.serveOn(w.server, port, f) }

func (w *world) serveOn(h *handfast.Host, port int, f func(c *handfast.TCPConn)) {
	l, err := h.Listen("tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		w.Fatal(err)
	}
	go func() {
		for c, err := l.AcceptTCP(); err == nil; c, err = l.AcceptTCP() {
			go f(c)
		}
	}()
}

func (w *world) dial(network, address string) net.Conn {
	w.Helper()
	c, err := w.client.Dial(network, address)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) wantStats(why string, want gateway.Stats) {
	w.Helper()
	synctest.Wait()
	if got := w.gateway.Stats(); got != want {
		w.Errorf("%s: %+v, want %+v", why, got, want)
	}
}

// Each direction ends alone, and all of it arrives.
func TestHalfClose(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		w.serve(80, func(c *handfast.TCPConn) {
			asked, _ := io.ReadAll(c)
			io.WriteString(c, strings.ToUpper(string(asked)))
			c.Close()
		})
		text := strings.Repeat("what is asked ", 100_000)
		c := w.dial("tcp", serverIP+":80")
		w.wantStats("dialled", gateway.Stats{Connections: 1})
		io.WriteString(c, text)
		c.(*handfast.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); string(got) != strings.ToUpper(text) || err != nil {
			t.Errorf("%d bytes of %d came back, %v", len(got), len(text), err)
		}
		c.Close()
		w.wantStats("both have closed", gateway.Stats{})
	})
}

// The server says goodbye first, and hears what the client goes on saying.
func TestServerClosesFirst(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		heard := make(chan string)
		w.serve(80, func(c *handfast.TCPConn) {
			io.WriteString(c, "bye")
			c.CloseWrite()
			rest, _ := io.ReadAll(c)
			heard <- string(rest)
			c.Close()
		})
		c := w.dial("tcp", serverIP+":80")
		if said, err := io.ReadAll(c); string(said) != "bye" || err != nil {
			t.Errorf("%q, %v", said, err)
		}
		io.WriteString(c, "one more thing")
		c.Close()
		if rest := <-heard; rest != "one more thing" {
			t.Errorf("the server heard %q", rest)
		}
		w.wantStats("both have closed", gateway.Stats{})
	})
}

// A reset on one side is a reset on the other.
func TestResets(t *testing.T) {
	reset := func(c *handfast.TCPConn) {
		c.SetLinger(0)
		c.Close()
	}
	inWorld(t, gateway.Config{}, func(w *world) {
		w.serve(1, func(c *handfast.TCPConn) {
			c.Read(make([]byte, 1))
			reset(c)
		})
		c := w.dial("tcp", serverIP+":1")
		io.WriteString(c, "x")
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset by the server: %v", err)
		}
		c.Close()
		ended := make(chan error)
		w.serve(2, func(c *handfast.TCPConn) {
			_, err := io.Copy(io.Discard, c)
			ended <- err
			c.Close()
		})
		c = w.dial("tcp", serverIP+":2")
		synctest.Wait()
		reset(c.(*handfast.TCPConn))
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset by the client: %v", err)
		}
		w.wantStats("reset", gateway.Stats{})
	})
}

// What happens to the dial is what the client sees.
func TestFailedDials(t *testing.T) {
	fails := func(err error) gateway.Dialer {
		return dialFunc(func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: err}
		})
	}
	for name, test := range map[string]struct {
		dialer gateway.Dialer
		want   error
		icmp   uint64 // messages that the client gets for one SYN
	}{
		"refused":             {nil, syscall.ECONNREFUSED, 0},
		"host unreachable":    {fails(syscall.EHOSTUNREACH), context.DeadlineExceeded, 1},
		"network unreachable": {fails(syscall.ENETUNREACH), context.DeadlineExceeded, 1},
		"prohibited":          {fails(syscall.EACCES), context.DeadlineExceeded, 1},
		"no such name":        {fails(&net.DNSError{Err: "no such host", IsNotFound: true}), syscall.ECONNREFUSED, 0},
		"silence":             {fails(context.DeadlineExceeded), context.DeadlineExceeded, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, gateway.Config{Dialer: test.dialer}, func(w *world) {
				ctx, cancel := context.WithTimeout(w.Context(), time.Second/2)
				defer cancel()
				if _, err := w.client.DialContext(ctx, "tcp", serverIP+":9"); !errors.Is(err, test.want) {
					t.Errorf("%v, want %v", err, test.want)
				}
				if got := w.client.Counters().IcmpInDestUnreachs; got != test.icmp {
					t.Errorf("%d ICMP messages, want %d", got, test.icmp)
				}
				w.wantStats("failed", gateway.Stats{})
			})
		})
	}
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// A client that repeats its SYN while its dial is under way does not make another.
func TestOneDialForAFlow(t *testing.T) {
	dialled := 0
	d := dialFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialled++
		<-ctx.Done()
		return nil, ctx.Err()
	})
	inWorld(t, gateway.Config{Dialer: d, DialTimeout: 10 * time.Second}, func(w *world) {
		ctx, cancel := context.WithTimeout(w.Context(), 9*time.Second)
		defer cancel()
		w.client.DialContext(ctx, "tcp", serverIP+":80")
		if w.wantStats("given up", gateway.Stats{Dialling: 1}); dialled != 1 {
			t.Errorf("dialled %d times", dialled)
		}
	})
}

// What was dialled for a client that has gone is closed.
func TestClientGivesUp(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		ended := make(chan error)
		w.serve(80, func(c *handfast.TCPConn) {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		})
		slow := dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(2 * time.Second)
			return w.out.DialContext(ctx, network, address)
		})
		w.gateway.Close()
		w.gateway, _ = gateway.New(gateway.Config{Host: w.gate, Dialer: slow})
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		w.client.DialContext(ctx, "tcp", serverIP+":80")
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server sees %v", err)
		}
	})
}

// So it is when its SYN was forgotten meanwhile, because the dial took too long.
func TestClientGaveUpLongAgo(t *testing.T) {
	inWorld(t, gateway.Config{}, func(w *world) {
		ended := make(chan error)
		w.serve(80, func(c *handfast.TCPConn) {
			_, err := io.Copy(io.Discard, c)
			ended <- err
		})
		slow := dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(10 * time.Minute)
			return w.out.Dial(network, address)
		})
		w.gateway.Close()
		w.gateway, _ = gateway.New(gateway.Config{Host: w.gate, Dialer: slow, DialTimeout: 20 * time.Minute})
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		w.client.DialContext(ctx, "tcp", serverIP+":80")
		if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server sees %v", err)
		}
	})
}

// Ten thousand SYNs to dead destinations, to one or to as many, do not delay a connection to a
// living one: the first SYN and one dial are enough, also when the SYNs of another client come
// while it waits for its answer.
func TestDeadDestinationsDelayNobody(t *testing.T) {
	const scanner = "10.0.0.9"
	for name, dead := range map[string]func(i int) string{
		"one":  func(int) string { return deadIP + ":80" },
		"many": func(i int) string { return fmt.Sprintf("203.%d.%d.%d:80", i>>16, 1+i>>8&0xff, i&0xff) },
	} {
		t.Run(name, func(t *testing.T) {
			dials := 0
			var w *world
			d := dialFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasPrefix(address, serverIP) {
					dials++ // one after the other
					time.Sleep(100 * time.Millisecond)
				}
				return w.out.DialContext(ctx, network, address)
			})
			inWorld(t, gateway.Config{Dialer: d}, func(in *world) {
				w = in
				if err := w.client.AddAddress(w.client.Links()[0].Name, netip.MustParsePrefix(scanner+"/32")); err != nil {
					t.Fatal(err)
				}
				w.serve(80, func(c *handfast.TCPConn) { c.Close() })
				ctx, cancel := context.WithCancel(w.Context())
				var dialling sync.WaitGroup
				scan := func(first, count int) {
					d := handfast.Dialer{Host: w.client, LocalAddr: &net.TCPAddr{IP: net.ParseIP(scanner)}}
					for i := first; i < first+count; i++ {
						dialling.Go(func() { d.DialContext(ctx, "tcp", dead(i)) })
					}
				}
				n := many(10_000)
				scan(0, n)
				synctest.Wait()
				if got := w.gateway.Stats().Dialling; got != min(n, 1024) {
					t.Errorf("%d dials are under way", got)
				}
				go func() {
					time.Sleep(50 * time.Millisecond) // the dial has half of its time left
					scan(n, n)
				}()
				for i := range 3 {
					c := w.dial("tcp", serverIP+":80").(*handfast.TCPConn)
					if info, err := c.Info(); err != nil || info.TotalRetrans != 0 || dials != i+1 {
						t.Errorf("connection %d took %d retransmissions, and there were %d dials, %v", i, info.TotalRetrans, dials, err)
					}
					c.Close()
				}
				cancel()
				dialling.Wait()
			})
		})
	}
}

func TestPolicy(t *testing.T) {
	var seen atomic.Pointer[gateway.Flow]
	policy := func(f gateway.Flow) gateway.Route {
		seen.Store(&f)
		switch f.Destination.Port() {
		case 1:
			return gateway.Route{Verdict: gateway.Refuse}
		case 2:
			return gateway.Route{Verdict: gateway.Prohibit}
		case 3:
			return gateway.Route{Verdict: gateway.Drop}
		case 4:
			return gateway.Route{Address: serverIP + ":80"}
		}
		return gateway.Route{Dialer: dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED })}
	}
	inWorld(t, gateway.Config{Policy: policy}, func(w *world) {
		w.serve(80, func(c *handfast.TCPConn) { c.Close() })
		for port, want := range map[int]error{
			1: syscall.ECONNREFUSED, 2: context.DeadlineExceeded, 3: context.DeadlineExceeded, 4: nil, 5: syscall.ECONNREFUSED,
		} {
			before := w.client.Counters().IcmpInDestUnreachs
			ctx, cancel := context.WithTimeout(w.Context(), time.Second/2)
			c, err := w.client.DialContext(ctx, "tcp", fmt.Sprintf("9.9.9.9:%d", port))
			if !errors.Is(err, want) {
				t.Errorf("port %d: %v, want %v", port, err, want)
			}
			if told := w.client.Counters().IcmpInDestUnreachs > before; told != (port == 2) {
				t.Errorf("port %d: ICMP %v", port, told)
			}
			if c != nil {
				c.Close()
			}
			cancel()
		}
		if f := seen.Load(); f.Network != "tcp" || f.Source.Addr().String() != clientIP || f.Destination.Addr().String() != "9.9.9.9" {
			t.Errorf("asked about %+v", f)
		}
	})
}

// Of each flow one end is told, with what passed and why it was over.
func TestEnds(t *testing.T) {
	var ends chan gateway.End
	policy := func(f gateway.Flow) gateway.Route {
		return gateway.Route{Verdict: map[bool]gateway.Verdict{true: gateway.Refuse}[f.Destination.Port() == 25]}
	}
	inWorld(t, gateway.Config{Policy: policy, Ended: func(e gateway.End) { ends <- e }}, func(w *world) {
		ends = make(chan gateway.End, 100)
		w.echo(53)
		w.serve(80, func(c *handfast.TCPConn) {
			io.WriteString(c, "hello")
			io.Copy(io.Discard, c)
			c.Close()
		})
		want := func(why string, address string, sent, received int64, err error) {
			t.Helper()
			e := <-ends
			if e.Flow.Destination.String() != address || e.Sent != sent || e.Received != received || !errors.Is(e.Err, err) {
				t.Errorf("%s: %+v", why, e)
			}
			if dialled := e.Info.SegsIn > 0; dialled != (err == nil && e.Flow.Network == "tcp") {
				t.Errorf("%s: %d segments came in", why, e.Info.SegsIn)
			}
		}
		c := w.dial("tcp", serverIP+":80")
		io.WriteString(c, "hi there")
		c.(*handfast.TCPConn).CloseWrite()
		io.ReadAll(c)
		c.Close()
		want("carried", serverIP+":80", 8, 5, nil)
		if s := w.gateway.Stats(); s.Connections != 0 {
			t.Errorf("told of its end, and it counts: %+v", s)
		}
		w.client.Dial("tcp", serverIP+":9")
		want("refused", serverIP+":9", 0, 0, syscall.ECONNREFUSED)
		w.client.Dial("tcp", serverIP+":25")
		want("not allowed", serverIP+":25", 0, 0, gateway.ErrPolicy)
		c = w.dial("udp", serverIP+":53")
		ask(c, "a name")
		want("idle", serverIP+":53", 6, 6, nil)
	})
}
