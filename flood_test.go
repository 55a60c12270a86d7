package handfast_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/wire"
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
