// Package seeds gets the seeds of SYN cookies, which several hosts share, from where an
// operator keeps them: a file, such as a mounted secret of Kubernetes, the key-value store
// of NATS, or etcd.
package seeds

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/keyring"
)

// Store is where seeds are kept.
type Store interface {
	// Seeds returns what keyring.Seeds does. It does not wait for long, and fails while the
	// store is away.
	Seeds() ([][]byte, error)
	Close() error
}

// Open opens the store that a text names: nats://host:port/bucket/key or tls://…, etcd://host:port/key
// or etcds://…, and anything else is a file. It waits for the first seeds.
func Open(where string) (*Watched, error) {
	var s Store = file{keyring.File(where)}
	var err error
	switch {
	case inNATS.Is(where):
		s, err = openNATS(where)
	case inEtcd.Is(where):
		s, err = openEtcd(where)
	}
	if err != nil {
		return nil, err
	}
	return Watch(s), nil
}

// file reads a file by its name each time: a secret of Kubernetes is a link to another file
// after each change.
type file struct{ read keyring.Seeds }

func (f file) Seeds() ([][]byte, error) { return f.read() }
func (file) Close() error               { return nil }

// parse returns the seeds of a text, one a line.
func parse(where string, text []byte) ([][]byte, error) {
	seeds := bytes.Fields(text)
	if len(seeds) == 0 {
		return nil, say.Errorf(say.Text{"seeds: %s holds no seed: put one line of at least 16 bytes there", "seeds：%s 中没有种子：请写入一行至少 16 字节的内容"}, where)
	}
	return seeds, nil
}

// Watched is a store, and how long ago it was of use. Its methods may be called by several
// goroutines at the same time.
type Watched struct {
	store Store
	now   func() time.Time

	mu     sync.Mutex
	last   time.Time // that it was of use
	failed uint64
}

// Watch watches a store.
func Watch(s Store) *Watched { return &Watched{store: s, now: time.Now} }

// Seeds asks the store.
func (w *Watched) Seeds() ([][]byte, error) {
	seeds, err := w.store.Seeds()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed++
	} else {
		w.last = w.now()
	}
	return seeds, err
}

// Age is how long ago the store was of use last, and how often it was not.
func (w *Watched) Age() (age time.Duration, failures uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now().Sub(w.last), w.failed
}

// WriteMetrics writes both in Prometheus' text format.
func (w *Watched) WriteMetrics(out io.Writer) {
	age, failures := w.Age()
	fmt.Fprintf(out, `# HELP handfast_cookie_seeds_age_seconds How long ago the store of cookie seeds was of use last.
# TYPE handfast_cookie_seeds_age_seconds gauge
handfast_cookie_seeds_age_seconds %v
# HELP handfast_cookie_seeds_failures_total How often it was asked in vain.
# TYPE handfast_cookie_seeds_failures_total counter
handfast_cookie_seeds_failures_total %d
`, age.Seconds(), failures) // a failure is the reader's to see
}

// Close closes the store.
func (w *Watched) Close() error { return w.store.Close() }

var errAway = say.Errorf(say.Text{"the store is away; what it said last goes on", "存储无法访问；继续沿用它最后给出的内容"})
