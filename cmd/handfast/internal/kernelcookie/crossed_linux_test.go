package kernelcookie

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// patience is how long a connection may take that is to come.
const patience = 20 * time.Second

// wired is a client of whom every packet is made by hand, before the kernel or a host of ours.
type wired struct {
	link   link.Link
	client netip.Addr
	server netip.AddrPort
	port   uint16
	filler string // behind each packet, as Ethernet makes short frames longer
}

// send sends a segment.
func (w *wired) send(t *testing.T, h wire.TCP) {
	t.Helper()
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: wire.AddrFrom(w.client), Dst: wire.AddrFrom(w.server.Addr())}
	if w.client.Is6() {
		ip.Version = 6
	}
	h.SrcPort, h.DstPort, h.Window = w.port, w.server.Port(), 60000
	p := buf.NewPacket()
	p.Data = append(wire.AppendSegment(p.Data, &ip, &h, 0, 0, false), w.filler...)
	if err := w.link.Write(0, []*buf.Packet{p}); err != nil {
		t.Fatal(err)
	}
}

// answer is the next segment to the client. Its checksum must be right.
func (w *wired) answer(t *testing.T) (h wire.TCP) {
	t.Helper()
	batch := make([]*buf.Packet, 64)
	for {
		n, err := w.link.Read(0, batch[:1])
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range batch[:n] {
			var ip wire.IP
			p.Flatten()
			b := p.Data[p.L3:]
			if wire.ParseIP(b, &ip) != wire.None || ip.Proto != wire.ProtoTCP {
				p.Release()
				continue
			}
			segment := b[ip.HeaderLen:ip.TotalLen]
			_, drop := wire.ParseTCP(segment, &h)
			sum := wire.Checksum(wire.Sum(segment, wire.PseudoSum(ip.Src, ip.Dst, ip.Proto, len(segment))))
			partial := p.Checksum == buf.ChecksumPartial
			p.Release()
			if h.DstPort != w.port || ip.Src.Netip() != w.server.Addr() {
				continue
			}
			if drop != wire.None || sum != 0 && !partial {
				t.Fatalf("%v: %v, checksum off by %#x", &h, drop, sum)
			}
			return h
		}
	}
}

// acknowledge completes a handshake as a client does whose SYN was this.
func (w *wired) acknowledge(t *testing.T, syn, synAck wire.TCP) {
	t.Helper()
	h := wire.TCP{Seq: syn.Seq + 1, Ack: synAck.Seq + 1, Flags: wire.ACK}
	if synAck.Options.Has(wire.OptTimestamps) {
		h.Options = wire.Options{Set: wire.OptTimestamps, TSVal: syn.Options.TSVal + 1, TSEcr: synAck.Options.TSVal}
	}
	w.send(t, h)
}

