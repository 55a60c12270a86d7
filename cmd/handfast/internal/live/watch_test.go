package live

import (
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/link"
)

// packetFrom returns the headers of a segment from the kernel to us.
func packetFrom(from, to netip.AddrPort, f wire.Flags) []byte {
	src, dst := wire.AddrFrom(from.Addr()), wire.AddrFrom(to.Addr())
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: src, Dst: dst}
	if from.Addr().Is6() {
		ip.Version = 6
	}
	h := wire.TCP{SrcPort: from.Port(), DstPort: to.Port(), Flags: f}
	return h.Append(ip.Append(nil, h.HeaderLen()))
}

func TestParseSegment(t *testing.T) {
	for _, ends := range [][2]string{{"10.77.0.1:40000", "10.77.0.2:80"}, {"[fd77::1]:40000", "[fd77::2]:80"}} {
		from, to := netip.MustParseAddrPort(ends[0]), netip.MustParseAddrPort(ends[1])
		b := packetFrom(from, to, wire.SYN|wire.ACK)
		if s, ok := parseSegment(b); !ok || s.src != from || s.dst != to || s.flags != wire.SYN|wire.ACK {
			t.Errorf("%v: %+v, %v", ends, s, ok)
		}
		for n := range b[:len(b)-6] {
			if s, ok := parseSegment(b[:n]); ok {
				t.Errorf("%v: %+v of %d bytes", ends, s, n)
			}
		}
	}
}

// scriptedLink reads what it is told to.
type scriptedLink struct {
	link.Link
	in [][]byte
}

func (l *scriptedLink) Attributes() link.Attributes { return link.Attributes{Medium: link.IP} }

func (l *scriptedLink) Read(_ int, batch []*buf.Packet) (int, error) {
	batch[0], l.in = &buf.Packet{Data: l.in[0]}, l.in[1:]
	return 1, nil
}

func (l *scriptedLink) Write(int, []*buf.Packet) error { return nil }

// The kernel is asked while its state may change, and left alone in between.
func TestWatchedLink(t *testing.T) {
	kernel, ours := netip.MustParseAddrPort("10.77.0.1:40000"), netip.MustParseAddrPort("10.77.0.2:80")
	states := []tcp.State{tcp.SynSent, tcp.SynSent, tcp.Established, tcp.FinWait1, tcp.TimeWait}
	asked := 0
	w := &Watched{Link: &scriptedLink{}, Recorder: New(one), State: func(local, remote netip.AddrPort) (tcp.State, error) {
		if local != kernel || remote != ours {
			t.Errorf("asked for %v to %v", local, remote)
		}
		asked++
		return states[asked-1], nil
	}}
	read := func(why string, f wire.Flags, want int) {
		t.Helper()
		w.Link.(*scriptedLink).in = [][]byte{packetFrom(kernel, ours, f)}
		if w.Read(0, make([]*buf.Packet, 1)); asked != want {
			t.Errorf("%s: asked %d times, want %d", why, asked, want)
		}
	}
	write := func(why string, f wire.Flags, want int) {
		t.Helper()
		if w.Write(0, []*buf.Packet{{Data: packetFrom(ours, kernel, f)}}); asked != want {
			t.Errorf("%s: asked %d times, want %d", why, asked, want)
		}
	}
	read("SYN", wire.SYN, 1)
	write("SYN-ACK, which the kernel has not looked at yet", wire.SYN|wire.ACK, 2)
	read("last ACK of the handshake", wire.ACK, 3)
	read("data", wire.ACK, 3)
	write("data", wire.ACK, 3)
	read("FIN", wire.FIN|wire.ACK, 4)
	write("our FIN", wire.FIN|wire.ACK, 5)
	var seen []tcp.State
	for _, s := range w.Recorder.Tell(story.TellOptions{}).Steps {
		seen = append(seen, s.State)
	}
	if len(seen) != 4 {
		t.Errorf("states %v", seen)
	}
}
