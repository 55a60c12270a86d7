package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// stallLimit is how long a transfer may stand still before it counts as failed.
const stallLimit = 30 * time.Second

const chunkBytes = 256 << 10

var errStalled = fmt.Errorf("nothing moved for %v", stallLimit)

// sum is a SHA-256 digest.
type sum [sha256.Size]byte

// transfer is one direction of the trial, as measured.
type transfer struct {
	name           string
	bytes          int64
	took           time.Duration
	sent, received sum
}

func (t *transfer) equal() bool { return t.sent == t.received }

// randomBytes returns a reader of n pseudo-random bytes.
func randomBytes(seed [32]byte, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8(seed), n)
}

// copyAndSum copies src to dst in large pieces and returns the digest of what
// passed.
func copyAndSum(dst io.Writer, src io.Reader) (s sum, err error) {
	h := sha256.New()
	_, err = io.CopyBuffer(io.MultiWriter(h, dst), struct{ io.Reader }{src}, make([]byte, chunkBytes))
	return sum(h.Sum(nil)), err
}

// randomServer sends random bytes and takes bytes; it tells the digests of both.
type randomServer struct {
	seed [32]byte
	size int64
	sums chan sum // one for each request that was served whole
}

func (s *randomServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var digest sum
	var err error
	if r.Method == http.MethodPut {
		digest, err = copyAndSum(io.Discard, r.Body)
	} else {
		w.Header().Set("Content-Length", strconv.FormatInt(s.size, 10))
		w.Header().Set("Content-Type", "application/octet-stream")
		digest, err = copyAndSum(w, randomBytes(s.seed, s.size))
	}
	if err == nil {
		s.sums <- digest
	}
}

// client fetches from a randomServer and sends to it, over one connection.
type client struct {
	http   *http.Client
	url    string
	server *randomServer
	out    terminal
}

func newClient(dial func(ctx context.Context, network, address string) (net.Conn, error), address string, s *randomServer, out terminal) *client {
	t := &http.Transport{DialContext: dial, DisableCompression: true, MaxConnsPerHost: 1,
		ReadBufferSize: chunkBytes, WriteBufferSize: chunkBytes}
	return &client{http: &http.Client{Transport: t}, url: "http://" + address + "/random", server: s, out: out}
}

// close ends the connection, from this side.
func (c *client) close() { c.http.CloseIdleConnections() }

func (c *client) download(ctx context.Context) (*transfer, error) {
	return c.transfer(ctx, "download", func(ctx context.Context, tap io.Writer) (sum, error) {
		resp, err := c.do(ctx, http.MethodGet, nil)
		if err != nil {
			return sum{}, err
		}
		defer resp.Body.Close()
		return copyAndSum(tap, resp.Body)
	})
}

func (c *client) upload(ctx context.Context) (*transfer, error) {
	return c.transfer(ctx, "upload", func(ctx context.Context, tap io.Writer) (sum, error) {
		h := sha256.New()
		body := io.TeeReader(randomBytes(c.server.seed, c.server.size), io.MultiWriter(h, tap))
		resp, err := c.do(ctx, http.MethodPut, body)
		if err != nil {
			return sum{}, err
		}
		return sum(h.Sum(nil)), drainBody(resp.Body)
	})
}

// drainBody reads what is left, so that the connection can be used again.
func drainBody(b io.ReadCloser) error {
	_, err := io.Copy(io.Discard, b)
	return errors.Join(err, b.Close())
}

func (c *client) do(ctx context.Context, method string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.ContentLength = c.server.size
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("the server answers %s", resp.Status), resp.Body.Close())
	}
	return resp, nil
}

// transfer runs one direction, shows its progress, and ends it when nothing
// moves.
func (c *client) transfer(ctx context.Context, name string, run func(context.Context, io.Writer) (sum, error)) (*transfer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(stallLimit, func() { cancel(errStalled) })
	defer watchdog.Stop()
	p := newProgress(c.out, name, c.server.size)
	began := time.Now()
	ours, err := run(ctx, io.MultiWriter(p, feeder{watchdog}))
	took := time.Since(began)
	p.finish()
	if err != nil {
		return nil, fmt.Errorf("%s failed: %w", name, errors.Join(context.Cause(ctx), err))
	}
	t := &transfer{name: name, bytes: c.server.size, took: took, sent: <-c.server.sums, received: ours}
	if name == "upload" {
		t.sent, t.received = t.received, t.sent
	}
	return t, nil
}

// feeder keeps a watchdog quiet while bytes are written.
type feeder struct{ watchdog *time.Timer }

func (f feeder) Write(b []byte) (int, error) {
	f.watchdog.Reset(stallLimit)
	return len(b), nil
}
