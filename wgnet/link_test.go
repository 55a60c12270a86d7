package wgnet_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"golang.zx2c4.com/wireguard/tun"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/wgnet"
)

// A host reaches a network over its device.
func TestLink(t *testing.T) {
	checkGoroutines(t)
	d, n, err := wgnet.CreateNetTUN([]netip.Addr{far4, far6}, nil, mtu)
	if err != nil {
		t.Fatal(err)
	}
	l, err := wgnet.Link(d)
	if err != nil {
		t.Fatal(err)
	}
	if a := l.Attributes(); a.Name != "go" || a.MTU != mtu || a.Medium != link.IP {
		t.Errorf("%+v", a)
	}
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.PrefixFrom(near4, 24), netip.PrefixFrom(near6, 64)}}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []netip.Addr{far4, far6} {
		listener, err := n.ListenTCPAddrPort(netip.AddrPortFrom(at, 7))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := listener.Accept(); err == nil {
				io.Copy(c, c)
				c.Close()
			}
		}()
		echo(t, func() (net.Conn, error) { return h.Dial("tcp", netip.AddrPortFrom(at, 7).String()) })
	}
	if l.Drops() != 0 {
		t.Errorf("%d drops", l.Drops())
	}
}

// echo sends much to a server that sends it back.
func echo(t *testing.T, dial func() (net.Conn, error)) {
	t.Helper()
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{}).Read(sent)
	var writer sync.WaitGroup
	writer.Go(func() {
		c.Write(sent)
		c.(interface{ CloseWrite() error }).CloseWrite()
	})
	got, err := io.ReadAll(c)
	writer.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
}

// fake is a device that does what its functions do.
type fake struct {
	tun.Device
	read   func(bufs [][]byte, sizes []int, offset int) (int, error)
	write  func(bufs [][]byte, offset int) (int, error)
	batch  int
	events chan tun.Event
	once   sync.Once
}

var errOfTest = errors.New("the driver says no")

func (f *fake) Name() (string, error)                             { return "fake0", nil }
func (f *fake) MTU() (int, error)                                 { return 1500, nil }
func (f *fake) BatchSize() int                                    { return max(f.batch, 1) }
func (f *fake) Events() <-chan tun.Event                          { return f.events }
func (f *fake) Read(b [][]byte, s []int, offset int) (int, error) { return f.read(b, s, offset) }
func (f *fake) Write(b [][]byte, offset int) (int, error)         { return f.write(b, offset) }
func (f *fake) Close() error {
	f.once.Do(func() { close(f.events) })
	return nil
}

func newFake(t *testing.T, f *fake) *wgnet.TUN {
	t.Helper()
	f.events = make(chan tun.Event)
	l, err := wgnet.Link(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// The device's events are taken, more of them than any channel holds.
func TestLinkTakesEvents(t *testing.T) {
	f := &fake{}
	newFake(t, f)
	for range 100 {
		f.events <- tun.EventDown
	}
}

// What a device says when it has nothing to give, too much, or is gone.
func TestLinkRead(t *testing.T) {
	answers := []struct {
		sizes []int
		err   error
	}{{[]int{3, 0, 2}, nil}, {nil, nil}, {[]int{1, 1, 1, 1}, tun.ErrTooManySegments}, {nil, tun.ErrTooManySegments}, {nil, errOfTest}}
	next := byte(0)
	l := newFake(t, &fake{batch: 4, read: func(bufs [][]byte, sizes []int, offset int) (int, error) {
		a := answers[0]
		answers = answers[1:]
		for i, size := range a.sizes {
			for j := range size {
				next++
				bufs[i][offset+j] = next
			}
			sizes[i] = size
		}
		return len(a.sizes), a.err
	}})
	var got []string
	for {
		batch := make([]*buf.Packet, 3)
		n, err := l.Read(0, batch)
		if err != nil {
			if !errors.Is(err, errOfTest) || err.Error() != "device fake0 is gone: the driver says no" {
				t.Error(err)
			}
			break
		}
		for _, p := range batch[:n] {
			got = append(got, string(p.Data))
			p.Release()
		}
	}
	want := []string{"\x01\x02\x03", "\x04\x05", "\x06", "\x07", "\x08", "\x09"}
	if len(got) != len(want) {
		t.Fatalf("%q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("packet %d is %q, want %q", i, got[i], want[i])
		}
	}
}

// A driver that refuses packets costs these; one whose device is closed, the link.
func TestLinkWrite(t *testing.T) {
	var say error
	l := newFake(t, &fake{batch: 2, write: func(bufs [][]byte, offset int) (int, error) { return 0, say }})
	write := func() error {
		var batch []*buf.Packet
		for range 5 {
			p := buf.NewPacket()
			p.Data = append(p.Data, make([]byte, 100)...)
			batch = append(batch, p)
		}
		return l.Write(0, batch)
	}
	say = errOfTest
	if err := write(); err != nil || l.Drops() != 5 {
		t.Errorf("%v, %d drops", err, l.Drops())
	}
	say = os.ErrClosed
	if err := write(); err == nil || errors.Is(err, link.ErrClosed) {
		t.Errorf("a device that is gone: %v", err)
	}
	l.Close()
	if err := write(); !errors.Is(err, link.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
