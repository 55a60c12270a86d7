package handfast_test

import (
	"bytes"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/keyring"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// spoofedSYN returns the SYN of an address that was made up.
func spoofedSYN(r *rand.Rand, to string) *buf.Packet {
	source := r.Uint32()
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Dst: wire.AddrFrom(netip.MustParseAddr(to)),
		Src: wire.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 20, 13: byte(source >> 16), 14: byte(source >> 8), 15: byte(source)})}
	syn := wire.TCP{SrcPort: uint16(1024 + r.IntN(60000)), DstPort: 80, Flags: wire.SYN, Window: 1024}
	size := syn.HeaderLen()
	pseudo := wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoTCP, size)
	syn.Checksum = wire.Checksum(wire.Sum(syn.Append(nil), pseudo))
	p := buf.NewPacket()
	p.Data = syn.Append(ip.Append(p.Data, size))
	return p
}

// A flood is logged once, whatever the number of shards, with the words that
// people search for; and so is its end.
func TestFloodIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := pipe.New(pipe.Options{})
		var log bytes.Buffer
		server, err := handfast.New(handfast.Config{Shards: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		if err := server.Attach(near, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(serverIP + "/0")}}); err != nil {
			t.Fatal(err)
		}
		listen(t, server, ":80")
		r := rand.New(rand.NewPCG(1, 2))
		for range 300 { // 3 s
			batch := make([]*buf.Packet, 40)
			for i := range batch {
				batch[i] = spoofedSYN(r, serverIP)
			}
			if err := far.Write(0, batch); err != nil {
				t.Fatal(err)
			}
			<-time.After(10 * time.Millisecond)
		}
		v := server.FloodVerdict()
		if v.Level != detect.Flood || v.Port != 80 || v.Numbers.SynRate < 3000 || v.Numbers.SynRate > 5000 ||
			v.Numbers.Sources < 8000 || v.Numbers.Sources > 16000 {
			t.Errorf("after 3 s of 4000 SYNs per second, 12,000 sources: %v", v)
		}
		<-time.After(time.Minute)
		if v := server.FloodVerdict(); v.Level != detect.Quiet {
			t.Errorf("a minute later: %v", v)
		}
		server.Close()
		text := log.String()
		if n := strings.Count(text, "possible SYN flooding on port 80."); n != 1 {
			t.Errorf("the flood was logged %d times", n)
		}
		if !strings.Contains(text, "was=flood") {
			t.Error("its end was not logged")
		}
		t.Log("\n" + text)
	})
}

// spray is one end of a pipe whose packets go to one of two hosts, as ECMP that
// has just changed its mind does: SYNs to one, all else to the other.
type spray struct {
	link.Link
	second link.Link
	syns   atomic.Int32
}

func (s *spray) Write(queue int, batch []*buf.Packet) error {
	for _, p := range batch {
		to := s.second
		if p.Data[20+13]&0x3f == 2 {
			to = s.Link
			s.syns.Add(1)
		}
		if err := to.Write(queue, []*buf.Packet{p}); err != nil {
			return err
		}
	}
	return nil
}

// Two hosts with the same seeds complete each other's handshakes.
func TestSharedSeeds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seeds")
	if err := os.WriteFile(file, []byte(strings.Repeat("secret", 6)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ring := func() *keyring.Ring {
		r, err := keyring.New(keyring.File(file))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	cfg := handfast.Config{CookieKeys: ring(), TCP: tcp.Config{Cookies: tcp.CookiesAlways}}
	a1, a2 := pipe.New(pipe.Options{})
	b1, b2 := pipe.New(pipe.Options{})
	first := newTestHost(t, cfg, a2, serverIP+"/24")
	cfg.CookieKeys = ring()
	second := newTestHost(t, cfg, b2, serverIP+"/24")
	client, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	way := &spray{Link: a1, second: b1}
	if err := client.Attach(way, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(clientIP + "/24")}}); err != nil {
		t.Fatal(err)
	}
	// What the second host sends comes in by a link of its own.
	if err := client.Attach(b1, handfast.LinkOptions{}); err != nil {
		t.Fatal(err)
	}
	listen(t, first, serverIP+":80")
	l := listen(t, second, serverIP+":80")
	for range 20 {
		c, s := connect(t, client, l)
		io.WriteString(c, "hello")
		c.CloseWrite()
		if said, err := io.ReadAll(s); string(said) != "hello" {
			t.Errorf("%q, %v", said, err)
		}
		c.Close()
		s.Close()
	}
	if way.syns.Load() < 20 || first.Counters().TcpOutSegs == 0 {
		t.Error("the first host saw no SYN")
	}
}
