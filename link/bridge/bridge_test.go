package bridge_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/bridge"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// station is a machine on the bridge.
type station struct {
	link    link.Link
	address link.HardwareAddr
	ended   chan error
}

var group = link.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func (s *station) send(t *testing.T, to link.HardwareAddr, number int) {
	s.sendFrom(t, s.address, to, number)
}

func (s *station) sendFrom(t *testing.T, from, to link.HardwareAddr, number int) {
	t.Helper()
	p := buf.NewPacket()
	p.Data = append(append(append(p.Data, to[:]...), from[:]...), 0x88, 0xb5)
	p.Data = binary.BigEndian.AppendUint32(p.Data, uint32(number))
	if err := s.link.Write(0, []*buf.Packet{p}); err != nil {
		t.Fatal(err)
	}
}

// want reads one frame.
func (s *station) want(t *testing.T, number int) {
	t.Helper()
	batch := make([]*buf.Packet, 1)
	if _, err := s.link.Read(0, batch); err != nil {
		t.Fatal(err)
	}
	if got := int(binary.BigEndian.Uint32(batch[0].Data[14:])); got != number {
		t.Errorf("frame %d came, want %d", got, number)
	}
	batch[0].Release()
}

func newBridge(t *testing.T, o bridge.Options) *bridge.Bridge {
	b, err := bridge.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// plugIn connects a station. Its first frame, to a group, is how one knows that it is there.
func plugIn(t *testing.T, b *bridge.Bridge, n byte) *station {
	mine, port := pipe.New(pipe.Options{Name: fmt.Sprint("m", n), Medium: link.Ethernet})
	s := &station{link: mine, address: link.HardwareAddr{2, 0, 0, 0, 1, n}, ended: make(chan error, 1)}
	go func() { s.ended <- b.Serve(port) }()
	t.Cleanup(func() { mine.Close() })
	before := b.Counters().Flooded.Load()
	s.send(t, group, 1000)
	for b.Counters().Flooded.Load() == before {
		// it is on its way
	}
	return s
}

// Frames to groups and unknown addresses go to all others; to a known one to that only.
func TestLearnsAndFloods(t *testing.T) {
	b := newBridge(t, bridge.Options{})
	end, err := b.Host(bridge.Host{})
	if err != nil {
		t.Fatal(err)
	}
	host := &station{link: end, address: end.Attributes().HardwareAddr}
	one := plugIn(t, b, 1)
	host.want(t, 1000)
	two := plugIn(t, b, 2)
	host.want(t, 1000)
	one.want(t, 1000)
	three := plugIn(t, b, 3)
	host.want(t, 1000)
	one.want(t, 1000)
	two.want(t, 1000)

	one.send(t, two.address, 1) // known: nobody else gets it
	two.want(t, 1)
	two.send(t, link.HardwareAddr{2, 0, 0, 0, 9, 9}, 2) // unknown
	for _, s := range []*station{host, one, three} {
		s.want(t, 2)
	}
	one.send(t, host.address, 3)
	host.want(t, 3)
	host.send(t, three.address, 4)
	three.want(t, 4)

	two.send(t, two.address, 5)                               // where it is already
	two.send(t, link.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0}, 5) // spanning tree
	two.sendFrom(t, group, one.address, 5)                    // from nobody
	two.sendFrom(t, host.address, one.address, 5)             // from the host
	two.sendFrom(t, three.address, one.address, 6)            // three has moved
	one.want(t, 6)
	one.send(t, three.address, 7)
	two.want(t, 7)
	c := b.Counters()
	if f, i, s := c.Filtered.Load(), c.Invalid.Load(), c.Spoofed.Load(); f != 2 || i != 1 || s != 1 {
		t.Errorf("%d filtered, %d invalid, %d spoofed", f, i, s)
	}
}

// A machine that goes frees its port, and what was known of it; Close ends the others.
func TestPortsComeAndGo(t *testing.T) {
	b := newBridge(t, bridge.Options{Ports: 2})
	one, two := plugIn(t, b, 1), plugIn(t, b, 2)
	one.want(t, 1000)
	a, third := pipe.New(pipe.Options{Medium: link.Ethernet})
	if err := b.Serve(third); err == nil || !strings.Contains(err.Error(), "all 2 ports are in use") {
		t.Errorf("a third machine: %v", err)
	}
	a.Close()
	ipLink, _ := pipe.New(pipe.Options{})
	if err := b.Serve(ipLink); err == nil || !strings.Contains(err.Error(), "must be an Ethernet link") {
		t.Errorf("a link of IP packets: %v", err)
	}

	b.Close()
	for _, s := range []*station{one, two} {
		if err := <-s.ended; !errors.Is(err, link.ErrClosed) {
			t.Errorf("Serve says %v", err)
		}
	}
	_, late := pipe.New(pipe.Options{Medium: link.Ethernet})
	if err := b.Serve(late); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close Serve says %v", err)
	}
	if _, err := b.Host(bridge.Host{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close Host says %v", err)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		o    bridge.Options
		want string
	}{
		{bridge.Options{Ports: 5000}, "bridge.Options.Ports is 5000"},
		{bridge.Options{Addresses: -1}, "bridge.Options.Addresses is -1"},
		{bridge.Options{Age: 1}, "bridge.Options.Age is 1ns"},
	} {
		if _, err := bridge.New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
