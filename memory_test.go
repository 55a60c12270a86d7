package handfast_test

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// crowd are peers without a memory of their own, which all speak to port 80 of a host.
type crowd struct {
	*testing.T
	host  *handfast.Host
	wire  *pipe.End
	batch [64]*buf.Packet
}

func newCrowd(t *testing.T, cfg handfast.Config) *crowd {
	a, b := pipe.New(pipe.Options{})
	c := &crowd{T: t, host: newTestHost(t, cfg, a, serverIP+"/8"), wire: b}
	t.Cleanup(func() { b.Close() })
	return c
}

// send has peer i send a segment.
func (c *crowd) send(i int, h wire.TCP, payload []byte) {
	c.Helper()
	p := buf.NewPacket()
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: wire.AddrFrom4(10<<24 | 1<<20 + uint32(i)), Dst: wire.AddrFrom4(10<<24 | 2)}
	h.SrcPort, h.Window = 5000, 1000
	room := p.ReceiveInto(1500)
	p.Data = wire.AppendSegment(room[:0], &ip, &h, len(payload), wire.Sum(payload, 0), false)
	p.Data = append(p.Data, payload...)
	if err := c.wire.Write(0, []*buf.Packet{p}); err != nil {
		c.Fatal(err)
	}
}

// answers returns what the host has sent to peers until it has refused one, which asks
// for a port that nobody listens on.
func (c *crowd) answers(i int) (all []wire.TCP) {
	c.Helper()
	c.send(i, wire.TCP{DstPort: 81, Seq: 7, Flags: wire.SYN}, nil)
	for {
		n, err := c.wire.Read(0, c.batch[:])
		if err != nil {
			c.Fatal(err)
		}
		last := false
		for _, p := range c.batch[:n] {
			p.Flatten()
			var ip wire.IP
			var h wire.TCP
			if d := wire.ParseIP(p.Data, &ip); d != wire.None {
				c.Fatal(d)
			}
			if _, d := wire.ParseTCP(p.Data[ip.HeaderLen:], &h); d != wire.None {
				c.Fatal(d)
			}
			p.Release()
			last = last || h.SrcPort == 81
			all = append(all, h)
		}
		if last {
			return all
		}
	}
}

// open has peer i open a connection and send text. It returns the host's first number,
// or false when the SYN is not answered.
func (c *crowd) open(i int, text []byte) (iss seq.Num, ok bool) {
	c.Helper()
	c.send(i, wire.TCP{DstPort: 80, Seq: 100, Flags: wire.SYN}, nil)
	for _, h := range c.answers(i) {
		if h.SrcPort == 80 && h.Flags.Has(wire.SYN) {
			c.send(i, wire.TCP{DstPort: 80, Seq: 101, Ack: h.Seq + 1, Flags: wire.ACK}, text)
			return h.Seq, true
		}
	}
	return 0, false
}

// Ten thousand connections, whose peers have sent something that nobody reads and get
// something that they never acknowledge, take less than 50 MB, and the next one is not
// answered. Those that there are go on; when they have gone so has their memory.
func TestTenThousandConnectionsInFiftyMegabytes(t *testing.T) {
	const few = 100
	memory, most := 50_000_000, 10_000
	if testing.Short() { // an emulator takes seconds for so many, and meanwhile they repeat their text
		memory, most = memory/10, most/10
	}
	c := newCrowd(t, handfast.Config{Memory: int64(memory), Shards: 1, Backlog: 1 << 16, NoKeepAlive: true})
	l := listen(t, c.host, ":80")
	before := heap()
	var conns []*handfast.TCPConn
	text := make([]byte, few)
	count, refused := 0, 0
	var first seq.Num
	// Where that takes seconds, what the host repeats may fill the link, and an answer get
	// lost there: so it is the host that says how many it refused.
	for c.host.Counters().TCP.ConnsRefused < 100 {
		iss, ok := c.open(count, text)
		if !ok {
			refused++
			continue
		}
		if count == 0 {
			first = iss
		}
		count++
		server, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.Write(text); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, server)
	}
	took := heap() - before
	t.Logf("%d connections take %d bytes, %d each", count, took, took/int64(count))
	if count < most || took > int64(memory) {
		t.Errorf("%d connections take %d bytes", count, took)
	}
	if refused < 100 {
		t.Errorf("of 100 SYNs that are counted as refused only %d found no answer", refused)
	}
	if _, err := c.host.Dial("tcp", "10.200.0.1:80"); !errors.Is(err, syscall.ENOBUFS) {
		t.Errorf("dial: %v", err)
	}
	// One that there is goes on, both ways.
	c.send(0, wire.TCP{DstPort: 80, Seq: 101 + few, Ack: first + 1 + few, Flags: wire.ACK}, text)
	if _, err := io.ReadFull(conns[0], make([]byte, 2*few)); err != nil {
		t.Error(err)
	}
	for _, server := range conns {
		server.SetLinger(0)
		server.Close()
	}
	clear(conns)
	left := int64(0)
	for begun := time.Now(); ; {
		c.answers(0) // what the link holds is not the host's, and on a slow machine more comes behind
		if left = heap() - before; left <= 1<<20 || time.Since(begun) > time.Minute {
			break
		}
	}
	if left > 1<<20 {
		t.Errorf("%d bytes are left when all have gone", left)
	}
	if _, ok := c.open(count, nil); !ok {
		t.Error("there is no room for a new one then")
	}
}

// Whatever peers send, in whatever order and pieces, a host takes no more than its
// memory: also when hardly anything of each block is text.
func TestMemoryIsBounded(t *testing.T) {
	const memory, segments = 16_000_000, 80_000
	for name, text := range map[string]struct{ peers, gap, size int }{
		"full segments":                {2000, 0, 1400},
		"a quarter of a block":         {2000, 0, 520},
		"a quarter, and out of order":  {2000, 30, 520},
		"single bytes, out of order":   {2000, 1, 1},
		"full segments, but the first": {2000, 1400, 1400},
		"as many as there may be":      {6000, 0, 1400},
		"and pieces":                   {6000, 1, 520},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, handfast.Config{Memory: int64(memory), Shards: 1, Backlog: 1 << 16})
			listen(t, c.host, ":80")
			before, payload := heap(), make([]byte, text.size)
			first := make([]seq.Num, text.peers)
			for i := range first {
				first[i], _ = c.open(i, nil)
			}
			for k := range segments / text.peers {
				for i, iss := range first {
					at := seq.Num(101 + (k+1)*text.gap + k*text.size)
					if iss != 0 {
						c.send(i, wire.TCP{DstPort: 80, Seq: at, Ack: iss + 1, Flags: wire.ACK}, payload)
					}
				}
				c.answers(0)
			}
			used, most, short := c.host.BufferMemory()
			took := heap() - before
			t.Logf("%d bytes are taken, %d of %d are counted, short %v", took, used, most, short)
			if took > memory {
				t.Errorf("%d bytes are taken", took)
			}
			if open := int(c.host.Counters().TCP.PassiveOpens); (open < text.peers) != (text.peers == 6000) {
				t.Errorf("%d connections are open", open)
			}
		})
	}
}
