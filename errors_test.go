package handfast_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A scenario does the same on the kernel's TCP and on ours, and notes every
// result; the notes must be equal.

// tcpConn is what *net.TCPConn and *handfast.TCPConn share.
type tcpConn interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	CloseRead() error
	CloseWrite() error
	SetLinger(int) error
	SetNoDelay(bool) error
	SetKeepAlive(bool) error
	SetKeepAlivePeriod(time.Duration) error
	SetKeepAliveConfig(net.KeepAliveConfig) error
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
	MultipathTCP() (bool, error)
}

// udpConn is what *net.UDPConn and *handfast.UDPConn share.
type udpConn interface {
	net.Conn
	net.PacketConn
	ReadFromUDP([]byte) (int, *net.UDPAddr, error)
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	ReadMsgUDP(p, oob []byte) (n, oobn, flags int, from *net.UDPAddr, err error)
	ReadMsgUDPAddrPort(p, oob []byte) (n, oobn, flags int, from netip.AddrPort, err error)
	WriteToUDP([]byte, *net.UDPAddr) (int, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	WriteMsgUDP(p, oob []byte, to *net.UDPAddr) (n, oobn int, err error)
	WriteMsgUDPAddrPort(p, oob []byte, to netip.AddrPort) (n, oobn int, err error)
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

var (
	_ tcpConn      = (*net.TCPConn)(nil)
	_ tcpConn      = (*handfast.TCPConn)(nil)
	_ net.Listener = (*handfast.TCPListener)(nil)
	_ udpConn      = (*net.UDPConn)(nil)
	_ udpConn      = (*handfast.UDPConn)(nil)
	_ syscall.Conn = (*handfast.TCPConn)(nil)
)

// world is a TCP to try a scenario on.
type world struct {
	listen  func(network, address string) (net.Listener, error)
	packet  func(network, address string) (udpConn, error)
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	dialer  func(net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error)
	local   string // an address to listen on
	foreign string // one that is not ours
	notes   []string
}

func kernelWorld() *world {
	return &world{
		listen: net.Listen,
		packet: func(network, address string) (udpConn, error) {
			u, err := net.ListenPacket(network, address)
			if err != nil {
				return nil, err
			}
			return u.(udpConn), nil
		},
		dial: new(net.Dialer).DialContext,
		dialer: func(d net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
			return d.DialContext
		},
		local:   "127.0.0.1",
		foreign: "192.0.2.1",
	}
}

func ourWorld(t *testing.T) *world {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	return &world{
		listen: func(network, address string) (net.Listener, error) {
			l, err := server.Listen(network, address)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		packet: func(network, address string) (udpConn, error) {
			u, err := server.ListenPacket(network, address)
			if err != nil {
				return nil, err
			}
			return u, nil
		},
		dial: client.DialContext,
		dialer: func(d net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
			ours := handfast.Dialer{Host: client, LocalAddr: d.LocalAddr, Timeout: d.Timeout, Deadline: d.Deadline,
				Control: d.Control, KeepAliveConfig: d.KeepAliveConfig}
			return ours.DialContext
		},
		local:   serverIP,
		foreign: "192.0.2.1",
	}
}

// note writes down what a call returned.
func (w *world) note(call string, err error) {
	w.notes = append(w.notes, call+": "+identity(err))
}

// identity is what of an error a program can depend on.
func identity(err error) string {
	if err == nil || err == io.EOF {
		return fmt.Sprint(err)
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		return fmt.Sprintf("%T %v", err, err)
	}
	var is []string
	for _, target := range []error{
		net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled, context.DeadlineExceeded, io.ErrShortWrite,
		syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.ETIMEDOUT, syscall.EPIPE, syscall.EADDRINUSE,
		syscall.EADDRNOTAVAIL, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENOTCONN,
		syscall.EINVAL, syscall.EMSGSIZE, syscall.EDESTADDRREQ, syscall.EISCONN, net.ErrWriteToConnected,
	} {
		if errors.Is(err, target) {
			is = append(is, target.Error())
		}
	}
	call := ""
	if s := new(os.SyscallError); errors.As(err, &s) {
		call = s.Syscall
	}
	return fmt.Sprintf("%s %s source=%t addr=%t timeout=%t call=%q %q", op.Op, op.Net,
		op.Source != nil, op.Addr != nil, op.Timeout(), call, is)
}

// pair returns both ends of a connection.
func (w *world) pair(t *testing.T) (client, server tcpConn) {
	l, err := w.listen("tcp", w.local+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := w.dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c.(tcpConn), s.(tcpConn)
}

func (w *world) read(c tcpConn, n int) {
	p := make([]byte, n)
	n, err := c.Read(p)
	w.note(fmt.Sprintf("Read %q", p[:n]), err)
}

func (w *world) write(c tcpConn, s string) {
	n, err := io.WriteString(c, s)
	w.note(fmt.Sprintf("Write %d", n), err)
}

var scenarios = map[string]func(t *testing.T, w *world){
	"end of stream": func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.write(s, "x")
		w.note("Close", s.Close())
		for range 3 {
			w.read(c, 10)
		}
		w.note("CloseWrite", c.CloseWrite())
		w.write(c, "x")
	},
	"after Close": func(t *testing.T, w *world) {
		c, _ := w.pair(t)
		w.note("Close", c.Close())
		w.note("Close again", c.Close())
		w.read(c, 1)
		w.read(c, 0)
		w.write(c, "x")
		w.write(c, "")
		w.note("CloseRead", c.CloseRead())
		w.note("CloseWrite", c.CloseWrite())
		w.note("SetDeadline", c.SetDeadline(time.Now()))
		w.note("SetReadDeadline", c.SetReadDeadline(time.Now()))
		w.note("SetWriteDeadline", c.SetWriteDeadline(time.Time{}))
		w.note("SetLinger", c.SetLinger(0))
		w.note("SetNoDelay", c.SetNoDelay(false))
		w.note("SetKeepAlive", c.SetKeepAlive(false))
		w.note("SetKeepAlivePeriod", c.SetKeepAlivePeriod(1))
		w.note("SetKeepAliveConfig", c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}))
		w.note("SetReadBuffer", c.SetReadBuffer(1))
		w.note("SetWriteBuffer", c.SetWriteBuffer(1))
		_, err := c.ReadFrom(strings.NewReader("x"))
		w.note("ReadFrom", err)
		_, err = c.WriteTo(io.Discard)
		w.note("WriteTo", err)
	},
	"past deadline": func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.write(s, "x")
		w.note("SetDeadline", c.SetDeadline(time.Unix(1, 0)))
		w.read(c, 1)
		w.read(c, 0)
		w.write(c, "x")
		w.write(c, "")
		_, err := c.WriteTo(io.Discard)
		w.note("WriteTo", err)
		w.note("SetDeadline", c.SetDeadline(time.Time{}))
		w.read(c, 1)
		w.write(c, "x")
	},
	"reset, then read": func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.note("SetLinger", s.SetLinger(0))
		w.note("Close", s.Close())
		w.read(c, 1)
		w.write(c, "x")
		w.note("CloseWrite", c.CloseWrite())
		w.note("CloseRead", c.CloseRead())
		w.note("SetNoDelay", c.SetNoDelay(false))
		w.note("Close", c.Close())
	},
	"reset during a write": func(t *testing.T, w *world) {
		c, s := w.pair(t)
		go func() {
			io.ReadFull(s, make([]byte, 1<<20))
			s.SetLinger(0)
			s.Close()
		}()
		_, err := c.Write(make([]byte, 64<<20))
		w.note("Write", err)
		w.write(c, "x")
		w.write(c, "")
	},
	"closed with data unread": func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.write(c, "unread")
		io.ReadFull(s, make([]byte, 1))
		w.note("Close", s.Close())
		w.read(c, 1)
		w.write(c, "x")
	},
	"half-closed": func(t *testing.T, w *world) {
		c, s := w.pair(t)
		w.note("CloseWrite", c.CloseWrite())
		w.write(c, "x")
		w.read(s, 1)
		w.write(s, "y")
		w.read(c, 1)
		w.note("CloseRead", c.CloseRead())
		w.read(c, 1)
	},
	"closed while blocked": func(t *testing.T, w *world) {
		c, _ := w.pair(t)
		read, write := make(chan error), make(chan error)
		go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
		go func() { _, err := c.Write(make([]byte, 64<<20)); write <- err }()
		w.note("Close", c.Close())
		w.note("Read", <-read)
		w.note("Write", <-write)
	},
	"refused": func(t *testing.T, w *world) {
		l, err := w.listen("tcp", w.local+":0")
		w.note("Listen", err)
		w.note("Close", l.Close())
		_, err = w.dial(t.Context(), "tcp", l.Addr().String())
		w.note("Dial", err)
	},
	"cancelled dial": func(t *testing.T, w *world) {
		l, err := w.listen("tcp", w.local+":0")
		w.note("Listen", err)
		defer l.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = w.dial(ctx, "tcp", l.Addr().String())
		w.note("cancelled", err)
		ctx, cancel = context.WithDeadline(t.Context(), time.Unix(1, 0))
		defer cancel()
		_, err = w.dial(ctx, "tcp", l.Addr().String())
		w.note("expired", err)
	},
	"listen": func(t *testing.T, w *world) {
		l, err := w.listen("tcp", w.local+":0")
		w.note("Listen", err)
		_, err = w.listen("tcp", l.Addr().String())
		w.note("Listen again", err)
		_, err = w.listen("tcp", w.foreign+":80")
		w.note("Listen elsewhere", err)
		_, err = w.listen("tcp5", w.local+":80")
		w.note("Listen on an unknown network", err)
		_, err = w.listen("tcp6", w.local+":80")
		w.note("Listen on the other family", err)
		_, err = w.listen("tcp", w.local)
		w.note("Listen without a port", err)
		deadline := l.(interface{ SetDeadline(time.Time) error })
		w.note("SetDeadline", deadline.SetDeadline(time.Unix(1, 0)))
		_, err = l.Accept()
		w.note("Accept", err)
		w.note("SetDeadline", deadline.SetDeadline(time.Time{}))
		blocked := make(chan error)
		go func() { _, err := l.Accept(); blocked <- err }()
		w.note("Close", l.Close())
		w.note("blocked Accept", <-blocked)
		_, err = l.Accept()
		w.note("Accept after Close", err)
		w.note("SetDeadline after Close", deadline.SetDeadline(time.Time{}))
		w.note("Close again", l.Close())
	},
	"every address, in other words": func(t *testing.T, w *world) {
		for _, network := range []string{"tcp", "tcp4", "tcp6"} {
			for _, address := range []string{":0", "0.0.0.0:0", "[::]:0", "[::ffff:0.0.0.0]:0"} {
				l, err := w.listen(network, address)
				w.note("Listen "+network+" "+address, err)
				if err == nil {
					w.note("is "+l.Addr().(*net.TCPAddr).IP.String(), l.Close())
				}
				u, err := w.packet("udp"+network[3:], address)
				w.note("ListenPacket", err)
				if err == nil {
					w.note("is "+u.LocalAddr().(*net.UDPAddr).IP.String(), u.Close())
				}
			}
		}
		l, err := w.listen("tcp4", "[::]:0")
		w.note("Listen", err)
		if err != nil {
			return
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		c, err := w.dial(t.Context(), "tcp4", w.local+":"+port)
		w.note("Dial", err)
		if err == nil {
			c.Close()
		}
		w.note("Close", l.Close())
	},
	"bad dials": func(t *testing.T, w *world) {
		for _, d := range [][2]string{
			{"tcp", ""}, {"tcp", "10.0.0.9"}, {"tcp6", w.local + ":80"}, {"tcp4", "[fd00::9]:80"},
			{"sctp", w.local + ":80"}, {"tcp", w.local + ":no-such-service"}, {"tcp", w.local + ":65536"},
		} {
			_, err := w.dial(t.Context(), d[0], d[1])
			w.note("Dial "+strings.ReplaceAll(fmt.Sprint(d), w.local, "us"), err)
		}
	},
}

