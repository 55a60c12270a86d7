package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/proxy"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/gateway"
	"github.com/handfast-tcp/handfast/lab/story"
)

// The first rule that fits counts; an --allow refuses all else.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		flags   []string // --allow with +, --deny with -
		offline bool
		to      string
		want    bool
	}{
		{nil, false, "192.0.2.1:80", true},
		{nil, true, "192.0.2.1:80", false},
		{[]string{"-:25"}, false, "192.0.2.1:25", false},
		{[]string{"-:25"}, false, "192.0.2.1:80", true},
		{[]string{"+10.0.0.0/8"}, false, "192.0.2.1:80", false},
		{[]string{"+10.0.0.0/8"}, false, "10.1.1.1:80", true},
		{[]string{"+10.0.0.0/8:443"}, false, "10.1.1.1:80", false},
		{[]string{"-10.0.0.1", "+10.0.0.0/8"}, false, "10.0.0.1:80", false},
		{[]string{"+10.0.0.1", "-10.0.0.0/8"}, false, "10.0.0.1:80", true},
		{[]string{"+[2001:db8::/32]:443"}, true, "[2001:db8::1]:443", true},
		{[]string{"+[2001:db8::/32]:443"}, true, "[2001:db8::1]:80", false},
		{[]string{"+2001:db8::1"}, true, "[2001:db8::1]:80", true},
	} {
		r := rules{offline: c.offline}
		for _, f := range c.flags {
			if err := (&ruleFlag{&r, f[0] == '+'}).Set(f[1:]); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.allows(netip.MustParseAddrPort(c.to)); got != c.want {
			t.Errorf("%q, offline %v: %s is allowed: %v", c.flags, c.offline, c.to, got)
		}
	}
	for _, wrong := range []string{"example.com", ":0", ":x", "10.0.0.0/33", "10.0.0.1:70000"} {
		if err := (&ruleFlag{&rules{}, true}).Set(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// Names go to the system's server, mapped addresses outside, and nobody is at ours.
func TestRunPolicy(t *testing.T) {
	s := &segment{addresses: gateAddrs, dns: []netip.Addr{dnsAddr}, system: netip.MustParseAddrPort("127.0.0.53:53")}
	maps := addressMap{}
	if err := maps.Set("10.0.2.2=127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	policy := new(rules).policy(maps, s)
	for to, want := range map[string]gateway.Route{
		"10.0.2.3:53":    {Address: "127.0.0.53:53"},
		"10.0.2.3:80":    {Verdict: gateway.Refuse},
		"10.0.2.2:80":    {Address: "127.0.0.1:80"},
		"[fd00:2::2]:80": {Verdict: gateway.Refuse},
		"192.0.2.1:80":   {},
	} {
		if got := policy(gateway.Flow{Destination: netip.MustParseAddrPort(to)}); got != want {
			t.Errorf("%s: %+v, want %+v", to, got, want)
		}
	}
}

// What people write of a bad network is understood, or refused with an example.
func TestBadNetworkFlags(t *testing.T) {
	var p percentage
	for text, want := range map[string]percentage{"1%": 0.01, "0.5": 0.5, "100%": 1, "0": 0, "0.1 %": -1, "2": -1, "-1%": -1, "x": -1, "NaN": -1} {
		if err := p.Set(text); (err == nil) != (want >= 0) || err == nil && p != want {
			t.Errorf("%q is %v, %v", text, float64(p), err)
		}
	}
	var r bitRate
	for text, want := range map[string]bitRate{"10mbit": 10e6, "1.5Gbit": 1.5e9, "64kbit": 64e3, "9600bit": 9600, "10": 0, "-1mbit": 0, "mbit": 0} {
		if err := r.Set(text); (err == nil) != (want > 0) || err == nil && r != want {
			t.Errorf("%q is %d, %v", text, r, err)
		}
	}
	var i interval
	for text, want := range map[string]interval{"5s-8s": {5 * time.Second, 8 * time.Second}, "0s-1ms": {0, time.Millisecond}, "8s-5s": {}, "5s": {}, "": {}} {
		if err := i.Set(text); (err == nil) != (want.to > 0) || i != want {
			t.Errorf("%q is %v, %v", text, i, err)
		}
	}
}

// What people write to publish a port is understood, or refused with an example.
func TestPublishFlag(t *testing.T) {
	// Outside, inside, and of which network; nothing: it is refused.
	for _, c := range []struct {
		machines bool
		accepted map[string]string
		refused  []string
	}{
		{false, map[string]string{
			"8080:80": "tcp 127.0.0.1:8080 :80", "127.0.0.1:8080:80": "tcp 127.0.0.1:8080 :80", "[::1]:8080:80": "tcp [::1]:8080 :80",
			"5353:53/udp": "udp 127.0.0.1:5353 :53", "0.0.0.0:1:2/tcp": "tcp 0.0.0.0:1 :2",
		}, []string{"80", "80:", ":80", "0:80", "80:0", "80:70000", "name:80:80", "80:80/sctp", "::1:80:80", ""}},
		{true, map[string]string{
			"8080:192.168.127.2:80":               "tcp 127.0.0.1:8080 192.168.127.2:80",
			"0.0.0.0:8080:[fd00:127::2]:80":       "tcp 0.0.0.0:8080 [fd00:127::2]:80",
			"[::1]:8080:[fd00:127::2]:80":         "tcp [::1]:8080 [fd00:127::2]:80",
			"[::1]:80:[fd00:127::9]:81":           "tcp [::1]:80 [fd00:127::9]:81",
			"127.0.0.1:5353:192.168.127.2:53/udp": "udp 127.0.0.1:5353 192.168.127.2:53",
		}, []string{"80", "8080:80", "192.168.127.2:80", ":192.168.127.2:80", "8080:name:80", "8080:192.168.127.2:0", "8080:fd00::2:80", "8080:[fd00::2]",
			"8080:]:80", "[:80", ""}},
	} {
		for text, want := range c.accepted {
			p := publications{machines: c.machines}
			if err := p.Set(text); err != nil {
				t.Errorf("%q: %v", text, err)
				continue
			}
			x := p.all[0]
			inside := x.inside.String()
			if !c.machines {
				inside = fmt.Sprint(":", x.inside.Port())
			}
			if got := x.network + " " + x.address + " " + inside; got != want {
				t.Errorf("%q is %s, want %s", text, got, want)
			}
		}
		for _, text := range c.refused {
			p := publications{machines: c.machines}
			if err := p.Set(text); err == nil || !strings.Contains(err.Error(), "write for example 8080:") {
				t.Errorf("%q: %v, %+v", text, err, p.all)
			}
		}
	}
}

// Of what the rules let pass TCP goes through the proxy, and UDP where the proxy speaks SOCKS;
// names and mapped addresses do not, and what is refused is said once.
func TestProxyPolicy(t *testing.T) {
	s := &segment{addresses: gateAddrs, dns: []netip.Addr{dnsAddr}, system: netip.MustParseAddrPort("127.0.0.53:53")}
	maps, r := addressMap{}, rules{}
	if err := errors.Join(maps.Set("10.0.2.2=127.0.0.1"), (&ruleFlag{&r, false}).Set(":25")); err != nil {
		t.Fatal(err)
	}
	// What becomes of flows, by SOCKS and by HTTP.
	flows := []struct{ network, to, socks, http string }{
		{"tcp", "192.0.2.1:80", "proxy", "proxy"},
		{"tcp", "192.0.2.1:25", "refused", "refused"},
		{"tcp", "10.0.2.2:80", "127.0.0.1:80", "127.0.0.1:80"},
		{"udp", "10.0.2.3:53", "127.0.0.53:53", "127.0.0.53:53"},
		{"udp", "192.0.2.1:443", "relayed", "refused"},
		{"udp", "192.0.2.1:25", "refused", "refused"},
		{"icmp", "192.0.2.1:0", "refused", "refused"},
		{"icmp", "192.0.2.2:0", "refused", "refused"},
	}
	for url, said := range map[string]say.Text{"socks5://127.0.0.1:1080": noPings, "http://127.0.0.1:8080": onlyTCP} {
		var f proxyFlag
		if err := f.Set(url); err != nil {
			t.Fatal(err)
		}
		var told bytes.Buffer
		policy := f.policy(r.policy(maps, s), terminal{Writer: &told})
		for _, c := range flows {
			got := fateOf(policy(gateway.Flow{Network: c.network, Destination: netip.MustParseAddrPort(c.to)}))
			if want := map[bool]string{true: c.http, false: c.socks}[f.proxy.OnlyTCP()]; got != want {
				t.Errorf("%s, %s to %s: %s, want %s", url, c.network, c.to, got, want)
			}
		}
		if told.String() != said[story.English]+"\n" {
			t.Errorf("%s said: %s", url, &told)
		}
	}
}

// fateOf is a route in words.
func fateOf(r gateway.Route) string {
	switch r.Dialer.(type) {
	case *proxy.Proxy:
		return "proxy"
	case *relayed:
		return "relayed"
	}
	if r.Verdict == gateway.Refuse {
		return "refused"
	}
	return r.Address
}
