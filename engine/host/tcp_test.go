package host

import (
	"bytes"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// stream is a TCP connection with the program at its end.
type stream struct {
	*tcp.Entry
	host *Host
	got  []byte
}

// connect opens a connection from a to b's port 80.
func (p *pair) connect() (client, server *stream) {
	p.Helper()
	return p.connectTo(p.b, p.addrB)
}

func (p *pair) connectTo(h *Host, to wire.Addr) (client, server *stream) {
	p.Helper()
	l, err := h.TCP().Listen(wire.Addr{}, 80, 16, "listener")
	if err != nil {
		p.Fatal(err)
	}
	client = &stream{Entry: p.dial(to, 80), host: p.a}
	p.run()
	en := h.TCP().Accept(l)
	if en == nil || client.State() != tcp.Established {
		p.Fatalf("no connection; client is %v, dropped for %v", client.State(), p.drops)
	}
	return client, &stream{Entry: en, host: h}
}

func (p *pair) dial(to wire.Addr, port uint16) *tcp.Entry {
	p.Helper()
	en, err := p.a.Connect(p.now, wire.Addr{}, 40000, to, port, "client")
	if err != nil {
		p.Fatal(err)
	}
	return en
}

// transfer sends all of data from one end to the other, which reads all the time.
func (p *pair) transfer(from, to *stream, data []byte) {
	p.Helper()
	p.exchange(from, to, data, nil)
}

// exchange has both send what is for the other, at the same time.
func (p *pair) exchange(one, other *stream, fromOne, fromOther []byte) {
	p.Helper()
	one.got, other.got = one.got[:0], other.got[:0]
	restOne, restOther := fromOne, fromOther
	for len(other.got) < len(fromOne) || len(one.got) < len(fromOther) {
		restOne, restOther = one.write(p, restOne), other.write(p, restOther)
		p.run()
		before := len(one.got) + len(other.got)
		one.read(p)
		other.read(p)
		if len(one.got)+len(other.got) == before {
			p.after(50 * time.Millisecond)
		}
		if p.now > 1<<62 {
			p.Fatal("never")
		}
	}
	if !bytes.Equal(other.got, fromOne) || !bytes.Equal(one.got, fromOther) {
		p.Errorf("%d and %d bytes that differ", len(other.got), len(one.got))
	}
}

// write sends of data what there is room for, and returns the rest.
func (s *stream) write(p *pair, data []byte) (rest []byte) {
	n := min(s.SendSpace(), len(data), 60000)
	if n > 0 {
		s.host.TCP().SendCopy(p.now, s.Entry, data[:n])
	}
	return data[max(n, 0):]
}

func (s *stream) read(p *pair) {
	for _, v := range s.host.TCP().Take(p.now, s.Entry, 1<<20, nil) {
		s.got = append(s.got, v.Bytes()...)
		v.Release()
	}
}

func (p *pair) close(client, server *stream) {
	p.Helper()
	client.host.TCP().Close(p.now, client.Entry)
	p.run()
	server.host.TCP().Close(p.now, server.Entry)
	p.run()
	p.after(2 * time.Minute)
	if n := client.host.TCP().Len() + server.host.TCP().Len(); n != 0 {
		p.Errorf("%d connections are left", n)
	}
}

func TestTCPOverEveryLink(t *testing.T) {
	for name, link := range map[string]LinkConfig{
		"plain":    {},
		"checksum": {ChecksumOffload: true},
		"GSO":      {ChecksumOffload: true, MaxGSO: 65535},
		"GSO sum":  {MaxGSO: 65535},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, config{link: link}, func(t *testing.T, p *pair) {
				largest := 0
				p.tap = func(_ *Host, packet *buf.Packet) bool {
					largest = max(largest, packet.Len()-int(packet.L3))
					checkShape(t, packet, link)
					return true
				}
				client, server := p.connect()
				p.transfer(client, server, pattern(300001))
				p.transfer(server, client, pattern(300001))
				p.close(client, server)
				if link.MaxGSO > 0 == (largest <= 1500) {
					t.Errorf("the largest packet has %d bytes", largest)
				}
			})
		})
	}
}

