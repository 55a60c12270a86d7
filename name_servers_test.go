package handfast_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// nameServer answers questions on a host's port 53, both over UDP and over TCP.
type nameServer struct {
	udp, tcp atomic.Int32                          // how many were asked
	answer   func(network string, q []byte) []byte // nil: none
}

// newNameServer runs one at an address, until the host is closed.
func newNameServer(t *testing.T, h *handfast.Host, address string, answer func(network string, q []byte) []byte) *nameServer {
	s := &nameServer{answer: answer}
	u, err := h.ListenPacket("udp", net.JoinHostPort(address, "53"))
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, h, net.JoinHostPort(address, "53"))
	go func() {
		for p := make([]byte, 1500); ; {
			n, from, err := u.ReadFrom(p)
			if err != nil {
				return
			}
			s.udp.Add(1)
			if a := s.answer("udp", p[:n]); a != nil {
				u.WriteTo(a, from)
			}
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.tcp.Add(1)
			answerStream(c, s.answer)
			c.Close()
		}
	}()
	return s
}

// answerStream answers one question, with lengths before it and the answer.
func answerStream(c net.Conn, answer func(network string, q []byte) []byte) {
	var size [2]byte
	io.ReadFull(c, size[:])
	q := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, q); err == nil {
		a := answer("tcp", q)
		c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
	}
}

// The kinds of server.
func knows(addresses ...string) func(string, []byte) []byte {
	return func(_ string, q []byte) []byte { return answerName(q, addresses) }
}

// withCode answers without an address: 2 is a failure, 3 no such name, 5 refused.
func withCode(code byte) func(string, []byte) []byte {
	return func(_ string, q []byte) []byte {
		a := answerName(q, nil)
		a[3] |= code
		return a
	}
}

// refers sends who asks to others, as a server does that is for some domain alone.
func refers(_ string, q []byte) []byte {
	a := answerName(q, nil)
	a[2] &^= 4
	a[3] &^= 0x80
	return a
}

func short(_ string, q []byte) []byte { return q[:3] }

func silent(string, []byte) []byte { return nil }

// cut gives its answer over TCP only.
func cut(addresses ...string) func(string, []byte) []byte {
	return func(network string, q []byte) []byte {
		if network == "tcp" {
			return answerName(q, addresses)
		}
		a := answerName(q, nil)
		a[2] |= 2 // truncated
		return a
	}
}

// forged answers with another ID, or another question: that is nobody's answer.
func forged(at int, addresses ...string) func(string, []byte) []byte {
	return func(_ string, q []byte) []byte {
		a := answerName(q, addresses)
		a[at]++
		return a
	}
}

