package stream_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/stream"
)

// Why nothing can listen there is said, with what to do; what a dead program has left
// is replaced.
func TestListenErrors(t *testing.T) {
	dir := t.TempDir()
	file, live, dead := filepath.Join(dir, "file"), filepath.Join(dir, "live"), filepath.Join(dir, "dead")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", live)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, network := range []string{"unix", "unixgram", "unixpacket"} {
		for path, want := range map[string]string{
			"":                       "is no name of a socket",
			strings.Repeat("x", 200): "choose a shorter one",
			dir + "/none/s":          "there is no directory " + dir + "/none",
			file:                     "exists and is no socket",
			live:                     "listens on " + live + " already",
		} {
			if _, err := stream.Listen(network, path, stream.Options{}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %v, want %q", network, path, err, want)
			}
		}
	}
	if _, err := stream.Listen("udp", "", stream.Options{}); err == nil || !strings.Contains(err.Error(), "unixgram") {
		t.Error(err)
	}

	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: dead, Net: "unixgram"})
	if err != nil {
		t.Skip(err)
	}
	c.Close() // leaves the file
	s, err := stream.Listen("unixgram", dead, stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close the socket is there: %v", err)
	}
	if _, err := s.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close Accept says %v", err)
	}
}

// On unixgram one machine comes after the other. What the first datagram holds is a
// frame, unless it is vfkit's greeting.
func TestMachinesOnDatagrams(t *testing.T) {
	path := t.TempDir() + "/s"
	l, err := stream.Listen("unixgram", path, stream.Options{})
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	for round, greeting := range []string{"VFKT", "", "VFKT", ""} {
		from := &net.UnixAddr{Name: path + "-machine", Net: "unixgram"}
		c, err := net.DialUnix("unixgram", from, &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		if greeting != "" {
			c.Write([]byte(greeting))
		}
		c.Write(frameOf(100+round, 1))
		c.Write(frameOf(200+round, 1))
		link, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		var sizes []int
		batch := make([]*buf.Packet, 4)
		for len(sizes) < 2 {
			n, err := link.Read(0, batch)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range batch[:n] {
				sizes = append(sizes, len(p.Data))
				p.Release()
			}
		}
		if sizes[0] != 100+round || sizes[1] != 200+round {
			t.Errorf("round %d: frames of %v bytes", round, sizes)
		}
		c.Close()
		os.Remove(from.Name)
		link.Close() // and the next one can come
	}
}
