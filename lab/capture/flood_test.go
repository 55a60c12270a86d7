package capture_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// scene is a capture that is made as it is followed.
type scene struct {
	tr     *capture.Tracker
	random *rand.Rand
	number int
	later  []later
}

// later is a packet that is still on its way.
type later struct {
	time clock.Time
	data []byte
}

func newScene(seed uint64) *scene {
	s := &scene{random: rand.New(rand.NewPCG(seed, 5))}
	s.tr = capture.NewTracker(capture.Options{Ended: func(c *capture.Conn) { s.tr.Release(c) }})
	return s
}

func (s *scene) packet(now clock.Time, data []byte) {
	for len(s.later) > 0 && s.later[0].time <= now {
		l := s.later[0]
		s.later = s.later[1:]
		s.packet(l.time, l.data)
	}
	s.number++
	s.tr.Packet(&capture.Packet{Number: s.number, Time: now, Link: capture.LinkRaw, Data: data, Size: len(data)})
}

func bare(src, dst uint32, from, to uint16, number, ack uint32, f wire.Flags) []byte {
	b := synFrom(0)
	binary.BigEndian.PutUint32(b[12:], src)
	binary.BigEndian.PutUint32(b[16:], dst)
	binary.BigEndian.PutUint16(b[20:], from)
	binary.BigEndian.PutUint16(b[22:], to)
	binary.BigEndian.PutUint32(b[24:], number)
	binary.BigEndian.PutUint32(b[28:], ack)
	b[33] = byte(f)
	return b
}

const (
	web    = 0xc0000201
	second = clock.Time(1e9)
)

// visit is a client that connects and is answered 20 ms later.
func (s *scene) visit(now clock.Time, port uint16, answer wire.Flags) {
	src, from, isn := 0x0a000000|s.random.Uint32N(5000), uint16(1024+s.random.Uint32N(60000)), s.random.Uint32()
	s.packet(now, bare(src, web, from, port, isn, 0, wire.SYN))
	s.later = append(s.later, later{now + 20_000_000, bare(web, src, port, from, 7, isn+1, answer)})
	if answer.Has(wire.SYN) {
		s.later = append(s.later, later{now + 20_000_001, bare(src, web, from, port, isn+1, 8, wire.ACK)})
	}
}

// minute is one of a capture in which something happens from the 20th to the 40th
// second. Numbers are packets a second.
type minute struct {
	visits, flood, scan int
	silent, sweep       int    // scans that nothing answers: of the ports of one host, of one port of many hosts
	answered            bool   // the flood's SYNs
	sources             uint32 // of the flood
	wrong               bool   // there is a flood
	short               bool   // it is played where others are not
}

func (m *minute) play() *capture.Tracker {
	s := newScene(1)
	const start, begin, end = 1_700_000_000 * second, 20 * second, 40 * second
	for at := clock.Time(0); at < 60*second; at += second / 1000 {
		now := start + at
		often := func(perSecond int) int { // how many in this millisecond
			ms := int(at / (second / 1000))
			return (ms+1)*perSecond/1000 - ms*perSecond/1000
		}
		for i := range often(m.visits) {
			s.visit(now+clock.Time(i), 80, wire.SYN|wire.ACK)
		}
		if at < begin || at >= end {
			continue
		}
		for i := range often(m.scan) {
			s.packet(now+clock.Time(500_000+i), bare(0x0b000001, web, 40000, uint16(s.random.Uint32N(60000)), 1, 0, wire.SYN))
			s.later = append(s.later, later{now + 20_500_000, bare(web, 0x0b000001, uint16(s.random.Uint32N(60000)), 40000, 0, 2, wire.RST|wire.ACK)})
		}
		for i := range often(m.silent) { // captured twice, as on Linux's any device
			syn := bare(0x0b000002, web, 40001, uint16(s.random.Uint32N(60000)), 1, 0, wire.SYN)
			s.packet(now+clock.Time(300_000+10*i), syn)
			s.packet(now+clock.Time(300_001+10*i), syn)
		}
		for i := range often(m.sweep) {
			s.packet(now+clock.Time(400_000+i), bare(0x0b000003, 0xc6000000|s.random.Uint32N(1<<16), 40002, 22, 1, 0, wire.SYN))
		}
		for i := range often(m.flood) {
			src, from, isn := 0x50000000+s.random.Uint32N(m.sources), uint16(1024+s.random.Uint32N(60000)), s.random.Uint32()
			s.packet(now+clock.Time(600_000+i), bare(src, web, from, 443, isn, 0, wire.SYN))
			if m.answered {
				s.packet(now+clock.Time(600_000+i), bare(web, src, 443, from, 1, isn+1, wire.SYN|wire.ACK))
			}
		}
	}
	s.tr.Finish()
	return s.tr
}

// A flood is told with its time, its port, its sources and how much of it was answered;
// of what is no flood nothing is said.
func TestFloodsOfCaptures(t *testing.T) {
	for name, m := range map[string]minute{
		"calm":         {visits: 40, short: true},
		"busy":         {visits: 500},
		"nothing":      {},
		"flood":        {visits: 40, flood: 5000, sources: 1 << 31, answered: true, wrong: true, short: true},
		"few sources":  {visits: 40, flood: 2000, sources: 200, answered: true, wrong: true},
		"upstream":     {visits: 40, flood: 2000, sources: 1 << 31, wrong: true},
		"nobody else":  {flood: 2000, sources: 1 << 31, answered: true, wrong: true},
		"a few a tick": {visits: 40, flood: 8, sources: 1 << 31},
		"scan":         {visits: 40, scan: 500},
		"silent scan":  {visits: 40, silent: 500, short: true},
		"nmap alone":   {silent: 700},
		"sweep":        {visits: 40, sweep: 2000, short: true},
		"in a scan":    {visits: 40, silent: 200, sweep: 200, flood: 5000, sources: 1 << 31, answered: true, wrong: true},
	} {
		if testing.Short() && !m.short {
			continue
		}
		floods := m.play().Floods()
		if len(floods) != map[bool]int{true: 1}[m.wrong] {
			t.Errorf("%s: %d floods: %+v", name, len(floods), floods)
			continue
		}
		if !m.wrong {
			continue
		}
		f := &floods[0]
		from, to := f.From-1_700_000_000*second, f.To-1_700_000_000*second
		if from < 19*second+second/2 || from > 20*second+second/2 || to < 39*second || to > 41*second {
			t.Errorf("%s: from %v to %v", name, time.Duration(from), time.Duration(to))
		}
		sources := min(float64(m.sources), float64(20*m.flood)) + float64(22*m.visits) // the others are sources, too
		if f.Port != 443 || f.Unanswered < 0.85 || f.Sources < 0.7*sources || f.Sources > 1.3*sources || f.Rate < 0.8*float64(m.flood) {
			t.Errorf("%s: port %d, %.0f%% unanswered, %.0f sources, %.0f/s", name, f.Port, 100*f.Unanswered, f.Sources, f.Rate)
		}
		if all := float64(20 * (m.flood + m.visits + 2*m.silent + m.sweep)); float64(f.SYNs) < 0.9*all || float64(f.SYNs) > 1.15*all {
			t.Errorf("%s: %d SYNs, of %.0f", name, f.SYNs, all)
		}
	}
}
