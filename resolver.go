package handfast

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// dnsPort is where a name server listens when its address has port 0.
const dnsPort = 53

// Resolver returns who looks up the names that are dialled: Config.Resolver, or a
// client of Config.NameServers, which also answers for other kinds of records. It is
// nil when there is neither.
func (h *Host) Resolver() *net.Resolver { return h.cfg.Resolver }

// nameServers are those of Config.NameServers, asked over the host.
type nameServers struct {
	host *Host
	all  []netip.AddrPort
}

// setResolver makes Config.Resolver of Config.NameServers.
func (h *Host) setResolver() error {
	if len(h.cfg.NameServers) == 0 {
		return nil
	}
	if h.cfg.Resolver != nil {
		return errors.New("handfast: Config.NameServers and Config.Resolver both say who looks up names; set one")
	}
	n := &nameServers{host: h}
	for _, a := range h.cfg.NameServers {
		if !a.Addr().IsValid() || a.Addr().IsUnspecified() {
			return fmt.Errorf("handfast: Config.NameServers: %v is not an address of a server", a)
		}
		if a.Port() == 0 {
			a = netip.AddrPortFrom(a.Addr(), dnsPort)
		}
		n.all = append(n.all, a)
	}
	// Package net knows the protocol. It takes its servers from the system, and asks
	// one after the other; whichever it means, ours are asked.
	h.cfg.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return &question{servers: n, ctx: ctx}, nil
	}}
	return nil
}

// rooted returns a name as it is asked for: our own client must not go on to the
// domains that the system searches.
func (h *Host) rooted(r *net.Resolver, name string) string {
	if len(h.cfg.NameServers) > 0 && r == h.cfg.Resolver && name[len(name)-1] != '.' {
		return name + "."
	}
	return name
}

// question is one message for name servers, and the way its answer comes back.
// Package net, which writes it and then reads, takes it for a TCP connection: it then
// leaves to us which server to ask, and how.
type question struct {
	servers *nameServers
	ctx     context.Context
	end     time.Time // when package net gives up
	text    []byte    // two bytes of length first
	answer  []byte    // what of it was not read, its length first
}

func (q *question) Write(text []byte) (int, error) {
	q.text = text
	return len(text), nil
}

func (q *question) Read(p []byte) (n int, err error) {
	if q.text != nil {
		var answer []byte
		if answer, err = q.ask(); err != nil {
			return 0, err
		}
		q.text, q.answer = nil, append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
	}
	if len(q.answer) == 0 {
		return 0, io.EOF
	}
	n = copy(p, q.answer)
	q.answer = q.answer[n:]
	return n, nil
}

// ask asks one server after the other. Who is silent, cannot be reached or has troubles
// of its own leaves the question to the next; what the last one says counts.
func (q *question) ask() (answer []byte, err error) {
	for i, server := range q.servers.all {
		left := len(q.servers.all) - i
		answer, err = q.askUDP(server, left)
		if err == nil && answer[2]&truncated != 0 {
			answer, err = q.askTCP(server, left)
		}
		if err == nil && !isTrouble(answer) {
			break
		}
	}
	return answer, err
}

// share returns when one of left servers has had its part of the time: one that is silent
// must not use up what the next would need.
func (q *question) share(left int) time.Time {
	return time.Now().Add(time.Until(q.end) / time.Duration(left))
}

// askUDP asks over UDP first: most answers fit into a datagram, and cost one round trip
// instead of three.
func (q *question) askUDP(server netip.AddrPort, left int) ([]byte, error) {
	c, err := q.servers.host.DialContext(q.ctx, "udp", server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(q.share(left))
	if _, err := c.Write(q.text[2:]); err != nil {
		return nil, err
	}
	b := make([]byte, maxDNSDatagram)
	// What is no answer to this question is passed over, and not an error: else anybody who
	// guesses our port could end each question with a wrong answer.
	for {
		n, err := c.Read(b)
		if err != nil {
			return nil, err
		}
		if q.isAnswer(b[:n]) {
			return b[:n], nil
		}
	}
}

// askTCP asks for what was too long for a datagram (RFC 7766).
// https://www.rfc-editor.org/rfc/rfc7766#section-5
func (q *question) askTCP(server netip.AddrPort, left int) ([]byte, error) {
	end := q.share(left)
	ctx, cancel := context.WithDeadline(q.ctx, end)
	defer cancel()
	c, err := q.servers.host.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(end)
	if _, err := c.Write(q.text); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, err
	}
	if !q.isAnswer(b) {
		return nil, errNoAnswer
	}
	return b, nil
}

var errNoAnswer = errors.New("a name server has answered another question")

// The message's header, and bits and codes in it:
// https://www.rfc-editor.org/rfc/rfc1035#section-4.1.1
const (
	dnsHeader      = 12
	truncated      = 2 // in the third byte
	noSuchName     = 3 // the code, in the fourth
	maxDNSDatagram = 4 << 10
)

// isAnswer reports whether b, which anybody can have sent, has the question's ID and
// repeats the question.
func (q *question) isAnswer(b []byte) bool {
	text := q.text[2:]
	end := dnsHeader
	for end < len(text) && text[end] != 0 {
		end += 1 + int(text[end])
	}
	end += 5 // the root, type and class
	return end <= len(text) && end <= len(b) && [2]byte(b) == [2]byte(text) && bytes.EqualFold(b[dnsHeader:end], text[dnsHeader:end])
}

// isTrouble reports whether an answer says nothing of the name.
func isTrouble(answer []byte) bool {
	code := answer[3] & 0xf
	return code != 0 && code != noSuchName
}

func (q *question) Close() error { return nil }

// SetDeadline is called before Write.
func (q *question) SetDeadline(t time.Time) error {
	q.end = t
	return nil
}

func (q *question) SetReadDeadline(t time.Time) error  { return q.SetDeadline(t) }
func (q *question) SetWriteDeadline(t time.Time) error { return q.SetDeadline(t) }

func (q *question) LocalAddr() net.Addr  { return new(net.TCPAddr) }
func (q *question) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(q.servers.all[0]) }
