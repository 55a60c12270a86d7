package handfast_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// nobody is an address where nobody answers.
const nobody = "10.0.0.77"

// wait is a call that blocks, and what else there is to do with what it waits for.
type wait struct {
	call     func() error
	close    func() error          // nil: there is nothing to close
	deadline func(time.Time) error // nil: there is none
}

func waitOf[C interface {
	Close() error
	SetDeadline(time.Time) error
}](c C, err error, call func() error) (wait, error) {
	return wait{call, c.Close, c.SetDeadline}, err
}

// waits make the calls of a host that can block, so that they do.
var waits = map[string]func(h *handfast.Host, ctx context.Context) (wait, error){
	"Read": func(h *handfast.Host, _ context.Context) (wait, error) {
		c, err := h.Dial("tcp", serverIP+":80")
		return waitOf(c, err, func() error { _, err := c.Read(make([]byte, 1)); return err })
	},
	"Write": func(h *handfast.Host, _ context.Context) (wait, error) {
		c, err := h.Dial("tcp", serverIP+":80")
		return waitOf(c, err, func() error { _, err := c.Write(make([]byte, 64<<20)); return err })
	},
	"Accept": func(h *handfast.Host, _ context.Context) (wait, error) {
		l, err := h.Listen("tcp", ":80")
		return waitOf(l, err, func() error { _, err := l.Accept(); return err })
	},
	"Forward": func(h *handfast.Host, _ context.Context) (wait, error) {
		l, err := h.Forward(handfast.ListenOptions{})
		return waitOf(l, err, func() error { _, err := l.Accept(); return err })
	},
	"ReadFrom": func(h *handfast.Host, _ context.Context) (wait, error) {
		u, err := h.ListenPacket("udp", ":53")
		return waitOf(u, err, func() error { _, _, err := u.ReadFrom(make([]byte, 1)); return err })
	},
	"ping": func(h *handfast.Host, _ context.Context) (wait, error) {
		p, err := h.DialPing(netip.Addr{}, netip.MustParseAddr(nobody))
		return waitOf(p, err, func() error { _, err := p.Read(make([]byte, 1)); return err })
	},
	"Dial": func(h *handfast.Host, ctx context.Context) (wait, error) {
		return wait{call: func() error { _, err := h.DialContext(ctx, "tcp", nobody+":80"); return err }}, nil
	},
	"Resolve": func(h *handfast.Host, ctx context.Context) (wait, error) {
		return wait{call: func() error { _, err := h.Resolver().LookupHost(ctx, "www.example"); return err }}, nil
	},
	"Close with linger": func(h *handfast.Host, _ context.Context) (wait, error) {
		c, err := h.Dial("tcp", serverIP+":80")
		if err == nil {
			c.(*handfast.TCPConn).SetLinger(3600)
			c.SetWriteDeadline(time.Now().Add(time.Second))
			c.Write(make([]byte, 64<<20)) // what nobody reads
		}
		return wait{call: c.Close}, err
	},
}

// endings end what a call waits for.
var endings = map[string]struct {
	end  func(h *handfast.Host, end *pipe.End, w wait, cancel func()) bool // false: it does not apply
	want func(error) bool
}{
	"the host is closed": {
		func(h *handfast.Host, _ *pipe.End, _ wait, _ func()) bool { return h.Close() == nil },
		func(err error) bool { return errors.Is(err, net.ErrClosed) },
	},
	"the last link is lost": {
		func(_ *handfast.Host, end *pipe.End, _ wait, _ func()) bool { return end.Close() == nil },
		func(err error) bool { var lost *handfast.LinkError; return errors.As(err, &lost) },
	},
	"it is closed": {
		func(_ *handfast.Host, _ *pipe.End, w wait, _ func()) bool { return w.close != nil && w.close() == nil },
		func(err error) bool { return errors.Is(err, net.ErrClosed) },
	},
	"its deadline has passed": {
		func(_ *handfast.Host, _ *pipe.End, w wait, _ func()) bool {
			return w.deadline != nil && w.deadline(time.Unix(1, 0)) == nil
		},
		func(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) },
	},
	"its context is cancelled": {
		func(_ *handfast.Host, _ *pipe.End, w wait, cancel func()) bool { cancel(); return w.close == nil },
		func(err error) bool { return err != nil && strings.Contains(err.Error(), "operation was canceled") },
	},
}

// Every call that can wait comes back when what it waits for ends, in whatever way, with
// the error that says so; and so does the next call. No goroutine stays behind.
func TestEveryWaitEnds(t *testing.T) {
	// Package net makes a channel at its first look at the system's name servers, which may
	// not belong to a bubble.
	once, cancel := context.WithCancel(t.Context())
	cancel()
	(&net.Resolver{PreferGo: true}).LookupHost(once, "www.example")
	for call, begin := range waits {
		for how, ending := range endings {
			t.Run(call+" when "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := pipe.New(pipe.Options{})
					cfg := handfast.Config{NameServers: []netip.AddrPort{netip.MustParseAddrPort(nobody + ":53")}, NoKeepAlive: true}
					cfg.TCP.UserTimeout = 24 * time.Hour
					h := newTestHost(t, cfg, failingLink{a}, clientIP+"/24")
					server := newTestHost(t, handfast.Config{NoKeepAlive: true}, b, serverIP+"/24")
					listen(t, server, ":80")
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					w, err := begin(h, ctx)
					if err != nil {
						t.Fatal(err)
					}
					returned := make(chan error, 1)
					go func() { returned <- w.call() }()
					synctest.Wait()
					select {
					case err := <-returned:
						t.Fatalf("it does not wait: %v", err)
					default:
					}
					if !ending.end(h, a, w, cancel) {
						h.Close()
						<-returned
						return
					}
					err = <-returned
					switch call {
					case "Close with linger": // has closed it, whatever came between
						return
					case "Resolve": // says so in words of its own
						ending.want = func(err error) bool { return err != nil }
					}
					if !ending.want(err) {
						t.Errorf("%v", err)
					}
					if err := w.call(); err == nil {
						t.Error("the next call succeeds")
					}
				})
			})
		}
	}
}

