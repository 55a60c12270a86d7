package handfast_test

import (
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// seenLink notes the headers of what is written to it.
type seenLink struct {
	link.Link
	seen chan header
}

type header struct {
	ip  wire.IP
	tcp wire.TCP
	n   int
}

func (l seenLink) Write(queue int, batch []*buf.Packet) error {
	for _, p := range batch {
		var h header
		b := p.Data[p.L3:]
		if wire.ParseQuotedIP(b, &h.ip) != wire.None || h.ip.Proto != wire.ProtoTCP {
			continue
		}
		at, _ := wire.ParseTCP(b[h.ip.HeaderLen:], &h.tcp)
		h.n = h.ip.TotalLen - h.ip.HeaderLen - at
		l.seen <- h
	}
	return l.Link.Write(queue, batch)
}

// seen returns two hosts, and what each of them sends.
func seen(t *testing.T, o pipe.Options) (client, server *handfast.Host, ofClient, ofServer chan header) {
	a, b := pipe.New(o)
	ofClient, ofServer = make(chan header, 1000), make(chan header, 1000)
	client = newTestHost(t, handfast.Config{}, seenLink{a, ofClient}, clientIP+"/24")
	server = newTestHost(t, handfast.Config{}, seenLink{b, ofServer}, serverIP+"/24")
	return client, server, ofClient, ofServer
}

// All that either side sends has the fields that its program has asked for, SYN and SYN-ACK
// too; and the MSS option, the retries and the low-water mark are those that it has set.
func TestOptionsBeforehand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, ofClient, ofServer := seen(t, pipe.Options{})
		defer client.Close()
		defer server.Close()
		l, err := server.ListenTCP("tcp", ":80", handfast.ListenOptions{TOS: 0xb9, TTL: 9, MaxSegment: 700, SynRetries: 1, NotSentLowat: 5000})
		if err != nil {
			t.Fatal(err)
		}
		d := handfast.Dialer{Host: client, TOS: 0x20, TTL: 7, MaxSegment: 800, SynRetries: 1, NotSentLowat: 6000}
		conn, err := d.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		c := conn.(*handfast.TCPConn)
		s, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		c.Write(make([]byte, 2000))
		s.Write(make([]byte, 2000))
		io.ReadFull(c, make([]byte, 2000))
		io.ReadFull(s, make([]byte, 2000))
		synctest.Wait()
		if i, err := c.Info(); err != nil || i.TOS != 0x20 || i.TTL != 7 || i.AdvMSS != 800 || i.SndMSS != 700-12 {
			t.Errorf("%+v, %v", i, err)
		}
		if err := errors.Join(c.SetTOS(0), c.SetTTL(-1)); err != nil {
			t.Error(err)
		}
		wantFields(t, "the client", ofClient, 0x20, 7, 800)
		wantFields(t, "the server", ofServer, 0xb8, 9, 700)
		c.Write([]byte("x"))
		io.ReadFull(s, make([]byte, 1))
		wantFields(t, "the client", ofClient, 0, 64, 0)
		for _, n := range []int{-1, 256} {
			if err := c.SetTOS(n); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("TOS %d: %v", n, err)
			}
		}
		for _, n := range []int{-2, 0, 256} {
			if err := c.SetTTL(n); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("TTL %d: %v", n, err)
			}
		}
		if _, err := (&handfast.Dialer{Host: client, MaxSegment: 87}).Dial("tcp", serverIP+":80"); err == nil {
			t.Error("a dial with segments of 87 bytes")
		}
		start := time.Now()
		if _, err := (&handfast.Dialer{Host: client, SynRetries: 1}).Dial("tcp", "10.9.8.7:80"); err == nil || time.Since(start) > 4*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func wantFields(t *testing.T, who string, seen chan header, tos, ttl uint8, mss uint16) {
	t.Helper()
	for n := len(seen); n > 0; n-- {
		switch h := <-seen; {
		case h.ip.TOS&^3 != tos || h.ip.TTL != ttl:
			t.Errorf("%s sends TOS %#x and TTL %d in %v", who, h.ip.TOS, h.ip.TTL, &h.tcp)
		case h.tcp.Flags.Has(wire.SYN) && h.tcp.Options.MSS != mss, h.n > 1460:
			t.Errorf("%s sends %v", who, &h.tcp)
		}
	}
}

// Pieces that are written with a cork, or with more to come, are one segment.
func TestPiecesAreOneSegment(t *testing.T) {
	for name, write := range map[string]func(c *handfast.TCPConn){
		"cork": func(c *handfast.TCPConn) {
			c.SetCork(true)
			for range 10 {
				c.Write(make([]byte, 10))
				time.Sleep(time.Millisecond)
			}
			c.SetCork(false)
		},
		"more": func(c *handfast.TCPConn) {
			for range 9 {
				c.WriteMore(make([]byte, 10))
				time.Sleep(time.Millisecond)
			}
			c.Write(make([]byte, 10))
		},
		"more, and nothing comes": func(c *handfast.TCPConn) { c.WriteMore(make([]byte, 100)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server, ofClient, _ := seen(t, pipe.Options{})
				defer client.Close()
				defer server.Close()
				c, s := connect(t, client, listen(t, server, ":80"))
				synctest.Wait()
				for len(ofClient) > 0 {
					<-ofClient
				}
				start := time.Now()
				write(c)
				io.ReadFull(s, make([]byte, 100))
				if took := time.Since(start); took > 300*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				if h := <-ofClient; h.n != 100 || !h.tcp.Flags.Has(wire.PSH) {
					t.Errorf("%d bytes, %v", h.n, h.tcp.Flags)
				}
			})
		})
	}
}

