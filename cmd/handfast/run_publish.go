package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/gateway"
)

// publication is a port outside that leads to one inside.
type publication struct {
	network string // tcp or udp
	address string // outside, as package net has it
	port    uint16 // inside
}

// publications is a flag of them.
type publications []publication

// Type names the flag's kind in the help.
func (*publications) Type() string { return "[address:]port:port[/udp]" }

func (p *publications) String() string { return "" }

// Set parses 8080:80, 0.0.0.0:8080:80, [::1]:8080:80, 8080:80/udp.
func (p *publications) Set(text string) error {
	wrong := fmt.Errorf("%q publishes nothing; write for example 8080:80, 0.0.0.0:8080:80 or 5353:53/udp", text)
	rest, network, hasNetwork := strings.Cut(text, "/")
	if !hasNetwork {
		network = "tcp"
	}
	i := strings.LastIndexByte(rest, ':')
	if i < 0 || network != "tcp" && network != "udp" {
		return wrong
	}
	outside := rest[:i]
	if !strings.Contains(outside, ":") {
		outside = "127.0.0.1:" + outside // who wants it open to others says so
	}
	host, port, err := net.SplitHostPort(outside)
	inside := parsePort(rest[i+1:])
	if err != nil || parsePort(port) == 0 || inside == 0 {
		return wrong
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil {
		return wrong
	}
	*p = append(*p, publication{network, net.JoinHostPort(host, port), inside})
	return nil
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

// listen opens the ports, before the command begins.
func (p publications) listen() (*openPorts, error) {
	o := &openPorts{all: p}
	for _, x := range p {
		c, err := x.listen()
		if err != nil {
			o.close()
			return nil, fmt.Errorf("--publish: %w", err)
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

// through has a gateway carry what comes to an address inside.
func (o *openPorts) through(g *gateway.Gateway, inside netip.Addr) {
	for i, c := range o.open {
		to := netip.AddrPortFrom(inside, o.all[i].port)
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
