package handfast_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// twoLinks returns a host on the links one-a and two-a, and the two hosts at their other ends,
// with the link-local addresses that are given.
func twoLinks(t *testing.T, medium link.Medium, shards int, peers ...string) (h *handfast.Host, ends []*handfast.Host) {
	h, err := handfast.New(handfast.Config{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	for i, name := range []string{"one", "two"} {
		a, b := pipe.New(pipe.Options{Name: name, Medium: medium})
		own := netip.MustParsePrefix(fmt.Sprintf("fe80::%d/64", i+1))
		if err := h.Attach(a, handfast.LinkOptions{Addresses: []netip.Prefix{own}, NoConflictDetection: true}); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, newTestHost(t, handfast.Config{}, b, peers[i]))
	}
	return h, ends
}

// serveName answers TCP and UDP on port 7 with a name.
func serveName(t *testing.T, h *handfast.Host, name string) {
	l := listen(t, h, "[::]:7")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, name)
			c.Close()
		}
	}()
	u, err := h.ListenPacket("udp", "[::]:7")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for p := make([]byte, 9); ; {
			_, from, err := u.ReadFrom(p)
			if err != nil {
				return
			}
			u.WriteTo([]byte(name), from)
		}
	}()
}

// sentOnce wants that no host had to send a segment twice, which would hide a first one that left by
// the wrong link.
func sentOnce(t *testing.T, all ...*handfast.Host) {
	t.Helper()
	for _, h := range all {
		if n := h.Counters().TCP.RetransSegs; n > 0 {
			t.Errorf("%d segments were sent again", n)
		}
	}
}

// askName returns the name of who answers.
func askName(h *handfast.Host, network, address string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c, err := h.DialContext(ctx, network, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Second))
	if network == "udp" {
		io.WriteString(c, "?")
	}
	p := make([]byte, 9)
	n, err := c.Read(p)
	return string(p[:n]), err
}

// A zone names the link of a link-local address. Who speaks from one is answered by its link,
// and is found there afterwards.
func TestZones(t *testing.T) {
	for _, medium := range []link.Medium{link.IP, link.Ethernet} {
		for _, shards := range []int{1, 4} {
			t.Run(fmt.Sprintf("medium=%d,shards=%d", medium, shards), func(t *testing.T) {
				h, ends := twoLinks(t, medium, shards, "fe80::a/64", "fe80::b/64")
				serveName(t, h, "host")
				for i, name := range []string{"a", "b"} {
					serveName(t, ends[i], name)
					zone := []string{"one-a", "two-a"}[i]
					for _, network := range []string{"tcp", "udp"} {
						if got, err := askName(h, network, "[fe80::"+name+"%"+zone+"]:7"); got != name || err != nil {
							t.Errorf("%s to %s: %q, %v", network, zone, got, err)
						}
					}
				}
				sentOnce(t, h, ends[0], ends[1])
			})
			t.Run(fmt.Sprintf("medium=%d,shards=%d,answers", medium, shards), func(t *testing.T) {
				h, ends := twoLinks(t, medium, shards, "fe80::a/64", "fe80::b/64")
				serveName(t, h, "host")
				for i, end := range ends {
					for _, network := range []string{"tcp", "udp"} {
						if got, err := askName(end, network, fmt.Sprintf("[fe80::%d]:7", i+1)); got != "host" || err != nil {
							t.Errorf("%s over link %d: %q, %v", network, i, got, err)
						}
					}
				}
				sentOnce(t, h, ends[0], ends[1])
			})
		}
	}
}

// With one link any zone is that one.
func TestZoneOfTheOnlyLink(t *testing.T) {
	a, b := pipe.New(pipe.Options{})
	h := newTestHost(t, handfast.Config{}, a, "fe80::1/64")
	serveName(t, newTestHost(t, handfast.Config{}, b, "fe80::a/64"), "a")
	for _, network := range []string{"tcp", "udp"} {
		if got, err := askName(h, network, "[fe80::a%wlan0]:7"); got != "a" || err != nil {
			t.Errorf("%s: %q, %v", network, got, err)
		}
	}
}

// A zone that is no link is an error, and so is one whose link cannot be meant.
func TestZonesThatAreNone(t *testing.T) {
	h, ends := twoLinks(t, link.Ethernet, 0, "fe80::c/64", "fe80::c/64")
	serveName(t, ends[0], "one")
	if got, err := askName(h, "tcp", "[fe80::c%one-a]:7"); got != "one" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	u, err := h.ListenPacket("udp", "[::]:0")
	if err != nil {
		t.Fatal(err)
	}
	for zone, want := range map[string]string{"eth9": "no link has the name", "two-a": "the same address on another link"} {
		_, errTCP := h.Dial("tcp", "[fe80::c%"+zone+"]:7")
		_, errUDP := h.Dial("udp", "[fe80::c%"+zone+"]:7")
		_, errPing := h.DialPing(netip.Addr{}, netip.MustParseAddr("fe80::c%"+zone))
		_, errTo := u.WriteTo(nil, &net.UDPAddr{IP: net.ParseIP("fe80::c"), Port: 7, Zone: zone})
		for _, err := range []error{errTCP, errUDP, errPing, errTo} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("zone %s: %v, want %q", zone, err, want)
			}
		}
	}
	if _, err := u.WriteTo(nil, &net.UDPAddr{IP: net.ParseIP("fe80::c"), Port: 7, Zone: "one-a"}); err != nil {
		t.Error(err)
	}
}
