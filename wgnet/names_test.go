package wgnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/handfast-tcp/handfast/wgnet"
)

// known are the names that the far end's server has, and their addresses. The first of
// them is too long for UDP.
var known = map[string][]netip.Addr{
	"long.example.": longAnswer(),
	"both.example.": {far4, far6},
	"four.example.": {far4},
	"six.example.":  {far6},
}

func longAnswer() (all []netip.Addr) {
	for i := range 200 {
		all = append(all, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
	}
	return all
}

// serveNames answers questions on port 53 until the network is closed.
func serveNames(t *testing.T, n *wgnet.Net) {
	t.Helper()
	u, err := n.ListenUDP(&net.UDPAddr{Port: 53})
	if err != nil {
		t.Fatal(err)
	}
	l, err := n.ListenTCP(&net.TCPAddr{Port: 53})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for b := make([]byte, 1500); ; {
			size, from, err := u.ReadFrom(b)
			if err != nil {
				return
			}
			u.WriteTo(answerNames(b[:size], 1232), from)
		}
	}()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 2)
			io.ReadFull(c, b)
			q := make([]byte, int(b[0])<<8|int(b[1]))
			io.ReadFull(c, q)
			a := answerNames(q, 1<<16)
			c.Write(append([]byte{byte(len(a) >> 8), byte(len(a))}, a...))
			c.Close()
		}
	}()
}

// answerNames answers a question in at most so many bytes.
func answerNames(question []byte, limit int) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	addresses, ok := known[q.Name.String()]
	if !ok {
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}}
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			r.Body = &dnsmessage.AResource{A: a.As4()}
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			r.Body = &dnsmessage.AAAAResource{AAAA: a.As16()}
		default:
			continue
		}
		m.Answers = append(m.Answers, r)
	}
	b, err := m.Pack()
	if err == nil && len(b) > limit {
		m.Truncated, m.Answers = true, nil
		b, err = m.Pack()
	}
	if err != nil {
		panic(err)
	}
	return b
}

// Names are asked of a server behind WireGuard, and dialled.
func TestNames(t *testing.T) {
	onEach(t, func(t *testing.T, p *pair) {
		serveNames(t, p.far)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for name, want := range map[string][]string{
			"both.example":  {far6.String(), far4.String()},
			"four.example":  {far4.String()},
			"six.example.":  {far6.String()},
			"192.0.2.7":     {"192.0.2.7"},
			"2001:db8::1%x": {"2001:db8::1"},
		} {
			if got, err := p.near.LookupContextHost(ctx, name); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		if got, err := p.near.LookupHost("long.example"); err != nil || len(got) != 200 {
			t.Errorf("an answer too long for UDP: %d addresses, %v", len(got), err)
		}
		for _, name := range []string{"", "none.example", "-"} {
			_, err := p.near.LookupHost(name)
			if dns := new(net.DNSError); !errors.As(err, &dns) || !dns.IsNotFound {
				t.Errorf("%q: %v", name, err)
			}
		}
		if _, err := p.far.LookupHost("both.example"); err == nil {
			t.Error("a network without a server has found a name")
		}
		fetch(t, p)
	})
}

// fetch gets a page by name.
func fetch(t *testing.T, p *pair) {
	l, err := p.far.ListenTCPAddrPort(netip.AddrPortFrom(far4, 80))
	if err != nil {
		t.Fatal(err)
	}
	server := http.Server{Handler: http.NotFoundHandler()}
	go server.Serve(l)
	defer server.Close()
	transport := &http.Transport{DialContext: p.near.DialContext}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	r, err := client.Get("http://both.example/") // IPv6, which nobody listens on, first
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}