// newOurs is a host of ours with the keys and addresses of the kernel's side.
func newOurs(t *testing.T, s *side) (link.Link, []net.Listener) {
	t.Helper()
	ours, theirs := pipe.New(pipe.Options{})
	t.Cleanup(func() { theirs.Close() })
	host, err := handfast.New(handfast.Config{CookieKeys: newRing(t), TCP: tcp.Config{Cookies: tcp.CookiesAlways}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { host.Close() })
	if err := host.Attach(ours, handfast.LinkOptions{Addresses: stage.KernelAddrs}); err != nil {
		t.Fatal(err)
	}
	var all []net.Listener
	for _, to := range s.listen {
		l, err := host.Listen("tcp", to.String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return theirs, all
}

// said is what a cookie says, as the server that believes it has it.
type said struct {
	timestamps, sack, scale, ecn bool
	shift                        uint8
	mss                          int // that of a cookie's classes
}

// mixture is what a SYN offers.
type mixture struct {
	mss   uint16 // 0: nothing
	shift int    // -1: no scaling
	sack  bool
	stamp bool
	ecn   bool
}

func (m mixture) syn(isn uint32) wire.TCP {
	h := wire.TCP{Seq: seq.Num(isn), Flags: wire.SYN}
	if m.ecn {
		h.Flags |= wire.ECE | wire.CWR
	}
	if m.mss > 0 {
		h.Options.Set |= wire.OptMSS
		h.Options.MSS = m.mss
	}
	if m.shift >= 0 {
		h.Options.Set |= wire.OptWindowScale
		h.Options.WindowScale = uint8(m.shift)
	}
	if m.sack {
		h.Options.Set |= wire.OptSACKPermitted
	}
	if m.stamp {
		h.Options.Set |= wire.OptTimestamps
		h.Options.TSVal = isn * 3
	}
	return h
}

func mixtures() (all []mixture) {
	sizes, shifts := []uint16{0, 536, 1300, 1460, 9000}, []int{-1, 0, 7, 14}
	for i, mss := range sizes {
		for bits := range 8 {
			all = append(all, mixture{mss, shifts[(i+bits)%len(shifts)], bits&1 != 0, bits&2 != 0, bits&4 != 0})
		}
	}
	return all
}

// Cookies of the programs and those of a host of ours with the same seeds are equal bit for bit,
// whatever the SYN offers, and each side opens a connection from what the other has sent, with
// the same options.
func TestCookiesCross(t *testing.T) {
	s := newSide(t, false)
	a := s.arm(t, Options{Always: true, Shared: true})
	theirs, ours := newOurs(t, s)
	defer func() {
		if c, err := a.Counters(); t.Failed() {
			t.Logf("%+v, %v", c, err)
		}
	}()
	for family, to := range s.listen {
		for i, m := range mixtures() {
			w := wired{s.device, stage.OurAddrs[family].Addr(), to, uint16(2000 + i), "filler"[:i%4]}
			o := w
			o.link = theirs
			syn := m.syn(uint32(i+1) * 0x9e3779b9)
			w.send(t, syn)
			o.send(t, syn)
			kernels, host := w.answer(t), o.answer(t)
			compareAnswers(t, fmt.Sprintf("%v %+v", to, m), kernels, host)
			if t.Failed() {
				return
			}
			w.acknowledge(t, syn, host) // each gets what the other has sent
			o.acknowledge(t, syn, kernels)
			x, y := kernelSaid(t, s.servers[family]), hostSaid(t, ours[family])
			if to.Addr().Is6() { // the kernel takes no less
				x.mss, y.mss = max(x.mss, 1220), max(y.mss, 1220)
			}
			if x != y || x.sack != m.sack || x.timestamps != m.stamp || x.scale != (m.shift >= 0) {
				t.Errorf("%v %+v: the kernel has %+v, ours %+v", to, m, x, y)
			}
		}
	}
	if c, err := a.Counters(); err != nil || c.Received != 80 || c.Sent != 80 || c.Refused+c.Failed != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// compareAnswers compares two SYN-ACKs, but for what is each host's own: its window and scale,
// and the time.
func compareAnswers(t *testing.T, what string, kernels, host wire.TCP) {
	t.Helper()
	const saidByStamp = 1<<9 - 1
	x, y := kernels.Options, host.Options
	if kernels.Seq != host.Seq || kernels.Ack != host.Ack || kernels.Flags != host.Flags || x.Set != y.Set || x.MSS != y.MSS ||
		x.TSEcr != y.TSEcr || (x.TSVal^y.TSVal)&saidByStamp != 0 {
		t.Errorf("%s:\n%v\n%v", what, &kernels, &host)
	}
}

func kernelSaid(t *testing.T, l net.Listener) said {
	t.Helper()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.(*net.TCPConn).SetLinger(0) // by a RST: the four-tuple is free again
	i := infoOf(t, c)
	const timestamps, sack, scale, ecn = 1, 2, 4, 8
	has := func(bit uint8) bool { return i.Options&bit != 0 }
	return said{has(timestamps), has(sack), has(scale), has(ecn), shiftOf(i), int(i.Snd_mss)}
}

// shiftOf reads a field that package unix has no name for, on a little-endian machine.
func shiftOf(i *unix.TCPInfo) uint8 {
	return (*[8]uint8)(unsafe.Pointer(i))[6] & 15
}

func hostSaid(t *testing.T, l net.Listener) said {
	t.Helper()
	l.(*handfast.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	i, err := c.(*handfast.TCPConn).Info()
	if err != nil {
		t.Fatal(err)
	}
	return said{i.Timestamps, i.SACK, i.WindowScale, i.ECN, i.SndWscale, i.SndMSS}
}

// What is no cookie opens nothing and is dropped in silence, with timestamps among other options
// also. A good cookie whose timestamps stand elsewhere is found.
func TestBadCookies(t *testing.T) {
	s := newSide(t, false)
	a := s.arm(t, Options{Always: true})
	for family, to := range s.listen {
		w := wired{s.device, stage.OurAddrs[family].Addr(), to, 3000, ""}
		syn := mixture{1460, 7, true, true, false}.syn(1e9)
		w.send(t, syn)
		good := w.answer(t)
		for _, spoil := range []func(*wire.TCP){
			func(h *wire.TCP) { h.Seq++ },
			func(h *wire.TCP) { h.Seq += 1 << 30 },
			func(h *wire.TCP) { h.Options.TSVal++ },
			func(h *wire.TCP) { h.Options.Set &^= wire.OptTimestamps },
		} {
			bad := good
			spoil(&bad)
			w.acknowledge(t, syn, bad)
		}
		w.port++
		w.acknowledge(t, syn, good) // another four-tuple
		w.port--
		w.send(t, wire.TCP{Seq: syn.Seq + 1, Ack: good.Seq + 1, Flags: wire.ACK, Options: wire.Options{
			Set: wire.OptTimestamps | wire.OptSACK, SACKBlocks: 1, SACK: [4]wire.SACKBlock{{Left: 0x080a080a, Right: 0x080a080b}},
			TSVal: syn.Options.TSVal + 1, TSEcr: good.Options.TSVal}})
		if got := kernelSaid(t, s.servers[family]); !got.timestamps || !got.sack || got.shift != 7 {
			t.Errorf("%v: %+v", to, got)
		}
		if h := w.answer(t); h.Flags != wire.RST|wire.ACK || h.Seq != good.Seq+1 {
			t.Errorf("%v: %v, which is not how the server ends its connection", to, &h)
		}
	}
	if c, err := a.Counters(); err != nil || c.Sent != 2 || c.Failed != 10 || c.Received != 2 || c.Refused != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// Go's usual listener has Multipath TCP, which no cookie of ours can open: its SYNs pass, and the
// kernel answers as ever.
func TestMultipathPasses(t *testing.T) {
	s := newSide(t, true)
	if !isMultipath(t, s.servers[0]) {
		t.Skip("this kernel has no Multipath TCP")
	}
	a := s.arm(t, Options{Always: true})
	for family, to := range s.listen {
		w := wired{s.device, stage.OurAddrs[family].Addr(), to, 3500, ""}
		syn := mixture{1460, 7, true, true, false}.syn(1e9)
		w.send(t, syn)
		w.acknowledge(t, syn, w.answer(t))
		kernelSaid(t, s.servers[family])
	}
	if c, err := a.Counters(); err != nil || c.SYNs != 2 || c.MPTCP != 2 || c.Sent+c.Received+c.Failed != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

func isMultipath(t *testing.T, l net.Listener) bool {
	t.Helper()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	proto := 0
	raw.Control(func(fd uintptr) { proto, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PROTOCOL) })
	if err != nil {
		t.Fatal(err)
	}
	return proto == unix.IPPROTO_MPTCP
}
