// Package flows makes connections that tests of inspect, and of what exports them, ask about.
package flows

import (
	"fmt"
	"io"
	"net/netip"
	"sync"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Pair returns two hosts that are accounted for, and keep what keep says of their connections,
// and a listener of the second.
func Pair(t testing.TB, keep account.Keep) (from, to *handfast.Host, l *handfast.TCPListener) {
	t.Helper()
	a, b := pipe.New(pipe.Options{})
	var hosts [2]*handfast.Host
	for i, end := range []*pipe.End{a, b} {
		h, err := handfast.New(handfast.Config{Shards: 2, Account: true, Events: keep})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 24)
		six := netip.MustParsePrefix(fmt.Sprintf("fd00::%d/64", 1+i))
		if err := h.Attach(end, handfast.LinkOptions{Addresses: []netip.Prefix{prefix, six}}); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	l, err := hosts[1].Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	return hosts[0], hosts[1], l
}

// Talk opens so many connections one after the other, has each send some bytes and get as many
// back, and closes them: some by a reset.
func Talk(t testing.TB, from *handfast.Host, l *handfast.TCPListener, conns int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range conns {
		address := "10.0.0.2:80"
		if i%3 == 0 {
			address = "[fd00::2]:80"
		}
		wg.Go(func() {
			c, err := l.AcceptTCP()
			if err != nil {
				t.Error(err)
				return
			}
			io.Copy(c, c)
			c.Close()
		})
		c, err := from.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		n := 1 + i*37%5000
		c.Write(make([]byte, n))
		io.ReadFull(c, make([]byte, n))
		if i%7 == 0 {
			c.(*handfast.TCPConn).SetLinger(0)
		}
		c.Close()
		wg.Wait()
	}
}
