package handfast_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A host without an address asks all on its link for one, as DHCP does, hears the answer to all,
// and takes what it is given. Nowhere else can it send.
func TestAskForAnAddress(t *testing.T) {
	for _, medium := range []link.Medium{link.Ethernet, link.IP} {
		for _, shards := range []int{1, 4} {
			a, b := pipe.New(pipe.Options{Medium: medium})
			server := newTestHost(t, handfast.Config{Shards: shards}, b, serverIP+"/24")
			l := listen(t, server, ":80")
			client := newTestHost(t, handfast.Config{Shards: shards}, a)
			asked, asks := listenPacket(t, server, ":67"), listenPacket(t, client, ":68")
			if _, err := asks.WriteToUDPAddrPort([]byte("?"), netip.MustParseAddrPort(serverIP+":67")); !errors.Is(err, syscall.ENETUNREACH) {
				t.Errorf("to one host: %v", err)
			}
			if _, err := asks.WriteToUDPAddrPort([]byte("?"), netip.MustParseAddrPort("224.0.0.1:67")); !errors.Is(err, syscall.ENETUNREACH) {
				t.Errorf("to a group: %v", err)
			}
			if _, err := asks.WriteToUDPAddrPort([]byte("an address?"), netip.MustParseAddrPort("255.255.255.255:67")); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 100)
			asked.SetReadDeadline(time.Now().Add(time.Minute))
			n, from, err := asked.ReadFromUDPAddrPort(p)
			if string(p[:n]) != "an address?" || err != nil || from != netip.MustParseAddrPort("0.0.0.0:68") {
				t.Fatalf("the server got %q from %v, %v", p[:n], from, err)
			}
			if _, err := asked.WriteToUDPAddrPort([]byte(clientIP+"/24"), netip.MustParseAddrPort("255.255.255.255:68")); err != nil {
				t.Fatal(err)
			}
			asks.SetReadDeadline(time.Now().Add(time.Minute))
			n, _, err = asks.ReadFromUDPAddrPort(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.AddAddress(client.Links()[0].Name, netip.MustParsePrefix(string(p[:n]))); err != nil {
				t.Fatal(err)
			}
			c, s := connect(t, client, l)
			c.Close()
			s.Close()
			client.Close()
			server.Close()
		}
	}
}
