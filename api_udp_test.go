//go:build linux

package handfast_test

import (
	"fmt"
	"iter"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// receive makes a call of ReadMsgUDP with room for size bytes.
func receive(u udpConn, size int) func() (any, error) {
	return func() (any, error) {
		p := make([]byte, size)
		n, oobn, flags, from, err := u.ReadMsgUDP(p, make([]byte, 100))
		return fmt.Sprintf("%q oob %d flags %#x from %t", p[:n], oobn, flags, from != nil), err
	}
}

// sockets returns one that is not connected, and one that is, to it.
func (w *world) sockets(t *testing.T) (open, connected udpConn) {
	open, err := w.packet("udp", w.local+":0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := w.dial(t.Context(), "udp", open.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		open.Close()
	})
	return open, c.(udpConn)
}

// inOrder yields both sockets with what to call them.
func inOrder(open, connected udpConn) iter.Seq2[string, udpConn] {
	return func(yield func(string, udpConn) bool) {
		_ = yield("", open) && yield(", connected", connected)
	}
}

var udpScripts = []script{
	{name: "datagrams", run: func(t *testing.T, w *world) {
		u, c := w.sockets(t)
		w.do("Write", write(c, "abc"))
		w.do("ReadFrom", func() (any, error) {
			p := make([]byte, 9)
			n, from, err := u.ReadFrom(p)
			return fmt.Sprintf("%q %t", p[:n], from.String() == c.LocalAddr().String()), err
		})
		to := c.LocalAddr().(*net.UDPAddr)
		w.do("WriteTo", func() (any, error) { return u.WriteTo([]byte("long one"), to) })
		w.do("a datagram that is cut", receive(c, 4))
		w.do("WriteToUDP nothing", func() (any, error) { return u.WriteToUDP(nil, to) })
		w.do("an empty datagram", receive(c, 4))
		w.do("WriteToUDPAddrPort", func() (any, error) { return u.WriteToUDPAddrPort([]byte("xy"), to.AddrPort()) })
		w.do("Read nil", read(c, -1))
		w.do("WriteMsgUDP", func() (any, error) { n, _, err := u.WriteMsgUDP([]byte("xy"), nil, to); return n, err })
		w.do("Read exactly", receive(c, 2))
		w.do("WriteMsgUDP, connected, without address", func() (any, error) { n, _, err := c.WriteMsgUDP([]byte("z"), nil, nil); return n, err })
		w.do("ReadFromUDPAddrPort", func() (any, error) {
			n, from, err := u.ReadFromUDPAddrPort(make([]byte, 9))
			return fmt.Sprint(n, from.Port() == uint16(to.Port), from.Addr().Is4()), err
		})
		w.do("Write nil", func() (any, error) { return c.Write(nil) })
		w.do("its arrival", receive(u, 0))
	}},
	{name: "wrong destinations", run: func(t *testing.T, w *world) {
		u, c := w.sockets(t)
		to := u.LocalAddr().(*net.UDPAddr)
		w.do("Write, not connected", write(u, "x"))
		w.do("WriteTo, connected", func() (any, error) { return c.WriteTo([]byte("x"), to) })
		w.do("WriteToUDP, connected", func() (any, error) { return c.WriteToUDP([]byte("x"), to) })
		w.do("WriteToUDPAddrPort, connected", func() (any, error) { return c.WriteToUDPAddrPort([]byte("x"), to.AddrPort()) })
		w.do("WriteMsgUDP, connected", func() (any, error) { n, _, err := c.WriteMsgUDP([]byte("x"), nil, to); return n, err })
		w.do("WriteTo a TCP address", func() (any, error) { return u.WriteTo([]byte("x"), &net.TCPAddr{IP: to.IP, Port: to.Port}) })
		w.do("WriteTo nil", func() (any, error) { return u.WriteTo([]byte("x"), nil) })
		w.do("WriteToUDP nil", func() (any, error) { return u.WriteToUDP([]byte("x"), nil) })
		w.do("WriteMsgUDP nil", func() (any, error) { n, _, err := u.WriteMsgUDP([]byte("x"), nil, nil); return n, err })
		w.do("WriteToUDPAddrPort zero", func() (any, error) { return u.WriteToUDPAddrPort([]byte("x"), netip.AddrPort{}) })
		w.do("WriteToUDP port 0", func() (any, error) { return u.WriteToUDP([]byte("x"), &net.UDPAddr{IP: to.IP}) })
		w.do("RemoteAddr, not connected", func() (any, error) { return u.RemoteAddr() == nil, nil })
		w.do("RemoteAddr, connected", func() (any, error) { return c.RemoteAddr().String() == u.LocalAddr().String(), nil })
		w.do("WriteTo the other family", func() (any, error) {
			return u.WriteToUDP([]byte("x"), &net.UDPAddr{IP: net.ParseIP("fd00::9"), Port: 9})
		})
		four, err := w.packet("udp4", w.local+":0")
		w.do("ListenPacket udp4", errorOf(func() error { return err }))
		defer four.Close()
		w.do("WriteTo IPv6 on udp4", func() (any, error) {
			return four.WriteToUDP([]byte("x"), &net.UDPAddr{IP: net.ParseIP("fd00::9"), Port: 9})
		})
		w.do("WriteToUDPAddrPort IPv6 on udp4", func() (any, error) {
			return four.WriteToUDPAddrPort([]byte("x"), netip.MustParseAddrPort("[fd00::9]:9"))
		})
		w.do("WriteToUDPAddrPort IPv4 in IPv6 on udp4", func() (any, error) {
			at := netip.AddrPortFrom(netip.AddrFrom16(to.AddrPort().Addr().Unmap().As16()), uint16(to.Port))
			return four.WriteToUDPAddrPort([]byte("x"), at)
		})
	}, differ: map[string]difference{
		"WriteToUDPAddrPort zero": {"missing address", "missing address", "an address that there is not is not in the error"},
	}},
	{name: "sizes", run: func(t *testing.T, w *world) {
		u, c := w.sockets(t)
		for _, size := range []int{65507, 65508, 65536, 1 << 20} {
			w.do(fmt.Sprint("Write ", size), write(c, strings.Repeat("x", size)))
		}
		w.do("the longest", func() (any, error) { n, _, err := u.ReadFrom(make([]byte, 1<<16)); return n, err })
		for _, n := range []int{-1, 0, 1, 1 << 20} {
			w.do(fmt.Sprint("SetReadBuffer ", n), errorOf(func() error { return u.SetReadBuffer(n) }))
			w.do(fmt.Sprint("SetWriteBuffer ", n), errorOf(func() error { return u.SetWriteBuffer(n) }))
		}
	}},
	{name: "nobody listens", run: func(t *testing.T, w *world) {
		u, c := w.sockets(t)
		w.do("Close of the other", errorOf(u.Close))
		w.do("Write", write(c, "x"))
		w.do("Read, refused", read(c, 1))
		w.waits("Read again", read(c, 1), func() { c.SetReadDeadline(time.Unix(1, 0)) })
		c.SetReadDeadline(time.Time{})
		w.do("another Write", write(c, "x"))
		w.do("Write, refused", func() (any, error) { return nil, untilFails(c) })
		w.do("Close", errorOf(c.Close))
	}},
	{name: "deadlines of datagrams", run: func(t *testing.T, w *world) {
		u, c := w.sockets(t)
		past := time.Unix(1, 0)
		w.waits("Read, deadline moved", read(c, 1), func() { c.SetReadDeadline(past) })
		w.do("Read, deadline past", read(c, 1))
		w.do("Write, read deadline past", write(c, "x"))
		w.do("both past", errorOf(func() error { return c.SetDeadline(past) }))
		w.do("Write, deadline past", write(c, "x"))
		w.do("Write nothing, deadline past", write(c, ""))
		w.do("none", errorOf(func() error { return c.SetDeadline(time.Time{}) }))
		w.waits("Read, datagram", read(c, 1), func() { u.WriteTo([]byte("x"), c.LocalAddr()) })
		w.waits("ReadFrom, Close", func() (any, error) { _, from, err := c.ReadFrom(make([]byte, 1)); return from, err }, func() { c.Close() })
	}},
	{name: "datagrams after Close", run: func(t *testing.T, w *world) {
		u, c := w.sockets(t)
		to := u.LocalAddr().(*net.UDPAddr)
		for name, s := range inOrder(u, c) {
			local := s.LocalAddr().String()
			w.do("Close"+name, errorOf(s.Close))
			w.do("Close again"+name, errorOf(s.Close))
			w.do("LocalAddr"+name, func() (any, error) { return s.LocalAddr().String() == local, nil })
			w.do("Read"+name, read(s, 1))
			w.do("Read nil"+name, read(s, -1))
			w.do("ReadFrom"+name, func() (any, error) { _, from, err := s.ReadFrom(nil); return from, err })
			w.do("ReadFromUDP"+name, func() (any, error) { _, from, err := s.ReadFromUDP(nil); return from, err })
			w.do("ReadFromUDPAddrPort"+name, func() (any, error) { _, from, err := s.ReadFromUDPAddrPort(nil); return from, err })
			w.do("ReadMsgUDP"+name, receive(s, 1))
			w.do("ReadMsgUDPAddrPort"+name, func() (any, error) { _, _, _, from, err := s.ReadMsgUDPAddrPort(nil, nil); return from, err })
			w.do("Write"+name, write(s, "x"))
			w.do("WriteTo"+name, func() (any, error) { return s.WriteTo(nil, to) })
			w.do("WriteToUDPAddrPort"+name, func() (any, error) { return s.WriteToUDPAddrPort(nil, to.AddrPort()) })
			w.do("WriteMsgUDP"+name, func() (any, error) { n, _, err := s.WriteMsgUDP(nil, nil, to); return n, err })
			w.do("SetDeadline"+name, errorOf(func() error { return s.SetDeadline(time.Time{}) }))
			w.do("SetReadDeadline"+name, errorOf(func() error { return s.SetReadDeadline(time.Time{}) }))
			w.do("SetWriteDeadline"+name, errorOf(func() error { return s.SetWriteDeadline(time.Time{}) }))
			w.do("SetReadBuffer"+name, errorOf(func() error { return s.SetReadBuffer(1) }))
			w.do("SetWriteBuffer"+name, errorOf(func() error { return s.SetWriteBuffer(1) }))
		}
	}, differ: map[string]difference{
		"ReadMsgUDP":                    {"from true", "from false", "no datagram has no address"},
		"ReadMsgUDPAddrPort":            {"0.0.0.0:0", "invalid AddrPort", "no datagram has no address"},
		"ReadMsgUDP, connected":         {"from true", "from false", "no datagram has no address"},
		"ReadMsgUDPAddrPort, connected": {"0.0.0.0:0", "invalid AddrPort", "no datagram has no address"},
	}},
	{name: "sockets that cannot be", run: func(t *testing.T, w *world) {
		u, _ := w.sockets(t)
		w.do("a port in use", func() (any, error) { _, err := w.packet("udp", u.LocalAddr().String()); return nil, err })
		w.do("a foreign address", func() (any, error) { _, err := w.packet("udp", w.foreign+":0"); return nil, err })
		w.do("Dial from a foreign address", func() (any, error) {
			return w.dialer(net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(w.foreign)}})(t.Context(), "udp", u.LocalAddr().String())
		})
		w.do("Dial from a TCP address", func() (any, error) {
			return w.dialer(net.Dialer{LocalAddr: &net.TCPAddr{}})(t.Context(), "udp", u.LocalAddr().String())
		})
		w.do("Dial with the other family", func() (any, error) { return w.dial(t.Context(), "udp6", u.LocalAddr().String()) })
		w.do("Dial without port", func() (any, error) { return w.dial(t.Context(), "udp", w.local) })
		w.do("a type that it is", func() (any, error) {
			_, ok := u.(net.PacketConn)
			return ok, nil
		})
	}},
}