func TestSameErrorsAsTheKernel(t *testing.T) {
	for name, scenario := range scenarios {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			kernel, ours := kernelWorld(), ourWorld(t)
			scenario(t, kernel)
			scenario(t, ours)
			for i, want := range kernel.notes {
				if got := ours.notes[i]; got != want {
					t.Errorf("\nkernel: %s\nours:   %s", want, got)
				}
			}
		})
	}
}

// What the kernel says once, we go on saying: no Read takes a stream that was
// cut for a whole one.
func TestResetStays(t *testing.T) {
	client, server := newConns(t, handfast.Config{}, pipe.Options{})
	server.SetLinger(0)
	server.Close()
	for range 3 {
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Error("Read:", err)
		}
	}
}

func TestNoRoute(t *testing.T) {
	client, _ := newNet(t, handfast.Config{}, pipe.Options{})
	if _, err := client.Dial("tcp", "192.0.2.1:80"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Error("Dial:", err)
	}
	if _, err := client.Dial("udp", "192.0.2.1:80"); !errors.Is(err, syscall.ENETUNREACH) {
		t.Error("Dial udp:", err)
	}
}

func TestNamesNeedAResolver(t *testing.T) {
	client, _ := newNet(t, handfast.Config{}, pipe.Options{})
	_, err := client.Dial("tcp", "example.com:80")
	if err == nil || !strings.Contains(err.Error(), "Config.Resolver") {
		t.Error("Dial:", err)
	}
}
