package handfast_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// Two listeners may share a port when no connection could be meant for both.
func TestListenConflicts(t *testing.T) {
	type at struct{ network, address string }
	for _, test := range []struct {
		first, second at
		conflict      bool
	}{
		{at{"tcp", ":80"}, at{"tcp", ":80"}, true},
		{at{"tcp", ":80"}, at{"tcp", ":81"}, false},
		{at{"tcp", ":80"}, at{"tcp", serverIP + ":80"}, true},
		{at{"tcp", serverIP + ":80"}, at{"tcp4", "0.0.0.0:80"}, true},
		{at{"tcp", serverIP + ":80"}, at{"tcp6", ":80"}, false},
		{at{"tcp", serverIP + ":80"}, at{"tcp", "[fd00::2]:80"}, false},
		{at{"tcp", "[fd00::2]:80"}, at{"tcp", "[::]:80"}, true},
		{at{"tcp4", ":80"}, at{"tcp6", ":80"}, false},
		{at{"tcp4", ":80"}, at{"tcp", ":80"}, true},
	} {
		_, server := newNet(t, handfast.Config{}, pipe.Options{})
		if _, err := server.Listen(test.first.network, test.first.address); err != nil {
			t.Fatal(err)
		}
		l, err := server.Listen(test.second.network, test.second.address)
		if got := errors.Is(err, syscall.EADDRINUSE); got != test.conflict || !got && err != nil {
			t.Errorf("%v, then %v: %v, %v", test.first, test.second, l, err)
		}
	}
}

// A port is free again when its listener is closed, also one of several.
func TestListenAgain(t *testing.T) {
	_, server := newNet(t, handfast.Config{}, pipe.Options{})
	other := listen(t, server, "[fd00::2]:80")
	for range 3 {
		if err := listen(t, server, serverIP+":80").Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := server.Listen("tcp", other.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Error("the other one's port:", err)
	}
}

func TestListenOneFamily(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	for network, refused := range map[string]string{"tcp4": "[fd00::2]:", "tcp6": serverIP + ":"} {
		l, err := server.Listen(network, ":0")
		if err != nil {
			t.Fatal(err)
		}
		go l.Accept()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		c, err := client.Dial("tcp", refused+port)
		if err == nil {
			// A listener for IPv6 alone resets what comes by IPv4 after the handshake.
			_, err = c.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s answers at %s: %v", network, refused, err)
		}
	}
}

// Connections that fall on different shards are all accepted.
func TestAcceptFromAllShards(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 8}, pipe.Options{})
	l := listen(t, server, ":80")
	const n = 100
	dialled := make(chan string, n)
	for range n {
		go func() {
			c, err := client.Dial("tcp", serverIP+":80")
			if err != nil {
				t.Error(err)
				dialled <- ""
				return
			}
			dialled <- c.LocalAddr().String()
		}()
	}
	accepted := map[string]bool{}
	for range n {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		accepted[c.RemoteAddr().String()] = true
	}
	for range n {
		if a := <-dialled; !accepted[a] {
			t.Errorf("%s was not accepted", a)
		}
	}
}

func TestCloseResetsWhatIsNotAccepted(t *testing.T) {
	client, server := newNet(t, handfast.Config{}, pipe.Options{})
	l := listen(t, server, ":80")
	c, err := client.Dial("tcp", serverIP+":80")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Error("Read:", err)
	}
	if _, err := client.Dial("tcp", serverIP+":80"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error("Dial:", err)
	}
}
