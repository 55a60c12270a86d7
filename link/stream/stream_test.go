package stream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/stream"
)

var _ link.Link = (*stream.Link)(nil)

// framings are those that a stream of bytes carries.
var framings = []stream.Framing{stream.QEMU, stream.HyperkitBare, stream.Hyperkit, stream.Detect}

// encode is the wire's form of frames, written down a second time.
func encode(f stream.Framing, frames ...[]byte) (b []byte) {
	if f == stream.Hyperkit {
		b = append(make([]byte, 49), 1)
		copy(b, "VMN3T\x16")
		b = append(b, make([]byte, 40)...)
	}
	for _, frame := range frames {
		if f == stream.QEMU || f == stream.Detect {
			b = binary.BigEndian.AppendUint32(b, uint32(len(frame)))
		} else {
			b = binary.LittleEndian.AppendUint16(b, uint16(len(frame)))
		}
		b = append(b, frame...)
	}
	return b
}

// frameOf returns a frame of n bytes that can be told from others.
func frameOf(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)*7 + seed
	}
	return b
}

// chunked is a connection on which text comes in pieces, and then the end.
type chunked struct {
	net.Conn
	text  []byte
	sizes func() int
	wrote bytes.Buffer
}

func (c *chunked) Read(b []byte) (int, error) {
	if len(c.text) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.text[:min(c.sizes(), len(c.text))])
	c.text = c.text[n:]
	return n, nil
}

func (c *chunked) Write(b []byte) (int, error) { return c.wrote.Write(b) }
func (c *chunked) Close() error                { return nil }

// receive reads to the end, and returns copies of the frames and the reason.
func receive(l link.Link, room int) (frames [][]byte, err error) {
	batch := make([]*buf.Packet, room)
	for {
		n, err := l.Read(0, batch)
		for _, p := range batch[:n] {
			frames = append(frames, slices.Clone(p.Data))
			p.Release()
		}
		if err != nil {
			return frames, err
		}
	}
}

