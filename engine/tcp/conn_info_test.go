package tcp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/alike"
)

// watcher knows of one end what its segments on the wire tell, and nothing else.
type watcher struct {
	segsOut, dataOut, again     uint32
	segsIn, dataIn, early       uint32
	bytes, bytesAgain           uint64
	written                     int
	first, highest, acked, next seq.Num // of text: first sent, end of all sent, acknowledged; expected from the peer,
	edge                        seq.Num // to the edge of the window
	oldest                      seq.Num // the oldest ACK that is acceptable: RFC 5961 section 5.2
	synSent                     bool
	exact                       bool // no segment stands for several, which the window may cut, nor falls to PAWS

	busy    time.Duration
	took    time.Duration // from the first of them to the end of the last
	periods int
	since   clock.Time
	begun   clock.Time
	working bool
}

// leaves sees a segment of the end's.
func (w *watcher) leaves(o *Output) {
	n := uint32(o.Count())
	w.segsOut += n
	if o.Flags.Has(wire.SYN) {
		if w.synSent {
			w.again++
		}
		w.synSent = true
		w.first, w.highest, w.acked = o.Seq.Add(1), o.Seq.Add(1), o.Seq.Add(1)
		return
	}
	fin := o.Flags.Has(wire.FIN)
	if o.Len > 0 {
		w.dataOut += n
		w.bytes += uint64(o.Len)
	}
	if o.Len > 0 || fin {
		if old := min(int(w.highest.Diff(o.Seq)), o.Len); w.highest != o.Seq {
			w.again += n
			w.bytesAgain += uint64(old)
		}
	}
	end := o.Seq.Add(seq.Size(o.Len))
	if fin {
		end = end.Add(1)
	}
	w.highest = seq.Max(w.highest, end)
}

// arrives sees a segment that comes to the end.
func (w *watcher) arrives(s *Segment) {
	n := uint32(s.Count())
	w.segsIn += n
	if s.Flags.Has(wire.ACK) && w.acked.Less(s.Ack) && s.Ack.LessEq(w.highest) {
		w.acked = s.Ack
	}
	if s.Len == 0 {
		return
	}
	w.dataIn += n
	if w.next.Less(s.Seq) && s.Seq.Less(w.edge) && w.oldest.LessEq(s.Ack) {
		w.early += n
	}
}

// tick follows the time in which something that was written was not acknowledged, by
// what the end says of that, which check holds against the wire: the wire does not tell
// whether a segment was too old, and its ACK counts for nothing.
func (w *watcher) tick(now clock.Time, i *Info) {
	working := int(i.BytesAcked) < w.written
	if working == w.working {
		return
	}
	if w.working {
		w.busy += now.Sub(w.since)
	}
	if w.periods == 0 {
		w.begun = now
	}
	w.took = now.Sub(w.begun)
	w.working, w.since = working, now
	w.periods++
}

// check compares what the end says with what was seen.
func (w *watcher) check(i *Info, before *Info) error {
	for _, f := range []struct {
		name      string
		got, want uint64
	}{
		{"SegsOut", uint64(i.SegsOut), uint64(w.segsOut)},
		{"SegsIn", uint64(i.SegsIn), uint64(w.segsIn)},
		{"DataSegsOut", uint64(i.DataSegsOut), uint64(w.dataOut)},
		{"DataSegsIn", uint64(i.DataSegsIn), uint64(w.dataIn)},
		{"TotalRetrans", uint64(i.TotalRetrans), uint64(w.again)},
		{"BytesSent", i.BytesSent, w.bytes},
		{"BytesRetrans", i.BytesRetrans, w.bytesAgain},
	} {
		if f.got != f.want {
			return fmt.Errorf("%s is %d, and %d were seen", f.name, f.got, f.want)
		}
	}
	out := int(w.highest.Sub(w.first)) - int(i.BytesAcked)
	switch least := (out + i.SndMSS - 1) / max(i.SndMSS, 1); {
	case int(i.BytesAcked) > int(w.acked.Sub(w.first)): // it may be less: an old segment counts for nothing
		return fmt.Errorf("%d bytes acknowledged, and %d were seen", i.BytesAcked, w.acked.Sub(w.first))
	case i.Unacked > out || i.Unacked < least-1:
		return fmt.Errorf("%d segments unacknowledged, of %d bytes", i.Unacked, out)
	case i.Sacked+max(i.Lost, i.Retrans) > i.Unacked, i.Lost+1 < i.Retrans:
		return fmt.Errorf("%d sacked, %d lost, %d out again, of %d", i.Sacked, i.Lost, i.Retrans, i.Unacked)
	case i.Delivered > 1+i.DataSegsOut+i.DsackDups:
		return fmt.Errorf("%d delivered of %d", i.Delivered, i.DataSegsOut)
	case i.BytesAcked < before.BytesAcked || i.DsackDups < before.DsackDups || i.ReordSeen < before.ReordSeen || i.BusyTime < before.BusyTime:
		return fmt.Errorf("a counter fell: %+v, was %+v", *i, *before)
	case i.RcvOOOPack > w.early || w.exact && i.RcvOOOPack != w.early:
		return fmt.Errorf("%d came out of order, and %d were seen", i.RcvOOOPack, w.early)
	case i.RwndLimited+i.SndbufLimited > i.BusyTime:
		return fmt.Errorf("limited for %v and %v of %v", i.RwndLimited, i.SndbufLimited, i.BusyTime)
	}
	return nil
}

