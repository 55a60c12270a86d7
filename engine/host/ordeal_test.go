package host

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/oracle"
)

// ordeal is what bytes have a host go through: each stands for a frame, raw bytes, time, or
// a call of a program. Any bytes are an ordeal, and those that are changed a little are one
// that goes as deep: numbers of frames are counted from what the host has sent last.
// Whatever comes, the judges of lab/oracle and the auditor find nothing wrong.
type ordeal struct {
	testing.TB
	ops      []byte
	now      clock.Time
	h        *Host
	src, dst wire.Addr // of what arrives
	wire     oracle.Wire
	relation oracle.Relation
	audit    func() error
	listener *tcp.Listener
	flows    [3]ordealFlow
	step     *oracle.Step // while a segment arrives
	back     oracle.Flow  // of what answers it
	last     []byte       // the packet that arrived last
	sent     []byte       // the packet that the host sent last
	frame    []byte       // to build the next one in
	states   uint16       // a bit for each that was seen
	stray    uint16       // ports of probes at the end
	verbose  bool
}

// ordealFlow is a four-tuple as its peer knows it, and the program of the host.
type ordealFlow struct {
	tuple   wire.Tuple // the host's
	first   seq.Num    // of our stream
	next    seq.Num    // what the host awaits
	ours    seq.Num    // behind all that we have sent
	window  seq.Num    // that it told
	una     seq.Num    // what we acknowledged last
	end     seq.Num    // behind all that it has sent
	start   seq.Num    // its SYN
	val     uint32     // its timestamp
	heard   bool
	tainted bool // somebody may have changed our text

	en      *tcp.Entry
	gone    bool
	written int
	read    int
	iss     seq.Num
	irs     seq.Num
	skipped bool // the program does not read all
}

const ordealPort = 80

// newOrdeal makes a host as the first bytes have it.
func newOrdeal(tb testing.TB, ops []byte) *ordeal {
	o := &ordeal{TB: tb, ops: ops, now: clock.Time(time.Hour), stray: 5000}
	bits, more := o.op(), o.op()
	names := cc.Names()
	c := tcp.Config{NoSACK: bits&1 != 0, NoTimestamps: bits&2 != 0, NoWindowScale: bits&4 != 0, Cookies: tcp.CookieMode(bits >> 3 & 3 % 3),
		CongestionControl: names[int(more&7)%len(names)], ECN: cc.ECNMode(more >> 3 % uint8(cc.ECNAccurate+1)),
		UserTimeout: time.Minute, MSL: time.Second, ReceiveBuffer: 4096 << (bits >> 6), SendBuffer: 16384, MaxHalfOpen: 8}
	c.Secret[3] = more
	if bits&32 != 0 {
		c.BufferMemory = 20_000
	}
	o.h = New(Config{TCP: c})
	o.h.AddLink(LinkConfig{Name: "wire", MTU: 1500})
	prefix := "10.0.0.2/24"
	o.src, o.dst = addr("10.0.0.1"), addr("10.0.0.2")
	if more&1 != 0 {
		prefix, o.src, o.dst = "fd00::2/64", addr("fd00::1"), addr("fd00::2")
	}
	if err := o.h.AddAddress(0, netip.MustParsePrefix(prefix)); err != nil {
		tb.Fatal(err)
	}
	o.wire.MTU = 1500
	o.audit = o.h.TCP().Audit()
	o.listener, _ = o.h.TCP().Listen(wire.Addr{}, ordealPort, 2, "listener")
	if _, err := o.h.OpenUDP(wire.Addr{}, 53, wire.Addr{}, 0, "socket"); err != nil {
		tb.Fatal(err)
	}
	for i := range o.flows {
		f := &o.flows[i]
		f.tuple = wire.Tuple{Local: o.dst, Remote: o.src, LocalPort: ordealPort, RemotePort: uint16(1000 + i)}
		f.first = seq.Num(0xffff_ff00 << (4 * i))
		f.next, f.ours, f.window = f.first, f.first, 1000
	}
	o.flows[2].tuple.LocalPort, o.flows[2].tuple.RemotePort = 2000, 90
	return o
}

