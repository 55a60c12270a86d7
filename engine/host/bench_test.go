package host

import (
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// BenchmarkStream is a bulk transfer between two hosts, both of them counted:
// segments out, packets over, segments in, ACKs back.
func BenchmarkStream(b *testing.B) {
	for _, c := range []struct {
		name string
		config
	}{
		{"mtu1500", config{}},
		{"mtu1500 events kept", config{keep: account.Keep{Connections: 1}}},
		{"mtu1500/checksum offload", config{link: LinkConfig{ChecksumOffload: true}}},
		{"mtu1500/ethernet/v6", config{ethernet: true, v6: true}},
		{"gso64k", config{link: LinkConfig{ChecksumOffload: true, MaxGSO: 65535}}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkStream(b, c.config) })
	}
}

func benchmarkStream(b *testing.B, c config) {
	const chunk = 64 << 10
	p := newPair(b, c)
	client, server := p.connect()
	var taken [64]buf.View
	data := pattern(chunk)
	received := 0
	b.SetBytes(chunk)
	b.ReportAllocs()
	for b.Loop() {
		block := buf.Get(chunk)
		copy(block.Bytes(), data)
		p.a.TCP().Send(p.now, client.Entry, buf.MakeView(block, 0, chunk))
		for limit := received + chunk; received < limit; {
			p.run()
			for _, v := range p.b.TCP().Take(p.now, server.Entry, 1<<20, taken[:0]) {
				received += v.Len()
				v.Release()
			}
			p.now += 1000
		}
	}
}

// BenchmarkReceive is the way in alone, up to TCP, which refuses the segment.
func BenchmarkReceive(b *testing.B) {
	for name, size := range map[string]int{"40": 0, "1500": 1460} {
		b.Run(name, func(b *testing.B) {
			p := newPair(b, config{})
			ip := p.fromA(wire.ProtoTCP)
			p.addrB = addr("10.0.0.2")
			transport := segment(ip, wire.TCP{SrcPort: 1, DstPort: 80, Flags: wire.RST}, pattern(size))
			master := p.frame(wire.Ethernet{}, ip, transport)
			b.SetBytes(int64(len(master.Data)))
			b.ReportAllocs()
			for b.Loop() {
				packet := buf.NewPacket()
				master.Block.Retain()
				packet.Block, packet.Data = master.Block, master.Data
				p.b.Receive(p.now, 0, packet)
			}
		})
	}
}
func BenchmarkFlowHash(b *testing.B) {
	p := newPair(b, config{})
	ip := p.fromA(wire.ProtoTCP)
	packet := p.frame(wire.Ethernet{}, ip, segment(ip, wire.TCP{SrcPort: 1, DstPort: 80}, nil))
	b.ReportAllocs()
	for b.Loop() {
		testFlows.FlowHash(false, packet)
	}
}

// BenchmarkConnect is a whole connection between two hosts, both of them counted: it opens,
// a byte goes each way, the client closes first.
func BenchmarkConnect(b *testing.B) {
	p := newPair(b, config{})
	l, err := p.b.TCP().Listen(wire.Addr{}, 80, 16, "listener")
	if err != nil {
		b.Fatal(err)
	}
	run := func() { // as pair.run, without a look at who called
		for sides, quiet := [2]*Host{p.a, p.b}, 0; quiet < 2; sides[0], sides[1] = sides[1], sides[0] {
			quiet++
			for packet, _ := sides[0].Output(p.now); packet != nil; packet, _ = sides[0].Output(p.now) {
				sides[1].Receive(p.now, 0, packet)
				quiet = 0
			}
		}
	}
	var taken [4]buf.View
	one := []byte{1}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		client, err := p.a.Connect(p.now, wire.Addr{}, uint16(1024+i%60000), p.addrB, 80, "client")
		if err != nil {
			b.Fatal(err)
		}
		run()
		server := p.b.TCP().Accept(l)
		p.a.TCP().SendCopy(p.now, client, one)
		run()
		p.b.TCP().SendCopy(p.now, server, one)
		run()
		if len(p.a.TCP().Take(p.now, client, 9, taken[:0])) != 1 || len(p.b.TCP().Take(p.now, server, 9, taken[:0])) != 1 {
			b.Fatal("not each byte arrived")
		}
		p.a.TCP().Close(p.now, client)
		run()
		p.b.TCP().Close(p.now, server)
		run()
		p.now = p.now.Add(2 * time.Millisecond)
		p.a.Advance(p.now)
		p.b.Advance(p.now)
	}
}
