package host

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// lender gives a host packets and text, and looks whether it gives their memory back.
type lender struct {
	*pair
	blocks []*buf.Block
}

// bring gives b a packet from a.
func (l *lender) bring(ip wire.IP, transport []byte) {
	packet := l.frame(wire.Ethernet{Dst: hwB, Src: hwA}, ip, transport)
	l.blocks = append(l.blocks, packet.Block)
	l.b.Receive(l.now, 0, packet)
}

// text is a view with a reference that its taker owns.
func (l *lender) text(n int) buf.View {
	b := buf.Get(n)
	l.blocks = append(l.blocks, b)
	return buf.MakeView(b, 0, copy(b.Bytes(), pattern(n)))
}

// fragment brings a piece of a datagram.
func (l *lender) fragment(id uint32, f piece) {
	ip := l.fromA(wire.ProtoUDP)
	whole := udp(ip, 1, 53, pattern(2992))
	ip.ID, ip.FragOffset, ip.MoreFragments = id, f.from, !f.last
	l.bring(ip, whole[f.from:f.to])
}

// Whatever becomes of a packet or of text, its memory goes back: what was refused, dropped,
// double, late or sent to nobody, too.
func TestMemoryGoesBack(t *testing.T) {
	for name, play := range map[string]func(l *lender){
		"sockets that are full": func(l *lender) {
			s := l.open(l.b, 53, wire.Addr{}, 0)
			s.SetReceiveBuffer(1)
			ip := l.fromA(wire.ProtoUDP)
			for range 3 {
				l.bring(ip, udp(ip, 1, 53, pattern(1000)))
			}
			d, _ := s.Receive()
			d.Payload.Release()
		},
		"sockets that are closed": func(l *lender) {
			s := l.open(l.b, 53, wire.Addr{}, 0)
			ip := l.fromA(wire.ProtoUDP)
			for range 3 {
				l.bring(ip, udp(ip, 1, 53, pattern(1000)))
			}
			l.b.CloseUDP(s)
		},
		"a full queue": func(l *lender) {
			for range 5 {
				l.bring(l.echoRequest(pattern(1000)))
			}
		},
		"fragments twice": func(l *lender) {
			for range 3 {
				l.fragment(1, piece{0, 1000, false})
				l.fragment(1, piece{2000, 3000, true})
			}
		},
		"fragments that overlap": func(l *lender) {
			l.fragment(1, piece{0, 1000, false})
			l.fragment(1, piece{2000, 3000, true})
			l.fragment(1, piece{800, 1800, false})
			l.fragment(1, piece{1000, 2000, false})
		},
		"fragments that are put together": func(l *lender) {
			s := l.open(l.b, 53, wire.Addr{}, 0)
			for _, f := range cut(3000, 1000) {
				l.fragment(1, f)
			}
			d, ok := s.Receive()
			if !ok || d.Payload.Len() != 2992 {
				l.Fatal("it was not put together")
			}
			d.Payload.Release()
		},
		"text without a way": func(l *lender) {
			client, _ := l.connect()
			l.a.RemoveRoute(netip.MustParsePrefix("10.0.0.0/24"), netip.Addr{}, 0)
			l.a.TCP().Send(l.now, client.Entry, l.text(4000))
			l.run()
			l.after(time.Second)
			l.a.TCP().Abort(l.now, client.Entry)
		},
		"text for ourselves": func(l *lender) {
			client, server := l.connectTo(l.a, l.addrA)
			for range 3 {
				l.a.TCP().Send(l.now, client.Entry, l.text(4000))
			}
			l.run()
			for _, v := range l.a.TCP().Take(l.now, server.Entry, 12000, nil) {
				v.Release()
			}
			l.a.TCP().Abort(l.now, server.Entry)
			l.run()
			l.a.TCP().Abort(l.now, client.Entry)
		},
		"text for a peer": func(l *lender) {
			client, server := l.connect()
			for range 3 {
				l.a.TCP().Send(l.now, client.Entry, l.text(4000))
			}
			l.run()
			for _, v := range l.b.TCP().Take(l.now, server.Entry, 12000, nil) {
				v.Release()
			}
			l.after(time.Second)
			l.b.TCP().Abort(l.now, server.Entry)
			l.run()
			l.a.TCP().Abort(l.now, client.Entry)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &lender{pair: newPair(t, config{host: Config{MaxQueued: 64}})}
			if name == "a full queue" {
				l.pair = newPair(t, config{host: Config{MaxQueued: 1}})
			}
			play(l)
			l.run()
			l.after(2 * time.Minute) // fragments are given up, and connections
			l.run()
			for i, b := range l.blocks {
				if n := reflect.ValueOf(b).Elem().FieldByName("refs").FieldByName("v").Int(); n != 0 {
					t.Errorf("block %d of %d has %d references left", i, len(l.blocks), n)
				}
			}
			if len(l.blocks) == 0 {
				t.Error("nothing was lent")
			}
		})
	}
}