// checkShape holds a packet that leaves against what its link asked for.
func checkShape(t *testing.T, p *buf.Packet, link LinkConfig) {
	t.Helper()
	n := p.Len() - int(p.L3)
	if (p.GSOSize != 0) != (n > 1500) || n > max(link.MaxGSO, 1500) {
		t.Errorf("packet of %d bytes has GSOSize %d", n, p.GSOSize)
	}
	var ip wire.IP
	if wire.ParseQuotedIP(p.Data[p.L3:], &ip) != wire.None || ip.Proto != wire.ProtoTCP {
		return // ARP, NDP
	}
	if (p.Checksum == buf.ChecksumPartial) != link.ChecksumOffload {
		t.Errorf("checksum state %d", p.Checksum)
	}
	if p.Checksum != buf.ChecksumPartial {
		return
	}
	// What the link does: the sum from CsumStart on, the field in it.
	at := int(p.CsumStart)
	field := p.Data[at+int(p.CsumOffset):]
	was := [2]byte(field)
	put16(field, wire.Checksum(sumViews(p, len(p.Data)-at, wire.Sum(p.Data[at:], 0))))
	var in inbound
	in.packet = p
	p.Checksum = buf.ChecksumFull
	if !in.parseSplit() || !in.checksumOK(in.transport(), in.length()) {
		t.Errorf("a link cannot complete the checksum of %x", p.Data)
	}
	copy(field, was[:])
	p.Checksum = buf.ChecksumPartial
}

func TestTCPToOurselves(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		p.tap = func(_ *Host, packet *buf.Packet) bool {
			t.Errorf("on the wire: %x", packet.Data)
			return true
		}
		client, server := p.connectTo(p.a, p.addrA)
		p.transfer(client, server, pattern(3<<20))
		p.transfer(server, client, pattern(100))
		p.close(client, server)
	})
}

func TestClosedTCPPortIsRefused(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		en := p.dial(p.addrB, 81)
		p.run()
		if en.State() != tcp.Closed || en.Failure() != tcp.Refused {
			t.Errorf("%v, failure %d", en.State(), en.Failure())
		}
		p.wantDrops("nobody listens", wire.NoSocket)
	})
}

func TestDialToNobody(t *testing.T) {
	onEthernet(t, config{}, func(t *testing.T, p *pair) {
		en := p.dial(lastByte(p.addrB, 99), 80)
		p.run()
		p.after(2 * time.Second)
		if en.State() != tcp.SynSent {
			t.Errorf("too early: %v", en.State())
		}
		p.after(2 * time.Second)
		if en.State() != tcp.Closed || en.Failure() != tcp.HostUnreachable {
			t.Errorf("three questions without an answer: %v, failure %d", en.State(), en.Failure())
		}
		p.drops = nil // b heard questions for others
	})
}

func TestConnectErrors(t *testing.T) {
	p := newPair(t, config{})
	for _, c := range []struct {
		local, remote wire.Addr
		want          error
	}{
		{wire.Addr{}, addr("192.0.2.1"), ErrNoRoute},
		{wire.Addr{}, addr("10.0.0.255"), ErrDestination},
		{wire.Addr{}, addr("224.0.0.1"), ErrDestination},
		{wire.Addr{}, addr("0.0.0.0"), ErrDestination},
		{addr("10.0.0.9"), p.addrB, ErrNotLocal},
		{addr("fd00::1"), p.addrB, ErrNotLocal},
	} {
		if _, err := p.a.Connect(p.now, c.local, 1, c.remote, 80, nil); err != c.want {
			t.Errorf("from %v to %v: %v, want %v", c.local, c.remote, err, c.want)
		}
	}
	p.dial(p.addrB, 80)
	if _, err := p.a.Connect(p.now, wire.Addr{}, 40000, p.addrB, 80, nil); err != tcp.ErrInUse {
		t.Errorf("twice: %v", err)
	}
}

