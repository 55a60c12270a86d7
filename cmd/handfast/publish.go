package main

import (
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/gateway"
)

// publication is a port outside that leads to one inside.
type publication struct {
	network string         // tcp or udp
	address string         // outside, as package net has it
	inside  netip.AddrPort // without an address where there is one alone: the command's
}

// publications is a flag of them.
type publications struct {
	machines bool // there are several addresses inside: each says which
	all      []publication
}

// Type names the flag's kind in the help.
func (p *publications) Type() string {
	if p.machines {
		return "[address:]port:machine:port"
	}
	return "[address:]port:port[/udp]"
}

func (p *publications) String() string { return "" }

// Set parses 8080:80, 0.0.0.0:8080:80, [::1]:8080:80, 8080:80/udp; for machines
// 8080:192.168.127.2:80, 0.0.0.0:8080:[fd00:127::2]:80.
func (p *publications) Set(text string) error {
	rest, network, hasNetwork := strings.Cut(text, "/")
	if !hasNetwork {
		network = "tcp"
	}
	outside, inside := p.split(rest)
	if !strings.Contains(outside, ":") {
		outside = "127.0.0.1:" + outside // who wants it open to others says so
	}
	host, port, err := net.SplitHostPort(outside)
	if host != "" && err == nil {
		_, err = netip.ParseAddr(host)
	}
	if err != nil || parsePort(port) == 0 || inside.Port() == 0 || network != "tcp" && network != "udp" {
		return p.wrong(text)
	}
	p.all = append(p.all, publication{network, net.JoinHostPort(host, port), inside})
	return nil
}

// split finds where the part inside begins; its port is 0 when there is none.
func (p *publications) split(text string) (outside string, inside netip.AddrPort) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return "", netip.AddrPort{}
	}
	port := parsePort(text[i+1:])
	if !p.machines {
		return text[:i], netip.AddrPortFrom(netip.Addr{}, port)
	}
	j := strings.LastIndexByte(text[:i], ':')
	if strings.HasSuffix(text[:i], "]") {
		j = strings.LastIndexByte(text[:i], '[') - 1
	}
	if j < 0 {
		return "", netip.AddrPort{}
	}
	machine, err := netip.ParseAddr(strings.Trim(text[j+1:i], "[]"))
	if err != nil {
		return "", netip.AddrPort{}
	}
	return text[:j], netip.AddrPortFrom(machine, port)
}

func (p *publications) wrong(text string) error {
	if p.machines {
		return say.Errorf(say.Text{"%q is not a port to publish; write for example 8080:192.168.127.2:80, 0.0.0.0:8080:192.168.127.2:80 for other machines too, or 5353:192.168.127.2:53/udp", "%q 没有发布任何端口；写法例如 8080:192.168.127.2:80，也对其他机器开放则写 0.0.0.0:8080:192.168.127.2:80，或 5353:192.168.127.2:53/udp"}, text)
	}
	return say.Errorf(say.Text{"%q is not a port to publish; write for example 8080:80, 0.0.0.0:8080:80 or 5353:53/udp", "%q 没有发布任何端口；写法例如 8080:80、0.0.0.0:8080:80 或 5353:53/udp"}, text)
}

// parsePort returns 0 for what is none.
func parsePort(text string) uint16 {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// openPorts are the ports outside, open.
type openPorts struct {
	all  []publication
	open []io.Closer // a net.Listener or a *net.UDPConn for each
}

// listen opens the ports, before anybody inside begins.
func (p *publications) listen() (*openPorts, error) {
	o := &openPorts{all: p.all}
	for _, x := range p.all {
		c, err := x.listen()
		if err != nil {
			o.close()
			return nil, say.Errorf(say.All("--publish: %w"), err)
		}
		o.open = append(o.open, c)
	}
	return o, nil
}

func (x *publication) listen() (io.Closer, error) {
	if x.network == "tcp" {
		return net.Listen("tcp", x.address)
	}
	a, err := net.ResolveUDPAddr("udp", x.address)
	if err != nil {
		return nil, err
	}
	return net.ListenUDP("udp", a)
}

// through has a gateway carry what comes: to the one address inside that there is, where
// a port names none.
func (o *openPorts) through(g *gateway.Gateway, only netip.Addr) {
	for i, c := range o.open {
		to := o.all[i].inside
		if !to.Addr().IsValid() {
			to = netip.AddrPortFrom(only, to.Port())
		}
		switch c := c.(type) {
		case net.Listener:
			g.Publish(c, to)
		case *net.UDPConn:
			g.PublishPacket(c, to)
		}
	}
}

func (o *openPorts) close() {
	for _, c := range o.open {
		c.Close()
	}
}