// lives bring a connection that was accepted from peer 0 of a crowd into a state, after
// the handshake, by segments of the peer's and calls of the program's.
var lives = map[tcp.State]func(c *crowd, server *handfast.TCPConn, iss seq.Num){
	tcp.Established: func(*crowd, *handfast.TCPConn, seq.Num) {},
	tcp.FinWait1:    func(_ *crowd, s *handfast.TCPConn, _ seq.Num) { s.CloseWrite() },
	tcp.FinWait2: func(c *crowd, s *handfast.TCPConn, iss seq.Num) {
		s.CloseWrite()
		c.send(0, wire.TCP{DstPort: 80, Seq: 101, Ack: iss + 2, Flags: wire.ACK}, nil)
	},
	tcp.CloseWait: func(c *crowd, s *handfast.TCPConn, iss seq.Num) {
		c.send(0, wire.TCP{DstPort: 80, Seq: 101, Ack: iss + 1, Flags: wire.ACK | wire.FIN}, nil)
	},
	tcp.Closing: func(c *crowd, s *handfast.TCPConn, iss seq.Num) {
		s.CloseWrite()
		c.send(0, wire.TCP{DstPort: 80, Seq: 101, Ack: iss + 1, Flags: wire.ACK | wire.FIN}, nil)
	},
	tcp.LastAck: func(c *crowd, s *handfast.TCPConn, iss seq.Num) {
		c.send(0, wire.TCP{DstPort: 80, Seq: 101, Ack: iss + 1, Flags: wire.ACK | wire.FIN}, nil)
		c.answers(0)
		s.CloseWrite()
	},
	tcp.TimeWait: func(c *crowd, s *handfast.TCPConn, iss seq.Num) {
		s.CloseWrite()
		c.send(0, wire.TCP{DstPort: 80, Seq: 101, Ack: iss + 2, Flags: wire.ACK | wire.FIN}, nil)
	},
	tcp.Closed: func(c *crowd, s *handfast.TCPConn, iss seq.Num) {
		c.send(0, wire.TCP{DstPort: 80, Seq: 101, Flags: wire.RST}, nil)
	},
}

// A connection can be let go of in every state and in every way, while a call reads from
// it: that comes back, a second Close fails, and in the end nothing is left.
func TestCloseInEveryState(t *testing.T) {
	ways := map[string]func(h *handfast.Host, s *handfast.TCPConn){
		"Close":                func(_ *handfast.Host, s *handfast.TCPConn) { s.Close() },
		"Close without linger": func(_ *handfast.Host, s *handfast.TCPConn) { s.SetLinger(0); s.Close() },
		"Close with linger":    func(_ *handfast.Host, s *handfast.TCPConn) { s.SetLinger(1); s.Close() },
		"a deadline, and Close": func(_ *handfast.Host, s *handfast.TCPConn) {
			s.SetDeadline(time.Unix(1, 0))
			s.Close()
		},
		"CloseRead, and Close": func(_ *handfast.Host, s *handfast.TCPConn) { s.CloseRead(); s.Close() },
		"the host's Close":     func(h *handfast.Host, _ *handfast.TCPConn) { h.Close() },
	}
	for state, live := range lives {
		for how, way := range ways {
			t.Run(state.String()+", "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCrowd(t, handfast.Config{Shards: 1})
					l := listen(t, c.host, ":80")
					iss, _ := c.open(0, nil)
					server, err := l.AcceptTCP()
					if err != nil {
						t.Fatal(err)
					}
					live(c, server, iss)
					c.answers(0)
					if info, err := server.Info(); err != nil || info.State != state {
						t.Fatalf("it is in %v, %v", info.State, err)
					}
					read := make(chan error, 1)
					go func() { _, err := io.Copy(io.Discard, server); read <- err }()
					synctest.Wait()
					way(c.host, server)
					<-read
					if err := server.Close(); how != "the host's Close" && !errors.Is(err, net.ErrClosed) {
						t.Errorf("the second Close: %v", err)
					}
					if _, err := server.Write([]byte("x")); err == nil {
						t.Error("it can be written to")
					}
					time.Sleep(time.Hour) // virtual
					for left := range c.host.Connections() {
						t.Errorf("%v is left in %v", left.Remote, left.State)
					}
				})
			})
		}
	}
}

// A host that is closed resets all its connections, however many go at once.
func TestCloseResetsThemAll(t *testing.T) {
	const many = 300
	from, to := newNet(t, handfast.Config{Shards: 1}, pipe.Options{})
	l := listen(t, to, serverIP+":80")
	var servers []*handfast.TCPConn
	for range many {
		_, s := connect(t, from, l)
		servers = append(servers, s)
	}
	from.Close()
	for i, s := range servers {
		s.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
}
