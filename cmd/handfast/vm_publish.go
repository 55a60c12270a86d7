package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
)

// published is a port here that leads to a machine.
type published struct{ here, machine netip.AddrPort }

// parsePublished reads 8080:192.168.127.2:80 and 0.0.0.0:8080:[fd00:127::2]:80. Without
// an address a port is open for this machine only.
func parsePublished(text string) (p published, err error) {
	for i, c := range text {
		if c != ':' {
			continue
		}
		here, machine := text[:i], text[i+1:]
		if p.machine, err = netip.ParseAddrPort(machine); err != nil {
			continue
		}
		if port, err := strconv.ParseUint(here, 10, 16); err == nil {
			p.here = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
		} else if p.here, err = netip.ParseAddrPort(here); err != nil {
			continue
		}
		if p.machine.Port() != 0 {
			return p, nil
		}
	}
	return p, usagef("--publish %s: write for example 8080:192.168.127.2:80, or 0.0.0.0:8080:192.168.127.2:80 for other machines too", text)
}

// publish opens a port.
func (m *machines) publish(p published) error {
	l, err := net.Listen("tcp", p.here.String())
	if err != nil {
		return fmt.Errorf("--publish: %w", err)
	}
	m.close = append(m.close, l.Close)
	m.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			m.running.Go(func() { m.lead(c.(*net.TCPConn), p.machine) })
		}
	})
	return nil
}

// lead carries a connection to a machine. What cannot be reached is a reset.
func (m *machines) lead(c *net.TCPConn, machine netip.AddrPort) {
	defer c.Close()
	there, err := m.network.host.Dial("tcp", machine.String())
	if err != nil {
		c.SetLinger(0)
		m.say("--publish: %v", err)
		return
	}
	defer there.Close()
	var back sync.WaitGroup
	back.Go(func() { pour(c, there) })
	pour(there, c)
	back.Wait()
}

// pour copies one direction to its end. An error ends the other one too.
func pour(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if h, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		h.CloseWrite()
		return
	}
	for _, c := range []net.Conn{to, from} {
		if l, ok := c.(interface{ SetLinger(int) error }); ok {
			l.SetLinger(0)
		}
		c.Close()
	}
}
