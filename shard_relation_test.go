package handfast_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/impair"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// With one shard and with eight, with and without offload, on a good wire and a bad one,
// every program gets the same bytes and the same end.
func TestShardsMakeNoDifference(t *testing.T) {
	var want []string
	for _, shards := range []int{1, 8} {
		for _, o := range []pipe.Options{{}, {MaxGSO: 65535, ChecksumOffload: true}} {
			for _, loss := range []float64{0, 0.01} {
				got := ends(t, handfast.Config{Shards: shards}, o, netem.Config{Loss: loss, Duplicate: loss})
				if want == nil {
					want = got
				}
				// The RST of one that leaves may be lost, and the other end wait: of a bad wire
				// only those count who leave with a FIN.
				if loss > 0 {
					got = append(got, want[len(got):]...)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%d shards, %+v, loss %v: the ends are\n%q, and were\n%q", shards, o, loss, got, want)
				}
			}
		}
	}
}

// ends lets pairs of programs speak, of four kinds, and returns what each of them saw.
func ends(t *testing.T, cfg handfast.Config, o pipe.Options, bad netem.Config) []string {
	t.Helper()
	a, b := pipe.New(o)
	var wire link.Link = a
	if bad != (netem.Config{}) {
		w, err := impair.New(a, impair.Options{In: bad, Out: bad, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		wire = w
	}
	client, server := newTestHost(t, cfg, wire, clientIP+"/24"), newTestHost(t, cfg, b, serverIP+"/24")
	l := listen(t, server, ":80")
	pairs := 16
	if bad.Loss > 0 {
		pairs = 8
	}
	seen := make([]string, 2*pairs)
	var wg sync.WaitGroup
	for i := range pairs {
		c, s := connect(t, client, l)
		there, back := random(1000+7919*i%50_000), random(60_000-4111*i%50_000)
		wg.Go(func() { seen[2*i] = asks(c, i/4, there, back) })
		wg.Go(func() { seen[2*i+1] = answers(s, i/4, there, back) })
	}
	wg.Wait()
	return seen
}

// The kinds of conversations.
const (
	whole   = iota // both say all, one after the other, and close
	beside         // both at the same time
	aborted        // the server leaves with a RST when it has heard all
	unread         // the client leaves with something unread, which is a RST
)

func asks(c *handfast.TCPConn, kind int, there, back []byte) string {
	defer c.Close()
	if _, err := c.Write(there); err != nil {
		return end("writes", 0, err)
	}
	switch kind {
	case unread:
		_, err := io.ReadFull(c, make([]byte, 1)) // the answer has come
		return end("leaves", 1, err)
	case whole, beside:
		c.CloseWrite()
	}
	got, err := io.ReadAll(c)
	if err == nil && !bytes.Equal(got, back) {
		return "other bytes"
	}
	return end("reads", len(got), err)
}

func answers(c *handfast.TCPConn, kind int, there, back []byte) string {
	defer c.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	if kind == beside {
		wg.Go(func() { c.Write(back); c.CloseWrite() }) // the other end says what came of it
	}
	got := make([]byte, len(there))
	n, err := io.ReadFull(c, got)
	if err != nil || !bytes.Equal(got, there) {
		return end("hears", n, err)
	}
	switch kind {
	case aborted:
		c.SetLinger(0)
		return end("aborts", n, nil)
	case whole, unread:
		c.Write(back) // to one that leaves it may fail, or not yet
	}
	rest, err := io.ReadAll(c)
	return end("hears", n+len(rest), err)
}

func end(what string, n int, err error) string {
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		err = syscall.ECONNRESET
	}
	return fmt.Sprint(what, " ", n, ": ", err != nil, errors.Is(err, syscall.ECONNRESET))
}