// What Peek shows is still there, and how much waits on either side can be asked.
func TestPeekAndQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := newNet(t, handfast.Config{}, pipe.Options{})
		defer client.Close()
		defer server.Close()
		c, s := connect(t, client, listen(t, server, ":80"))
		shown := make([]byte, 3)
		done := make(chan error)
		go func() {
			_, err := io.ReadFull(peeker{s}, shown)
			done <- err
		}()
		synctest.Wait()
		c.Write([]byte("hello"))
		if err := <-done; err != nil || string(shown) != "hel" {
			t.Errorf("%q, %v", shown, err)
		}
		synctest.Wait()
		if in, _, _, err := s.Queued(); in != 5 || err != nil {
			t.Errorf("%d wait to be read, %v", in, err)
		}
		all := make([]byte, 10)
		if n, err := s.Peek(all); n != 5 || err != nil {
			t.Errorf("%q, %v", all[:n], err)
		}
		if n, err := s.Read(all); string(all[:n]) != "hello" || err != nil {
			t.Errorf("%q, %v", all[:n], err)
		}
		s.SetCork(true)
		s.Write(all[:7])
		if _, out, notSent, err := s.Queued(); out != 7 || notSent != 7 || err != nil {
			t.Errorf("%d wait, %d to be sent, %v", out, notSent, err)
		}
		s.CloseWrite()
		synctest.Wait()
		if _, out, notSent, err := s.Queued(); out != 0 || notSent != 0 || err != nil {
			t.Errorf("%d wait, %d to be sent, %v", out, notSent, err)
		}
		io.ReadAll(c)
		if n, err := c.Peek(all); n != 0 || err != io.EOF {
			t.Errorf("%d, %v at the end", n, err)
		}
		s.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := s.Peek(all); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d, %v at the deadline", n, err)
		}
	})
}

// peeker reads by Peek.
type peeker struct{ c *handfast.TCPConn }

func (p peeker) Read(b []byte) (int, error) { return p.c.Peek(b) }

// An ACK that would wait leaves when the program asks for quick ones.
func TestQuickAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, ofClient, _ := seen(t, pipe.Options{})
		defer client.Close()
		defer server.Close()
		c, s := connect(t, client, listen(t, server, ":80"))
		for i, quick := range []bool{false, true} {
			c.SetQuickAck(quick)
			synctest.Wait()
			for len(ofClient) > 0 {
				<-ofClient
			}
			s.Write([]byte("x"))
			synctest.Wait()
			if (len(ofClient) > 0) != quick {
				t.Errorf("%d: quick %v, and %d ACKs", i, quick, len(ofClient))
			}
		}
		c.SetQuickAck(false)
		s.Write([]byte("x"))
		synctest.Wait()
		before := len(ofClient)
		c.SetQuickAck(true)
		synctest.Wait()
		if len(ofClient) != before+1 {
			t.Errorf("%d ACKs, and %d before", len(ofClient), before)
		}
	})
}

// A record that was ended shares no segment with what is written behind it, and one of a large
// write ends with it.
func TestWriteRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, ofClient, _ := seen(t, pipe.Options{})
		defer client.Close()
		defer server.Close()
		c, s := connect(t, client, listen(t, server, ":80"))
		synctest.Wait()
		for len(ofClient) > 0 {
			<-ofClient
		}
		c.SetCork(true) // so that all of it leaves at once
		c.WriteRecord(make([]byte, 10))
		c.WriteRecord(make([]byte, 70_000))
		c.Write(make([]byte, 5))
		c.SetCork(false)
		io.ReadFull(s, make([]byte, 70_015))
		synctest.Wait()
		ends := map[int]bool{}
		for at := 0; len(ofClient) > 0; {
			if h := <-ofClient; h.n > 0 {
				at += h.n
				ends[at] = true
			}
		}
		if !ends[10] || !ends[70_010] || !ends[70_015] {
			t.Errorf("segments end at %v", ends)
		}
	})
}

// With DeferAccept a connection is there with its first text.
func TestDeferAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server, _, _ := seen(t, pipe.Options{})
		defer client.Close()
		defer server.Close()
		if _, err := server.ListenTCP("tcp", ":81", handfast.ListenOptions{DeferAccept: -time.Second}); err == nil {
			t.Error("less than nothing is taken")
		}
		l, err := server.ListenTCP("tcp", ":80", handfast.ListenOptions{DeferAccept: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.AfterFunc(5*time.Second, func() { c.Write([]byte("hello")) })
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 5*time.Second || took > 6*time.Second {
			t.Errorf("it was accepted after %v", took)
		}
		if n, _ := s.Read(make([]byte, 10)); n != 5 {
			t.Errorf("%d bytes", n)
		}
	})
}
