package handfast_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/ao"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// authKeys are keys that both hosts call by the same numbers, the first preferred.
func authKeys(t testing.TB, ids ...uint8) *ao.Keys {
	t.Helper()
	var keys []ao.Key
	for _, id := range ids {
		keys = append(keys, ao.Key{SendID: id, RecvID: id, Secret: []byte{'k', id}})
	}
	k, err := ao.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Keys are rolled over under load, on several shards: streams of both families go on, and
// nothing is lost; what was signed with a wrong key would be counted.
func TestAuthenticatedRollover(t *testing.T) {
	client, server := newNet(t, handfast.Config{Shards: 4, TCP: tcp.Config{Authenticator: authKeys(t, 1)}}, pipe.Options{})
	l, err := server.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	const streams = 8
	exchanged, stop, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	for i := range streams {
		c, err := client.Dial("tcp", []string{serverIP + ":80", "[fd00::2]:80"}[i%2])
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer c.Close()
			ended <- exchange(c, bytes.Repeat([]byte{byte(i)}, 10000), exchanged, stop)
		}()
	}
	for n := uint8(1); n <= 4; n++ {
		for _, ids := range [][]uint8{{n, n + 1}, {n + 1, n}, {n + 1}} {
			client.SetAuthenticator(authKeys(t, ids...))
			server.SetAuthenticator(authKeys(t, ids...))
			for range 3 * streams { // text goes both ways before the next step
				<-exchanged
			}
		}
	}
	close(stop)
	for range streams {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for _, h := range []*handfast.Host{client, server} {
		if n := h.Counters().TCP; n.TCPAOGood < 100 || n.TCPAOBad+n.TCPAORequired+n.TCPAOKeyNotFound != 0 {
			t.Errorf("good %d, bad %d, unsigned %d, unknown %d", n.TCPAOGood, n.TCPAOBad, n.TCPAORequired, n.TCPAOKeyNotFound)
		}
	}
}

// exchange sends out to an echo server again and again, and tells each time, until stop.
func exchange(c io.ReadWriter, out []byte, exchanged chan<- struct{}, stop <-chan struct{}) error {
	in := make([]byte, len(out))
	for {
		if _, err := c.Write(out); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, in); err != nil {
			return err
		}
		if !bytes.Equal(in, out) {
			return io.ErrUnexpectedEOF
		}
		select {
		case exchanged <- struct{}{}:
		case <-stop:
			return nil
		}
	}
}
