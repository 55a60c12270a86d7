package export_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/inspect/export"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// floodSYNs is how many SYNs a flood has here.
const floodSYNs = 50_000

// A flood is told by a record for each listener, and not by one for each SYN.
func TestFloodIsFewRecords(t *testing.T) {
	near, far := pipe.New(pipe.Options{})
	h, err := handfast.New(handfast.Config{Account: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Attach(near, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/0")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Listen("tcp", ":80"); err != nil {
		t.Fatal(err)
	}
	c := listenUDP(t)
	x, err := export.Flows(h, c.LocalAddr().String(), export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	go func() { // what answers is nobody's
		batch := make([]*buf.Packet, 64)
		for {
			n, err := far.Read(0, batch)
			if err != nil {
				return
			}
			for _, p := range batch[:n] {
				p.Release()
			}
		}
	}()
	r := rand.New(rand.NewPCG(1, 2))
	for came := uint64(0); came < floodSYNs; { // a full queue of the pipe drops some
		batch := make([]*buf.Packet, 50)
		for i := range batch {
			batch[i] = syn(r)
		}
		if err := far.Write(0, batch); err != nil {
			t.Fatal(err)
		}
		for l := range h.Listeners() {
			came = l.Stats().SYNs
		}
	}
	x.Close()
	if s := x.Stats(); s.Records == 0 || s.Records >= 100 {
		t.Errorf("%d SYNs made %d records", floodSYNs, s.Records)
	}
}

// syn returns the SYN of an address that was made up.
func syn(r *rand.Rand) *buf.Packet {
	a := r.Uint32()
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Dst: wire.AddrFrom(netip.MustParseAddr("10.0.0.2")),
		Src: wire.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 20, 13: byte(a >> 16), 14: byte(a >> 8), 15: byte(a)})}
	h := wire.TCP{SrcPort: uint16(1024 + r.IntN(60000)), DstPort: 80, Flags: wire.SYN, Window: 1024}
	p := buf.NewPacket()
	p.Data = wire.AppendSegment(p.Data, &ip, &h, 0, 0, false)
	return p
}
