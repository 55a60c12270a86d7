// Package nameserver is a client of DNS servers that are reached by a dialer.
package nameserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"
)

// Dial opens a connection of udp or tcp to a server.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// servers are asked by dial, the first one first.
type servers struct {
	dial Dial
	all  []netip.AddrPort
}

// Resolver returns one that asks the servers, of which there is one at least. A name
// without a dot at its end is looked for in the domains that the system searches, too.
func Resolver(dial Dial, all []netip.AddrPort) *net.Resolver {
	s := &servers{dial, all}
	// Package net knows the protocol. It takes its servers from the system, and asks
	// one after the other; whichever it means, ours are asked.
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return &question{servers: s, ctx: ctx}, nil
	}}
}

// question is one message for name servers, and the way its answer comes back.
// Package net, which writes it and then reads, takes it for a TCP connection: it then
// leaves to us which server to ask, and how.
type question struct {
	servers *servers
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
	c, err := q.servers.dial(q.ctx, "udp", server.String())
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
	c, err := q.servers.dial(ctx, "tcp", server.String())
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
	response       = 0x80
	noSuchName     = 3 // the code, in the fourth
	maxDNSDatagram = 4 << 10
)

// isAnswer reports whether b, which anybody can have sent, has the question's ID, repeats
// the question, and is no question itself: one that is sent back would end the wait.
func (q *question) isAnswer(b []byte) bool {
	text := q.text[2:]
	end := dnsHeader
	for end < len(text) && text[end] != 0 {
		end += 1 + int(text[end])
	}
	end += 5 // the root, type and class
	return end <= len(text) && end <= len(b) && b[2]&response != 0 && [2]byte(b) == [2]byte(text) && bytes.EqualFold(b[dnsHeader:end], text[dnsHeader:end])
}

// isTrouble reports whether an answer says nothing of the name.
func isTrouble(answer []byte) bool {
	code := answer[3] & 0xf
	return code != 0 && code != noSuchName || isReferral(answer)
}

// isReferral reports whether an answer only says that others are to be asked: it comes from a
// server which does not know the name and asks nobody else, so that it is none for a
// client like us. Package net takes it for an error, and does not come to our next server.
func isReferral(answer []byte) bool {
	const authoritative, recursive = 4, 0x80
	return answer[3]&0xf == 0 && answer[2]&authoritative == 0 && answer[3]&recursive == 0 &&
		answer[6] == 0 && answer[7] == 0 // no records that answer
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