// seenTalk plays a conversation over a bad wire, whose segments are watched.
func seenTalk(t *testing.T, seed uint64) (p *pair, ends [2]*Entry, seen [2]*watcher) {
	r := rand.New(rand.NewPCG(seed, 2))
	p = newPair(t, Config{ReceiveBuffer: 5000 + r.IntN(1<<18), SendBuffer: 20000 + r.IntN(1<<18), NoTimestamps: r.IntN(3) == 0, NoSACK: r.IntN(3) == 0,
		CongestionControl: cc.Names()[seed%uint64(len(cc.Names()))], UserTimeout: 12 * time.Hour})
	if r.IntN(2) == 0 {
		p.path.MaxGSO = 65535
	}
	exact := p.path.MaxGSO == 0 && p.ends[0].cfg.NoTimestamps
	loss, late := r.Float64()*0.1, r.Float64()*0.1
	if seed%3 == 0 {
		loss, late = 0, 0
	}
	seen = [2]*watcher{{exact: exact}, {exact: exact}}
	p.fate = func(from int, o *Output) (bool, time.Duration) {
		seen[from].leaves(o)
		if r.Float64() < late {
			return false, time.Duration(r.IntN(30)) * time.Millisecond
		}
		return r.Float64() < loss, 0
	}
	p.arrives = func(to int, s *Segment) {
		if en := ends[to]; en != nil { // several may arrive at the same time
			seen[to].next, seen[to].edge, seen[to].oldest = en.rcv.nxt, en.rcv.edge, en.snd.una-seq.Num(en.snd.maxWnd)
		}
		seen[to].arrives(s)
	}
	ends[0], ends[1] = p.connect()
	want, reads := 1+r.IntN(300000), [2]float64{1, 1}
	if r.IntN(3) == 0 {
		reads[1] = 0.1 // a slow reader shuts its window
	}
	infos := [2]Info{ends[0].Info(p.now), ends[1].Info(p.now)}
	seen[1].segsIn, seen[1].segsOut, seen[1].again = infos[1].SegsIn, infos[1].SegsOut, infos[1].TotalRetrans // it was half-open, and small, before
	limit := p.now.Add(6 * time.Hour)                                                                         // a slow reader looks once for each probe, and a probe comes every two minutes
	for {
		for i, en := range ends {
			w := seen[i]
			for w.written < want && en.SendSpace() > 0 {
				b := make([]byte, 1+r.IntN(20000))
				w.written += len(b)
				p.write(i, en, b)
			}
			if r.Float64() < reads[i] {
				p.read(i, en)
			}
		}
		p.pump()
		for i, en := range ends {
			info := en.Info(p.now)
			seen[i].tick(p.now, &info)
			if err := seen[i].check(&info, &infos[i]); err != nil {
				t.Fatalf("seed %d, %v, end %d: %v", seed, p.now.Sub(clock.Time(time.Hour)), i, err)
			}
			infos[i] = info
		}
		if !p.step(limit) {
			return p, ends, seen
		}
	}
}

