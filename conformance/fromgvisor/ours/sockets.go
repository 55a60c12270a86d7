package ours

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast"
)

// Dial opens a connection.
func Dial(ctx context.Context, h *handfast.Host, to netip.AddrPort) (net.Conn, error) {
	return h.DialContext(ctx, "tcp", to.String())
}

// DialFrom opens one from a given address.
func DialFrom(ctx context.Context, h *handfast.Host, from, to netip.AddrPort) (net.Conn, error) {
	d := handfast.Dialer{Host: h, LocalAddr: net.TCPAddrFromAddrPort(from)}
	return d.DialContext(ctx, "tcp", to.String())
}

// Listen opens a listener, whose backlog is 4096.
func Listen(h *handfast.Host, at netip.AddrPort) (net.Listener, error) {
	return h.Listen("tcp", at.String())
}

// ListenUDP opens a socket for datagrams.
func ListenUDP(h *handfast.Host, at netip.AddrPort) (net.PacketConn, error) {
	return h.ListenPacket("udp", at.String())
}

// DialTuned opens a connection with options, as with a *net.TCPConn.
func DialTuned(h *handfast.Host, to netip.AddrPort) (net.Conn, error) {
	d := handfast.Dialer{Host: h, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	conn, err := d.Dial("tcp", to.String())
	if err != nil {
		return nil, err
	}
	c := conn.(*handfast.TCPConn)
	c.SetCongestionControl("cubic")
	c.SetWriteBuffer(1 << 20)
	c.SetNoDelay(true)
	c.SetLinger(0)
	return c, nil
}