// Every bit of the checksum counts, and what is broken gets no answer (D3).
func TestTCPChecksum(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		ip := p.fromA(wire.ProtoTCP)
		syn := segment(ip, wire.TCP{SrcPort: 1, DstPort: 80, Flags: wire.SYN}, []byte("odd"))
		for bit := range len(syn) * 8 {
			syn[bit/8] ^= 1 << (bit % 8)
			if d := p.inject(ip, syn); d != wire.BadTCPChecksum {
				t.Errorf("bit %d turned: %v", bit, d)
			}
			syn[bit/8] ^= 1 << (bit % 8)
		}
		p.wantNothing("no answer", p.b)
		if n := p.b.Counters().TcpInCsumErrors; n != uint64(len(syn)*8) {
			t.Errorf("counted %d", n)
		}
	})
}

// segment is a TCP segment with its checksum.
func segment(ip wire.IP, h wire.TCP, payload []byte) []byte {
	b := append(h.Append(nil), payload...)
	put16(b[tcpChecksumAt:], wire.Checksum(wire.Sum(b, wire.PseudoSum(ip.Src, ip.Dst, wire.ProtoTCP, len(b)))))
	return b
}

// A router on the way takes less than the link: the connection adapts when the
// quoted segment is in flight, and a forger who guesses sequence numbers gets
// nowhere (RFC 5927 §7.2).
func TestPathMTUOfTCP(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		client, server := p.connect()
		p.transfer(server, client, pattern(5000))

		header := wire.TCP{SrcPort: 80, DstPort: 40000}
		for i := range 1 << 16 {
			header.Seq += 65521
			if d := p.tooBig(1300, 1500, wire.ProtoTCP, header.Append(nil)); d == wire.None {
				t.Fatalf("forgery %d with sequence number %d was believed, nothing is in flight", i, header.Seq)
			}
		}
		p.wantMTU("forged", 1500)

		narrow := 0
		p.tap = func(to *Host, packet *buf.Packet) bool {
			packet.Flatten()
			b := packet.Data[packet.L3:]
			if to == p.a && len(b) > 1300 {
				narrow++
				if d := p.tooBig(1300, len(b), wire.ProtoTCP, b[len(b)-headerless(b):][:8]); d != wire.None && narrow == 1 {
					t.Errorf("true message: %v", d)
				}
				packet.Release()
				return false
			}
			return true
		}
		p.transfer(server, client, pattern(50000))
		p.wantMTU("true", 1300)
		if narrow == 0 || narrow > 40 {
			t.Errorf("%d packets did not fit", narrow)
		}
		p.close(client, server)
	})
}

// headerless is the length of an IP packet of ours without its IP header.
func headerless(b []byte) int {
	if b[0]>>4 == 4 {
		return len(b) - wire.IPv4Size
	}
	return len(b) - wire.IPv6Size
}

// Of the packets that a super-segment is taken apart into the last one alone pushes and ends.
func TestLastPartPushesAndEnds(t *testing.T) {
	everywhere(t, config{}, func(t *testing.T, p *pair) {
		client, server := p.connect()
		var flags []wire.Flags
		p.tap = func(to *Host, packet *buf.Packet) bool {
			packet.Flatten()
			var ip wire.IP
			var h wire.TCP
			if wire.ParseIP(packet.Data[packet.L3:], &ip) == wire.None && ip.Proto == wire.ProtoTCP && to == p.b {
				wire.ParseTCP(packet.Data[int(packet.L3)+ip.HeaderLen:], &h)
				if ip.TotalLen-ip.HeaderLen > h.HeaderLen() {
					flags = append(flags, h.Flags)
				}
			}
			return true
		}
		p.a.TCP().SendCopy(p.now, client.Entry, pattern(10000))
		p.a.TCP().CloseWrite(p.now, client.Entry)
		p.run()
		if len(flags) < 7 || len(flags) > 8 {
			t.Fatalf("%d packets", len(flags))
		}
		for i, f := range flags {
			if want := i == len(flags)-1; f.Has(wire.PSH) != want || f.Has(wire.FIN) != want {
				t.Errorf("packet %d of %d has %v", i+1, len(flags), f)
			}
		}
		server.read(p)
		if len(server.got) != 10000 || server.State() != tcp.CloseWait {
			t.Errorf("%d bytes came, and the state is %v", len(server.got), server.State())
		}
	})
}