// Config.NameServers are asked in turn, over the host.
func TestNameServers(t *testing.T) {
	if _, err := names("fd00::9").LookupHost(t.Context(), "service.example"); err != nil {
		t.Fatal(err) // what package net keeps of its first look-up must not belong to a bubble
	}
	const v4, v6 = "10.0.0.7", "fd00::7"
	type answers = func(string, []byte) []byte
	for name, c := range map[string]struct {
		servers  []answers // at 10.0.0.2, 10.0.0.3, fd00::2
		want     string
		err      string
		tcp      bool
		within   time.Duration
		notFound bool
	}{
		"both families":             {servers: []answers{knows(v4, v6)}, want: v4 + " " + v6},
		"A alone":                   {servers: []answers{knows(v4)}, want: v4},
		"AAAA alone":                {servers: []answers{knows(v6)}, want: v6},
		"no such name":              {servers: []answers{withCode(3), knows(v4)}, err: "no such host", notFound: true},
		"a server that fails":       {servers: []answers{withCode(2), knows(v4)}, want: v4},
		"one that refuses":          {servers: []answers{withCode(5), withCode(2), knows(v6)}, want: v6},
		"one that refers":           {servers: []answers{refers, knows(v4)}, want: v4},
		"all refer":                 {servers: []answers{refers, refers}, err: "lame referral"},
		"one that is silent":        {servers: []answers{silent, knows(v4)}, want: v4, within: 3 * time.Second},
		"all but the last":          {servers: []answers{silent, withCode(5), knows(v4)}, want: v4, within: 3 * time.Second},
		"all fail":                  {servers: []answers{withCode(2), withCode(5)}, err: "server misbehaving"},
		"all are silent":            {servers: []answers{silent, silent}, err: "i/o timeout", within: 40 * time.Second},
		"an answer that was cut":    {servers: []answers{cut(v4, v6)}, want: v4 + " " + v6, tcp: true},
		"a cut one after a failure": {servers: []answers{withCode(2), cut(v4)}, want: v4, tcp: true},
		"one with another ID":       {servers: []answers{forged(1, v6), knows(v4)}, want: v4, within: 3 * time.Second},
		"one to another question":   {servers: []answers{forged(13, v6), knows(v4)}, want: v4, within: 3 * time.Second},
		"an answer too short":       {servers: []answers{short, knows(v4)}, want: v4, within: 3 * time.Second},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				addresses := []string{serverIP, "10.0.0.3", "fd00::2"}
				a, b := pipe.New(pipe.Options{})
				cfg := handfast.Config{}
				for i := range c.servers {
					cfg.NameServers = append(cfg.NameServers, netip.AddrPortFrom(netip.MustParseAddr(addresses[i]), 0))
				}
				client := newTestHost(t, cfg, a, clientIP+"/24", "fd00::1/64")
				server := newTestHost(t, handfast.Config{}, b, serverIP+"/24", "10.0.0.3/24", "fd00::2/64")
				var asked []*nameServer
				for i, s := range c.servers {
					asked = append(asked, newNameServer(t, server, addresses[i], s))
				}
				start := time.Now()
				got, err := client.Resolver().LookupHost(t.Context(), "service.example.")
				if took := time.Since(start); took > max(c.within, time.Second) {
					t.Errorf("took %v", took)
				}
				slices.Sort(got)
				if strings.Join(got, " ") != c.want {
					t.Errorf("got %v", got)
				}
				if dns := new(net.DNSError); (err != nil) != (c.err != "") || err != nil && (!errors.As(err, &dns) || !strings.Contains(dns.Err, c.err) || dns.IsNotFound != c.notFound) {
					t.Errorf("error %#v", err)
				}
				if tcp := asked[len(asked)-1].tcp.Load() > 0 || asked[0].tcp.Load() > 0; tcp != c.tcp {
					t.Errorf("over TCP: %t", tcp)
				}
				client.Close()
				server.Close()
			})
		})
	}
}

// A name that is dialled is asked for as it is, whatever domains the system searches,
// and closing the host ends the question.
func TestDialByName(t *testing.T) {
	var asked atomic.Value
	client, server := newNet(t, handfast.Config{NameServers: []netip.AddrPort{netip.MustParseAddrPort(serverIP + ":0")}}, pipe.Options{})
	newNameServer(t, server, serverIP, func(_ string, q []byte) []byte {
		asked.Store(string(q[dnsHeader : dnsHeader+len("\x07service\x07example\x00")]))
		return answerName(q, []string{serverIP})
	})
	l := listen(t, server, ":80")
	c, err := client.Dial("tcp", "service.example:80")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	l.Close()
	if got := asked.Load(); got != "\x07service\x07example\x00" {
		t.Errorf("asked for %q", got)
	}
}

const dnsHeader = 12

// Close ends look-ups that nobody answers.
func TestCloseEndsQuestions(t *testing.T) {
	before := runtime.NumGoroutine()
	a, b := pipe.New(pipe.Options{})
	defer b.Close()
	client := newTestHost(t, handfast.Config{NameServers: []netip.AddrPort{netip.MustParseAddrPort(serverIP + ":0")}}, a, clientIP+"/24")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if c, err := client.Dial("tcp", "service.example:80"); err == nil {
				t.Errorf("connected to %v", c.RemoteAddr())
			}
		})
	}
	b.Read(0, make([]*buf.Packet, 1)) // the first question
	client.Close()
	all.Wait()
	wantGoroutines(t, before)
}

// Who looks up names is said once, and a server has an address.
func TestNameServersAreChecked(t *testing.T) {
	for want, cfg := range map[string]handfast.Config{
		"set one": {NameServers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:53")}, Resolver: net.DefaultResolver},
		"0.0.0.0:53 is not an address of a server":       {NameServers: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:53")}},
		"invalid AddrPort is not an address of a server": {NameServers: make([]netip.AddrPort, 1)},
	} {
		if _, err := handfast.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