func newLink(t testing.TB, c net.Conn, o stream.Options) *stream.Link {
	t.Helper()
	l, err := stream.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// However the bytes come, the frames are the same.
func TestFramesInAnyChunks(t *testing.T) {
	frames := [][]byte{frameOf(14, 0), frameOf(60, 1), frameOf(1514, 2), frameOf(65535, 3), frameOf(15, 4), frameOf(9014, 5)}
	random := rand.New(rand.NewPCG(1, 2))
	chunkings := map[string]func() int{
		"one byte": func() int { return 1 }, "seven": func() int { return 7 }, "a page": func() int { return 4096 },
		"all": func() int { return 1 << 30 }, "random": func() int { return 1 + random.IntN(3000) },
	}
	for _, f := range framings {
		for name, sizes := range chunkings {
			for _, room := range []int{1, 3, 64} {
				l := newLink(t, &chunked{text: encode(f, frames...), sizes: sizes}, stream.Options{Framing: f})
				got, err := receive(l, room)
				if !errors.Is(err, io.EOF) || !slices.EqualFunc(got, frames, bytes.Equal) {
					t.Errorf("%v, %s, room for %d: %d frames of %d came, %v", f, name, room, len(got), len(frames), err)
				}
			}
		}
	}
}

// gvforwarder sends an HTTP request before its frames.
func TestRequestBeforeFrames(t *testing.T) {
	frames := [][]byte{frameOf(60, 1), frameOf(1514, 2)}
	request := "POST /connect HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 0\r\n\r\n"
	for _, size := range []int{1, 7, 1 << 20} {
		text := append([]byte(request), encode(stream.HyperkitBare, frames...)...)
		l := newLink(t, &chunked{text: text, sizes: func() int { return size }}, stream.Options{Framing: stream.HyperkitBare})
		if got, err := receive(l, 8); !errors.Is(err, io.EOF) || !slices.EqualFunc(got, frames, bytes.Equal) {
			t.Errorf("in pieces of %d: %d frames, %v", size, len(got), err)
		}
	}
	endless := append([]byte(request[:len(request)-4]), make([]byte, 5000)...)
	l := newLink(t, &chunked{text: endless, sizes: func() int { return 1000 }}, stream.Options{Framing: stream.HyperkitBare})
	if _, err := receive(l, 8); err == nil || !strings.Contains(err.Error(), "its HTTP request has more than") {
		t.Errorf("a request without end: %v", err)
	}
}

// What is no frame of the framing ends the link, after the frames before it, with a
// reason; what is too short for Ethernet is dropped.
func TestBadLengths(t *testing.T) {
	good := frameOf(60, 1)
	for _, c := range []struct {
		framing stream.Framing
		text    []byte
		frames  int
		want    string
	}{
		{stream.QEMU, append(encode(stream.QEMU, good), 0, 1, 0, 18), 1, "a frame of 65554 bytes"},
		{stream.QEMU, append(encode(stream.QEMU, good, good), 0xff, 0xff, 0xff, 0xff), 2, "4294967295 bytes"},
		{stream.QEMU, encode(stream.HyperkitBare, good), 0, "another framing than qemu"},
		{stream.QEMU, encode(stream.Hyperkit, good), 0, "its framing is Hyperkit"},
		{stream.Hyperkit, encode(stream.QEMU, good), 0, "not with hyperkit's greeting"},
		{stream.QEMU, encode(stream.QEMU, good)[:30], 0, "in the middle of a frame"},
		{stream.QEMU, encode(stream.QEMU, good)[:3], 0, "in the middle of a frame"},
		{stream.HyperkitBare, encode(stream.HyperkitBare, good)[:1], 0, "in the middle of a frame"},
		{stream.QEMU, encode(stream.QEMU, nil, good, good[:13], good), 2, "other end has closed"},
		{stream.HyperkitBare, encode(stream.HyperkitBare, nil, good, good[:13], good), 2, "other end has closed"},
		{stream.Hyperkit, append(append(encode(stream.Hyperkit)[:49], 9), make([]byte, 40)...), 0, "command 9"},
	} {
		l := newLink(t, &chunked{text: c.text, sizes: func() int { return 1 << 20 }}, stream.Options{Framing: c.framing})
		got, err := receive(l, 8)
		if err == nil || !strings.Contains(err.Error(), c.want) || len(got) != c.frames {
			t.Errorf("%v: %d frames, %v; want %d, %q", c.framing, len(got), err, c.frames, c.want)
		}
		if again := l.Write(0, nil); again == nil || again.Error() != err.Error() {
			t.Errorf("%v: Write then says %v", c.framing, again)
		}
	}
}

// pair returns two links, of a machine and of us, over each kind of socket.
func pair(t *testing.T, network string, f stream.Framing) (machine, ours *stream.Link) {
	address := t.TempDir() + "/s"
	l, err := stream.Listen(network, address, stream.Options{Framing: f, MTU: 9000})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	var from net.Addr
	if network == "unixgram" {
		from = &net.UnixAddr{Name: address + "-machine", Net: network}
	}
	c, err := (&net.Dialer{LocalAddr: from}).Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	theirs := f
	switch {
	case network != "unix":
		theirs = stream.Message
	case f == stream.Detect:
		theirs = stream.QEMU
	}
	if network == "unixgram" {
		c.Write([]byte("VFKT")) // Accept waits for the first datagram
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	if theirs == stream.Hyperkit {
		done := make(chan error, 1)
		go func() {
			mtu, _, err := stream.DialHyperkit(c, "01234567-89ab-cdef-0123-456789abcdef")
			if mtu != 9000 {
				err = errors.Join(err, fmt.Errorf("the handshake says an MTU of %d", mtu))
			}
			c.Write(encode(stream.HyperkitBare, frameOf(14, 0)))
			done <- err
		}()
		batch := make([]*buf.Packet, 1)
		if n, err := ours.Read(0, batch); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		batch[0].Release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		theirs = stream.HyperkitBare
	}
	return newLink(t, c, stream.Options{Framing: theirs, MTU: 9000}), ours
}

var kinds = []struct {
	network string
	framing stream.Framing
}{
	{"unix", stream.QEMU}, {"unix", stream.HyperkitBare}, {"unix", stream.Hyperkit}, {"unix", stream.Detect},
	{"unixgram", stream.Message}, {"unixpacket", stream.Message},
}

// packetOf is a frame as a host sends it: headers, then views.
func packetOf(frame []byte, pieces int) *buf.Packet {
	p := buf.NewPacket()
	p.Data = append(p.Data, frame[:14]...)
	for rest := frame[14:]; len(rest) > 0; pieces-- {
		n := len(rest)
		if pieces > 1 {
			n = min(n, 1+n/pieces)
		}
		b := buf.Get(n)
		copy(b.Bytes(), rest[:n])
		p.AddView(buf.MakeView(b, 0, n))
		rest = rest[n:]
	}
	return p
}

// Over each kind of socket many frames of all sizes arrive, whole and in order, both
// ways at once, as long as no queue is full.
func TestFramesBothWays(t *testing.T) {
	const rounds, perRound = 40, 32
	for _, k := range kinds {
		t.Run(fmt.Sprint(k.network, " ", k.framing), func(t *testing.T) {
			machine, ours := pair(t, k.network, k.framing)
			way := func(from, to link.Link, seed uint64) error {
				random := rand.New(rand.NewPCG(seed, 1))
				batch := make([]*buf.Packet, 64)
				for range rounds {
					var frames [][]byte
					var out []*buf.Packet
					for range perRound {
						frame := frameOf(14+random.IntN(9000), byte(random.Uint32()))
						frames, out = append(frames, frame), append(out, packetOf(frame, 1+random.IntN(4)))
					}
					if err := from.Write(0, out); err != nil {
						return err
					}
					for len(frames) > 0 {
						n, err := to.Read(0, batch)
						if err != nil {
							return err
						}
						for i, p := range batch[:n] {
							if !bytes.Equal(p.Data, frames[i]) || p.L3 != 14 {
								return fmt.Errorf("a frame of %d bytes came as one of %d", len(frames[i]), len(p.Data))
							}
							p.Release()
						}
						frames = frames[n:]
					}
				}
				return nil
			}
			if k.framing == stream.Detect { // our side must first hear which framing it is
				if err := way(machine, ours, 3); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan error, 1)
			go func() { done <- way(machine, ours, 1) }()
			if err := errors.Join(way(ours, machine, 2), <-done); err != nil {
				t.Error(err)
			}
		})
	}
}

// When the machine goes the link ends, and says so; Close ends a Read.
func TestEnds(t *testing.T) {
	for _, k := range kinds {
		machine, ours := pair(t, k.network, k.framing)
		machine.Close()
		_, err := receiveOrWrite(ours, k.network)
		if err == nil || errors.Is(err, link.ErrClosed) {
			t.Errorf("%s %v: the machine has gone, and Read says %v", k.network, k.framing, err)
		}
		machine, ours = pair(t, k.network, k.framing)
		done := make(chan error)
		go func() {
			_, err := receive(ours, 4)
			done <- err
		}()
		ours.Close()
		if err := <-done; !errors.Is(err, link.ErrClosed) {
			t.Errorf("%s %v: after Close Read says %v", k.network, k.framing, err)
		}
		if err := ours.Write(0, []*buf.Packet{packetOf(frameOf(60, 1), 1)}); !errors.Is(err, link.ErrClosed) {
			t.Errorf("%s %v: after Close Write says %v", k.network, k.framing, err)
		}
		machine.Close()
	}
}

// receiveOrWrite finds out that the other end has gone: of datagrams that is seen when
// something is sent.
func receiveOrWrite(l *stream.Link, network string) (frames [][]byte, err error) {
	if network == "unixgram" {
		l.Write(0, []*buf.Packet{packetOf(frameOf(60, 1), 1)})
	}
	return receive(l, 4)
}

// A machine that does not read costs a bounded queue, and nobody waits for it.
func TestFullQueueDrops(t *testing.T) {
	c, other := net.Pipe()
	defer other.Close()
	l := newLink(t, c, stream.Options{Queue: 10})
	for range 1000 {
		if err := l.Write(0, []*buf.Packet{packetOf(frameOf(100, 1), 1)}); err != nil {
			t.Fatal(err)
		}
	}
	// The goroutine that sends has at most one batch besides.
	if n := l.Drops().Write.Load(); n < 1000-10-64 || n > 1000-10 {
		t.Errorf("%d of 1000 frames were dropped", n)
	}
}

// What the link does not carry is dropped and counted, not sent.
func TestRefused(t *testing.T) {
	machine, ours := pair(t, "unix", stream.QEMU)
	partial, super := packetOf(frameOf(60, 1), 1), packetOf(frameOf(60, 1), 1)
	partial.Checksum, super.GSOSize = buf.ChecksumPartial, 1000
	batch := []*buf.Packet{partial, super, packetOf(frameOf(9019, 1), 1), packetOf(frameOf(9018, 2), 1)}
	if err := ours.Write(0, batch); err != nil {
		t.Fatal(err)
	}
	n, err := machine.Read(0, batch)
	if n != 1 || err != nil || len(batch[0].Data) != 9018 || ours.Drops().Write.Load() != 3 {
		t.Errorf("%d frames, %v, %d drops", n, err, ours.Drops().Write.Load())
	}
	batch[0].Release()
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		o    stream.Options
		want string
	}{
		{stream.Options{Framing: 9}, "Framing(9)"},
		{stream.Options{MTU: 40}, "stream.Options.MTU is 40"},
		{stream.Options{Queue: -1}, "stream.Options.Queue is -1"},
	} {
		if _, err := stream.New(nil, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

// Whatever comes, in whatever pieces, the link keeps what is before the first wrong
// length, and never more.
func FuzzReceive(f *testing.F) {
	good := frameOf(60, 1)
	for _, framing := range framings {
		f.Add(uint8(framing), uint16(5), encode(framing, good, nil, good[:9], frameOf(1514, 3)))
		f.Add(uint8(framing), uint16(1), append(encode(framing, good), 0xff, 0xff, 0xff, 0xff))
	}
	f.Fuzz(func(t *testing.T, framing uint8, size uint16, text []byte) {
		o := stream.Options{Framing: stream.Framing(framing) % 5}
		if o.Framing == stream.Message {
			o.Framing = stream.QEMU
		}
		var all [2][][]byte
		for i, sizes := range []func() int{func() int { return 1 << 20 }, func() int { return 1 + int(size) }} {
			l, err := stream.New(&chunked{text: text, sizes: sizes}, o)
			if err != nil {
				t.Fatal(err)
			}
			if all[i], err = receive(l, 1+int(size)%7); err == nil {
				t.Error("it did not end")
			}
			l.Close()
		}
		if !slices.EqualFunc(all[0], all[1], bytes.Equal) {
			t.Errorf("%v: %d frames, and in chunks of %d bytes %d", o.Framing, len(all[0]), 1+int(size), len(all[1]))
		}
	})
}