// op takes the next byte; 0 when there is none.
func (o *ordeal) op() byte {
	if len(o.ops) == 0 {
		return 0
	}
	b := o.ops[0]
	o.ops = o.ops[1:]
	return b
}

func (o *ordeal) play() {
	for len(o.ops) > 0 {
		o.act(o.op())
		o.settle()
		o.until(o.now.Add(10 * time.Microsecond)) // or a second connection would begin with the numbers of the first
	}
}

func (o *ordeal) act(b byte) {
	which := int(b >> 4)
	switch b & 15 {
	case 0, 1, 2, 3, 4, 5:
		o.segment(&o.flows[which%len(o.flows)])
	case 6:
		o.patch(which&1 != 0)
	case 7:
		o.raw(int(o.op()) % 64)
	case 8:
		o.error(which)
	case 9:
		if which < 8 {
			o.other(which)
		} else {
			o.ops = append(wayTo(which-8, o.op()%3), o.ops...)
		}
	case 10, 11:
		o.pass(which)
	default:
		o.call(&o.flows[b&3%3], which)
	}
}

// settle pulls what is to be sent, and has the auditor look.
func (o *ordeal) settle() {
	o.pull()
	for _, _, ok := o.h.NextReady(); ok; _, _, ok = o.h.NextReady() {
	}
	if en := o.h.TCP().Accept(o.listener); en != nil {
		o.begin(en)
	}
	o.pull()
	if err := o.audit(); err != nil {
		o.Fatalf("at %v: %v", o.now, err)
	}
	for i := range o.flows {
		f := &o.flows[i]
		k := o.h.TCP().Look(f.tuple)
		if o.states |= 1 << k.State; f.en != nil && seq.Num(k.ISS) == f.iss && k.State > tcp.SynSent {
			f.irs = seq.Num(k.IRS)
		}
	}
}

// begin gives a program a connection.
func (o *ordeal) begin(en *tcp.Entry) {
	for i := range o.flows {
		f := &o.flows[i]
		if f.tuple != en.Tuple() || f.en != nil && !f.gone && f.en.State() != tcp.Closed {
			continue
		}
		if f.en != nil && !f.gone {
			o.h.TCP().Close(o.now, f.en)
		}
		o.take(f, en)
		en.Owner = f
		return
	}
	o.h.TCP().Abort(o.now, en)
}

// take is a program's: the connection is its.
func (o *ordeal) take(f *ordealFlow, en *tcp.Entry) {
	k := o.h.TCP().Look(f.tuple)
	f.en, f.gone, f.written, f.read, f.skipped, f.iss, f.irs = en, false, 0, 0, false, seq.Num(k.ISS), seq.Num(k.IRS)
}

// pull takes all packets that the host sends, and has them judged.
func (o *ordeal) pull() {
	for n := 0; ; n++ {
		p, _ := o.h.Output(o.now)
		if p == nil {
			return
		}
		p.Flatten()
		o.hear(p.Data)
		p.Release()
		if n > 500 {
			o.Fatalf("at %v: it does not stop sending", o.now)
		}
	}
}

func (o *ordeal) hear(data []byte) {
	if err := o.wire.Sent(o.now, data); err != nil {
		o.Fatalf("at %v: %v", o.now, err)
	}
	o.sent = append(o.sent[:0], data...)
	s, flow, ok := oracle.SegmentOf(data)
	if !ok {
		return
	}
	if o.verbose {
		o.Logf("%v > %d %v", o.now, flow.DstPort, &s)
	}
	if o.step != nil && flow == o.back {
		o.step.Replies = append(o.step.Replies, s)
	}
	for i := range o.flows {
		if f := &o.flows[i]; f.tuple.LocalPort == flow.SrcPort && f.tuple.RemotePort == flow.DstPort {
			f.hear(data, &s)
		}
	}
}

