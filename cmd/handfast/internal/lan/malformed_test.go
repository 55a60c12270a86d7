package lan

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// What machines send that is none, or too much: requests of DHCP with any byte changed, and
// solicitations without end.

// requests are right ones, of each kind that a server answers.
func requests(tb testing.TB) (all [][]byte) {
	for _, kind := range []dhcpv4.MessageType{dhcpv4.MessageTypeDiscover, dhcpv4.MessageTypeRequest, dhcpv4.MessageTypeRelease, dhcpv4.MessageTypeDecline, dhcpv4.MessageTypeInform} {
		r, err := dhcpv4.New(dhcpv4.WithHwAddr(mac(1)), dhcpv4.WithMessageType(kind), wanting("10.1.1.2"),
			dhcpv4.WithOption(dhcpv4.OptServerIdentifier(net.IPv4(10, 1, 1, 1))), dhcpv4.WithGeneric(dhcpv4.OptionHostName, []byte("machine")))
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, r.ToBytes())
	}
	return all
}

// answerAnything has a server take a datagram, and holds what it gives against what it may.
func answerAnything(t *testing.T, s *Server, b []byte) {
	request, err := dhcpv4.FromBytes(b)
	if err != nil {
		return
	}
	answer := s.answer(start, request)
	if n := len(s.leases.holders); n > 5 || len(s.leases.taken) > 5 {
		t.Fatalf("%d leases of 5 addresses", n)
	}
	if answer == nil {
		return
	}
	if a := addressOf(answer.YourIPAddr); a.IsValid() && !s.leases.isInside(a) || answer.OpCode != dhcpv4.OpcodeBootReply || answer.TransactionID != request.TransactionID {
		t.Fatalf("% x is answered by\n%s", b, answer.Summary())
	}
	if size := len(answer.ToBytes()); size > 1400 {
		t.Fatalf("an answer of %d bytes", size)
	}
}

// Any byte of a request changed, any end of it missing, many at once: the answer, if there is
// one, gives an address of the network, and there are never more leases than addresses.
func TestMalformedRequests(t *testing.T) {
	s := NewServer(network, func(net.HardwareAddr, netip.Addr) {})
	r := rand.New(rand.NewPCG(1, 3))
	for _, good := range requests(t) {
		for n := range good {
			answerAnything(t, s, good[:n])
		}
		for range 20_000 {
			b := append([]byte(nil), good...)
			for range 1 + r.IntN(4) {
				at := r.IntN(len(b))
				if r.IntN(2) == 0 { // among the options
					at = min(240+r.IntN(40), len(b)-1)
				}
				b[at] = byte(r.Uint32())
			}
			answerAnything(t, s, b)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, good := range requests(f) {
		f.Add(good)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		answerAnything(t, NewServer(network, func(net.HardwareAddr, netip.Addr) {}), b)
	})
}

// A frame of any kind and length is one that asks for a router, or is none.
func FuzzSolicitation(f *testing.F) {
	f.Add(solicitation())
	f.Add(solicitation()[:54])
	f.Fuzz(func(t *testing.T, b []byte) { isSolicitation(b) })
}

// solicitation is the least that asks for a router.
func solicitation() []byte {
	b := make([]byte, 62)
	b[12], b[13], b[14] = 0x86, 0xdd, 0x60
	b[20], b[21], b[54] = 58, 255, 133
	return b
}

// RFC 4861 §6.2.6: however many machines ask, and how often, all machines are told once in
// three seconds at most, and at the latest then.
func TestAdvertisementsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, machine := pipe.New(pipe.Options{Medium: link.Ethernet})
		r := NewRouter(ours, network)
		go func() {
			for batch := make([]*buf.Packet, 4); ; {
				n, err := r.Read(0, batch)
				if err != nil {
					return
				}
				for _, p := range batch[:n] {
					p.Release()
				}
			}
		}()
		var told []time.Duration
		began := time.Now()
		go func() {
			for batch := make([]*buf.Packet, 1); ; {
				if _, err := machine.Read(0, batch); err != nil {
					return
				}
				told = append(told, time.Since(began))
				batch[0].Release()
			}
		}()
		for range 1000 {
			p := buf.NewPacket()
			p.Data = append(p.Data, solicitation()...)
			machine.Write(0, []*buf.Packet{p})
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(told) != 5 { // at once, after 3, 6 and 9 s, and for who asked last
			t.Errorf("told at %v", told)
		}
		for i := 1; i < len(told); i++ {
			if apart := told[i] - told[i-1]; apart < 3*time.Second || apart > 3*time.Second+10*time.Millisecond {
				t.Errorf("told at %v", told)
			}
		}
		r.Close()
		machine.Close()
		synctest.Wait()
	})
}
