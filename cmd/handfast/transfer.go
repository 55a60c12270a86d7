package main

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// stallLimit is how long a transfer may stand still before it counts as failed.
const stallLimit = 30 * time.Second

const chunkBytes = 256 << 10

var errStalled = say.Errorf(say.Text{"nothing moved for %v", "%v 内没有任何进展"}, stallLimit)

// sum is a SHA-256 digest.
type sum [sha256.Size]byte

// transfer is one direction of the trial, as measured.
type transfer struct {
	name           say.Text
	bytes          int64
	took           time.Duration
	sent, received sum
}

func (t *transfer) equal() bool { return t.sent == t.received }

// trialFile is the file that goes back and forth, and the room for what arrives.
// Both are in memory, so that the clock measures the way and not the digest.
type trialFile struct {
	content []byte
	sum     sum

	mu      sync.Mutex
	arrived []byte
}

// newTrialFile makes a file of random bytes.
func newTrialFile(size int64, out terminal) *trialFile {
	f := &trialFile{content: make([]byte, size), arrived: make([]byte, size)}
	var seed [32]byte
	crand.Read(seed[:])
	io.ReadFull(rand.NewChaCha8(seed), f.content) // never fails
	f.sum = digest(say.Text{"prepare", "准备"}, f.content, out)
	return f
}

// digest returns the SHA-256 of b, and shows its progress.
func digest(name say.Text, b []byte, out terminal) sum {
	p := newProgress(out, name, int64(len(b)))
	defer p.finish()
	h := sha256.New()
	for c := range slices.Chunk(b, chunkBytes) {
		h.Write(c)
		p.Write(c)
	}
	return sum(h.Sum(nil))
}

// receive fills the room with what src has, told to tap piece by piece. It
// fails when src has not exactly as much as the file.
func (f *trialFile) receive(src io.Reader, tap io.Writer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range slices.Chunk(f.arrived, chunkBytes) {
		if _, err := io.ReadFull(io.TeeReader(src, tap), c); err != nil {
			return err
		}
	}
	if n, err := src.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return say.Errorf(say.Text{"more than %d bytes arrive, or no end: %w", "收到的多于 %d 字节，或没有结尾：%w"}, len(f.arrived), err)
	}
	return nil
}

// arrivedSum returns the digest of what receive took, and clears the room, so
// that it does not pass for what arrives next.
func (f *trialFile) arrivedSum(out terminal) sum {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer clear(f.arrived)
	return digest(say.Text{"check", "校验"}, f.arrived, out)
}

// ServeHTTP sends the file, or takes one of the same size.
func (f *trialFile) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.content)))
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(f.content) // a failure is the client's to see
		return
	}
	if err := f.receive(r.Body, io.Discard); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// client fetches the file from a server and sends it back, over one connection.
type client struct {
	http *http.Client
	url  string
	file *trialFile
	out  terminal
}

func newClient(dial func(ctx context.Context, network, address string) (net.Conn, error), address string, f *trialFile, out terminal) *client {
	// One connection for both ways, so that there is one to draw; and no compression, which
	// would be of random bytes.
	t := &http.Transport{DialContext: dial, DisableCompression: true, MaxConnsPerHost: 1,
		ReadBufferSize: chunkBytes, WriteBufferSize: chunkBytes}
	return &client{http: &http.Client{Transport: t}, url: "http://" + address + "/file", file: f, out: out}
}

// close ends the connection, from this side.
func (c *client) close() { c.http.CloseIdleConnections() }

func (c *client) download(ctx context.Context) (*transfer, error) {
	return c.transfer(ctx, say.Text{"download", "下载"}, func(ctx context.Context, tap io.Writer) error {
		resp, err := c.do(ctx, http.MethodGet, nil)
		if err != nil {
			return err
		}
		return errors.Join(c.file.receive(resp.Body, tap), resp.Body.Close())
	})
}

func (c *client) upload(ctx context.Context) (*transfer, error) {
	return c.transfer(ctx, say.Text{"upload", "上传"}, func(ctx context.Context, tap io.Writer) error {
		resp, err := c.do(ctx, http.MethodPut, io.TeeReader(bytes.NewReader(c.file.content), tap))
		if err != nil {
			return err
		}
		return drainBody(resp.Body)
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
		req.ContentLength = int64(len(c.file.content))
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(say.Errorf(say.Text{"the server answers %s", "服务器的应答是 %s"}, resp.Status), resp.Body.Close())
	}
	return resp, nil
}

// transfer runs one direction, shows its progress, and ends it when nothing
// moves. The digest of what arrived is computed when the clock has stopped.
func (c *client) transfer(ctx context.Context, name say.Text, run func(context.Context, io.Writer) error) (*transfer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(stallLimit, func() { cancel(errStalled) })
	defer watchdog.Stop()
	size := int64(len(c.file.content))
	p := newProgress(c.out, name, size)
	began := time.Now()
	err := run(ctx, io.MultiWriter(p, feeder{watchdog}))
	took := time.Since(began)
	p.finish()
	if err != nil {
		return nil, say.Errorf(say.Text{"%s failed: %w", "%s失败：%w"}, name, errors.Join(context.Cause(ctx), err))
	}
	return &transfer{name: name, bytes: size, took: took, sent: c.file.sum, received: c.file.arrivedSum(c.out)}, nil
}

// feeder keeps a watchdog quiet while bytes are written.
type feeder struct{ watchdog *time.Timer }

func (f feeder) Write(b []byte) (int, error) {
	f.watchdog.Reset(stallLimit)
	return len(b), nil
}