// hear is what a peer learns of a segment.
func (f *ordealFlow) hear(data []byte, s *oracle.Segment) {
	var ip wire.IP
	var h wire.TCP
	if wire.ParseIP(data, &ip) != wire.None || s.Flags&uint16(wire.RST) != 0 {
		return
	}
	if _, d := wire.ParseTCP(data[ip.HeaderLen:ip.TotalLen], &h); d != wire.None {
		return
	}
	if h.Flags.Has(wire.SYN) {
		f.start, f.end, f.una = h.Seq, h.Seq, h.Seq
	}
	f.heard = true
	n := s.Len
	if h.Flags.Has(wire.SYN) {
		n++
	}
	if h.Flags.Has(wire.FIN) {
		n++
	}
	if end := h.Seq.Add(seq.Size(n)); f.end.Less(end) || h.Flags.Has(wire.SYN) {
		f.end = end
	}
	if h.Flags.Has(wire.ACK) {
		f.next, f.window = h.Ack, seq.Num(h.Window)
		f.ours = seq.Max(f.ours, h.Ack)
	}
	if h.Options.Has(wire.OptTimestamps) {
		f.val = h.Options.TSVal
	}
}

// pass has time go by, and timers fire when they are due.
func (o *ordeal) pass(which int) {
	d := [16]time.Duration{time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond, 250 * time.Millisecond, 600 * time.Millisecond, time.Second,
		3 * time.Second, 10 * time.Second, 40 * time.Second, 3 * time.Minute, 2 * time.Hour}[which]
	if next := o.h.Deadline(); d == 0 && next != clock.Never {
		d = max(next.Sub(o.now), 0)
	}
	o.until(o.now.Add(d))
}

func (o *ordeal) until(end clock.Time) {
	for n := 0; o.h.Deadline() <= end; n++ {
		at, due := o.now, o.h.Deadline()
		o.now = max(o.now, due)
		o.h.Advance(o.now)
		o.settle()
		if n > 1000 && at == o.now {
			o.Fatalf("at %v: firing its timers does not move its deadline", o.now)
		}
	}
	o.now = max(o.now, end)
}

// octet is the byte of every stream at a number: whatever of it comes, in whatever pieces, it
// is right or it is not.
func octet(n seq.Num) byte { return byte(uint32(n)*2654435761>>17) ^ byte(n) }

func octets(b []byte, from seq.Num) []byte {
	for i := range b {
		b[i] = octet(from + seq.Num(i))
	}
	return b
}

// call is a program's.
func (o *ordeal) call(f *ordealFlow, what int) {
	t := o.h.TCP()
	if f.en == nil || f.gone {
		if f == &o.flows[2] && what < 8 {
			o.connect(f)
		}
		return
	}
	switch what {
	case 0, 1, 2:
		o.writes(f, 1+int(o.op())*[]int{1, 12, 64}[what])
	case 3, 4, 5:
		o.reads(f, 1+int(o.op())*64)
	case 6:
		t.CloseWrite(o.now, f.en)
	case 7:
		t.CloseRead(o.now, f.en)
		f.skipped = true
	case 8:
		t.Abort(o.now, f.en)
		f.gone = true
	case 9:
		t.Close(o.now, f.en)
		f.gone = true
	case 10:
		t.SetReceiveBuffer(o.now, f.en, int(o.op())<<7)
	case 11:
		t.SetSendBuffer(o.now, f.en, int(o.op())<<7)
	case 12:
		t.SetNoDelay(o.now, f.en, o.op()&1 != 0)
	case 13:
		t.SetKeepAlive(o.now, f.en, tcp.KeepAlive{Idle: 2 * time.Second, Interval: time.Second, Count: 3})
	case 14:
		t.MarkUrgent(o.now, f.en)
	case 15:
		_ = t.SetCongestionControl(o.now, f.en, cc.Names()[int(o.op())%len(cc.Names())]) // not before it is established
	}
}