// What an end tells of itself is what is seen on the wire, at every moment; in the end
// all that was written is delivered, and the times add up.
func TestInfoIsWhatIsSeen(t *testing.T) {
	seeds := uint64(400)
	if alike.Raced || testing.Short() {
		seeds = 12
	}
	for seed := range seeds {
		p, ends, seen := seenTalk(t, seed)
		for i, en := range ends {
			info, w, n := en.Info(p.now), seen[i], p.ends[i].Counters()
			first := info.DataSegsOut - info.TotalRetrans + uint32(en.rtt.bare)
			switch {
			case int(info.BytesAcked) != w.written || info.Unacked != 0 || info.NotsentBytes != 0:
				t.Errorf("seed %d, end %d: %d of %d acknowledged, %d segments out", seed, i, info.BytesAcked, w.written, info.Unacked)
			case info.Delivered != 1+first+info.DsackDups:
				t.Errorf("seed %d, end %d: %d delivered, of %d; %d came twice", seed, i, info.Delivered, first, info.DsackDups)
			case info.MinRTT < 2*p.delay || info.MinRTT > info.RTT+4*info.RTTVar+time.Millisecond && w.took < 5*time.Minute: // after that a longer one takes its place
				t.Errorf("seed %d, end %d: the shortest round trip is %v of %v, the last %v", seed, i, info.MinRTT, 2*p.delay, info.RTT)
			case info.DeliveryRate == 0 && (w.again == 0 || w.written > 10*1448) || info.CAState != "open": // of one flight all may have been sent again, and nothing be sure
				t.Errorf("seed %d, end %d: rate %d, %s", seed, i, info.DeliveryRate, info.CAState)
			case (info.BusyTime - w.busy).Abs() > time.Duration(w.periods+1)<<timeUnit:
				t.Errorf("seed %d, end %d: busy for %v, was for %v in %d periods", seed, i, info.BusyTime, w.busy, w.periods)
			}
			least := n.TCPFastRetrans + n.TCPSlowStartRetrans + n.TCPSynRetrans
			if n.RetransSegs < least || n.RetransSegs > least+n.TCPLossProbes+n.TCPWinProbe {
				t.Errorf("seed %d, end %d: %d sent again, and %d were counted with %d probes", seed, i, n.RetransSegs, least, n.TCPLossProbes)
			}
			if other := p.ends[1-i].Counters(); n.TCPDSACKRecv+n.TCPDSACKOfoRecv > other.TCPDSACKOldSent+other.TCPDSACKOfoSent {
				t.Errorf("seed %d, end %d: more D-SACKs came than were sent", seed, i)
			}
		}
	}
}

// What holds a transfer up is told by its time: a peer that does not read, or a send
// buffer that is smaller than what the path takes; and neither, when it is the network.
func TestTimesTellTheLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    Config
		reads  bool
		peer   [2]time.Duration // bounds of what RwndLimited has to be, of a second
		buffer [2]time.Duration // of SndbufLimited
	}{
		{"the peer does not read", Config{ReceiveBuffer: 16 << 10}, false, [2]time.Duration{900 * time.Millisecond, 1010 * time.Millisecond}, [2]time.Duration{}},
		{"the send buffer is small", Config{SendBuffer: 3 * 1448}, true, [2]time.Duration{}, [2]time.Duration{900 * time.Millisecond, 1010 * time.Millisecond}},
		{"the network", Config{CongestionControl: "reno"}, true, [2]time.Duration{}, [2]time.Duration{}},
	} {
		p := newPair(t, c.cfg)
		sent := 0
		p.fate = func(from int, o *Output) (bool, time.Duration) {
			if from == 0 && o.Len > 0 {
				sent++
			}
			return from == 0 && o.Len > 0 && c.name == "the network" && sent%20 == 0, 0
		}
		client, server := p.connect()
		for end := p.now.Add(time.Second); p.now < end; {
			for client.SendSpace() > 0 {
				p.write(0, client, make([]byte, min(client.SendSpace(), 4096)))
			}
			if c.reads {
				p.read(1, server)
			}
			p.step(min(end, p.now.Add(10*time.Millisecond)))
		}
		i := client.Info(p.now)
		within := func(d time.Duration, of [2]time.Duration) bool { return of[0] <= d && d <= of[1] }
		if i.BusyTime < 950*time.Millisecond || !within(i.RwndLimited, c.peer) || !within(i.SndbufLimited, c.buffer) {
			t.Errorf("%s: busy for %v, limited by the peer for %v, by the buffer for %v", c.name, i.BusyTime, i.RwndLimited, i.SndbufLimited)
		}
	}
}
