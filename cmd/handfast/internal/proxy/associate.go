package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// NoUDP is why a proxy carries no UDP: it does not speak of it, or has refused it.
type NoUDP struct{ error }

// Unwrap returns what the proxy has said.
func (e NoUDP) Unwrap() error { return e.error }

// OnlyTCP reports whether the proxy's protocol has nothing for UDP.
func (p *Proxy) OnlyTCP() bool { return p.socks == nil }

// CarriesUDP reports whether it is worth asking the proxy for UDP: until it has said that it
// does not know of that.
func (p *Proxy) CarriesUDP() bool { return !p.OnlyTCP() && !p.noUDP.Load() }

// dialUDP has the proxy relay datagrams to an address and back. The error is a NoUDP when
// it does not want to.
func (p *Proxy) dialUDP(ctx context.Context, address string) (net.Conn, error) {
	if !p.CarriesUDP() {
		return nil, p.noUDPBecause(errUnsupported)
	}
	control, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	// Where the datagrams will come from nobody can say who is behind a NAT.
	// https://www.rfc-editor.org/rfc/rfc1928#section-7
	relay, err := p.socks.ask(ctx, control, commandAssociate, "0.0.0.0:0")
	var c *association
	if err == nil {
		c, err = p.associate(ctx, control, relay, address)
	} else {
		err = p.refused(ctx, err)
	}
	if err != nil {
		control.Close()
		return nil, err
	}
	go c.watch()
	return c, nil
}

// refused is what a refusal to associate means. That the command is not known will not
// change; all else may.
func (p *Proxy) refused(ctx context.Context, err error) error {
	if errors.Is(err, errUnsupported) {
		p.noUDP.Store(true)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return p.noUDPBecause(err) // OpenSSH's proxy, for one, ends without a word
}

func (p *Proxy) noUDPBecause(err error) error {
	// Only the words: an errno in it would be taken for one about the destination.
	return NoUDP{say.Errorf(say.Text{"proxy %s grants no UDP ASSOCIATE: %v", "代理 %s 不提供 UDP ASSOCIATE：%v"}, p.address, err)}
}

// associate opens the way to a relay that was granted.
func (p *Proxy) associate(ctx context.Context, control net.Conn, relay, address string) (*association, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	header, err := appendAddress([]byte{0, 0, 0}, address)
	if err != nil {
		return nil, err
	}
	// Many servers name the address that they listen on: any.
	if r, err := netip.ParseAddrPort(relay); err == nil && r.Addr().IsUnspecified() {
		host, _, err := net.SplitHostPort(control.RemoteAddr().String())
		if err != nil {
			return nil, err
		}
		relay = net.JoinHostPort(host, portOf(relay))
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", relay)
	if err != nil {
		return nil, say.Errorf(say.Text{"proxy %s: its relay: %v", "代理 %s：它的中继：%v"}, p.address, err)
	}
	return &association{Conn: c, control: control, to: netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), header: header}, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// association is a flow of UDP by a relay: a datagram has a header in front that names the
// far end. It lives as long as the connection on which it was asked for.
// https://www.rfc-editor.org/rfc/rfc1928#section-7
type association struct {
	net.Conn // with the relay
	control  net.Conn
	to       netip.AddrPort
	header   []byte // of what is sent
}

// watch ends the association with its connection.
func (a *association) watch() {
	io.Copy(io.Discard, a.control)
	a.Conn.Close()
}

// Close ends the association.
func (a *association) Close() error {
	return errors.Join(a.Conn.Close(), a.control.Close())
}

// Write sends a datagram.
func (a *association) Write(p []byte) (int, error) {
	packet := append(append(make([]byte, 0, len(a.header)+len(p)), a.header...), p...)
	if _, err := a.Conn.Write(packet); err != nil {
		return 0, aboutRelay(err)
	}
	return len(p), nil
}

// Read receives a datagram of the far end's; p has room for its header too. Others are
// dropped, and so are fragments, which no datagram of UDP needs.
func (a *association) Read(p []byte) (int, error) {
	for {
		n, err := a.Conn.Read(p)
		if err != nil {
			return 0, aboutRelay(err)
		}
		if data, ok := a.opened(p[:n]); ok {
			return copy(p, data), nil
		}
	}
}

// opened returns what a datagram of the relay's holds.
func (a *association) opened(p []byte) (data []byte, ok bool) {
	if len(p) < 4 || p[2] != 0 {
		return nil, false
	}
	r := bytes.NewReader(p[3:])
	address, err := readAddress(r)
	if err != nil {
		return nil, false
	}
	from, err := netip.ParseAddrPort(address)
	if err != nil || netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != a.to {
		return nil, false
	}
	return p[len(p)-r.Len():], true
}

// aboutRelay keeps of an error that it is a deadline's or a closed connection's: that the
// relay refuses says nothing of the far end.
func aboutRelay(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return err
	}
	return aboutProxy(err)
}