func (o *ordeal) connect(f *ordealFlow) {
	en, err := o.h.Connect(o.now, f.tuple.Local, f.tuple.LocalPort, f.tuple.Remote, f.tuple.RemotePort, f)
	if err == nil {
		o.take(f, en)
		f.next = f.first
	}
}

func (o *ordeal) writes(f *ordealFlow, n int) {
	if f.en.SendSpace() <= 0 {
		return
	}
	from := f.iss + 1 + seq.Num(f.written)
	if o.h.TCP().SendCopy(o.now, f.en, octets(make([]byte, n), from)) {
		f.written += n
	}
}

func (o *ordeal) reads(f *ordealFlow, n int) {
	from := f.irs + 1 + seq.Num(f.read)
	for _, v := range o.h.TCP().Take(o.now, f.en, n, nil) {
		for i, got := range v.Bytes() {
			if at := from + seq.Num(i); got != octet(at) && !f.tainted && !f.skipped {
				o.Fatalf("at %v: byte %d of port %d is %#x, and %#x was sent", o.now, f.read+i, f.tuple.RemotePort, got, octet(at))
			}
		}
		from, f.read = from.Add(seq.Size(v.Len())), f.read+v.Len()
		v.Release()
	}
}

// finish has all programs go and nobody speak any more: the host must come to rest, empty,
// and then serve the next one.
func (o *ordeal) finish() {
	for i := range o.flows {
		if f := &o.flows[i]; f.en != nil && !f.gone {
			o.reads(f, 1<<20)
			o.h.TCP().Close(o.now, f.en)
			f.gone = true
		}
	}
	o.settle()
	begun := o.now
	for o.h.Deadline() != clock.Never {
		o.until(o.h.Deadline())
		if o.now.Sub(begun) > time.Hour {
			o.Fatalf("%d connections do not end", o.h.TCP().Len())
		}
	}
	used, _, _ := o.h.TCP().BufferMemory()
	if n := o.h.TCP().Len(); n > 0 || used > 0 {
		o.Fatalf("%d connections and %d bytes are left", n, used)
	}
	o.serves()
}

// serves holds that a handshake succeeds.
func (o *ordeal) serves() {
	f := &o.flows[0]
	*f = ordealFlow{tuple: f.tuple, first: 12345, next: 12345, ours: 12345}
	o.stray++
	f.tuple.RemotePort = o.stray
	o.arrive(f, &wire.TCP{Seq: f.first, Flags: wire.SYN, Window: 1000}, 0)
	o.settle()
	o.arrive(f, &wire.TCP{Seq: f.first + 1, Ack: f.end, Flags: wire.ACK, Window: 1000}, 0)
	o.settle()
	if f.en == nil {
		o.Fatalf("nobody gets in any more: %v", o.h.TCP().Look(f.tuple).State)
	}
	o.h.TCP().Abort(o.now, f.en)
	o.settle()
}

func (o *ordeal) note(text string, args ...any) {
	if o.verbose {
		o.Logf("%v %s", o.now, fmt.Sprintf(text, args...))
	}
}

// wayTo is how a flow comes to a state, as bytes: what is behind it is seldom reached by
// chance.
func wayTo(which int, flow byte) (ops []byte) {
	frame, call := flow<<4, flow+12
	syn, ack, fin := []byte{frame, 2, 0, 0}, []byte{frame, 0, 0, 0}, []byte{frame, 3, 0, 0}
	closes, late := []byte{6<<4 | call}, []byte{frame, 3, 1, 0} // which does not acknowledge ours
	opens := append(syn, ack...)
	if flow == 2 {
		opens = []byte{call, frame, 4, 0, 0}
	}
	way := [8][][]byte{{opens}, {opens, fin}, {opens, fin, closes}, {opens, closes}, {opens, closes, ack}, {opens, closes, late}, {opens, closes, ack, fin}, {syn}}
	for _, some := range way[which] {
		ops = append(ops, some...)
	}
	return ops
}
