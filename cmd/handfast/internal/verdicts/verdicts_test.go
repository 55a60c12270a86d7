package verdicts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/natstest"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/inspect"
)

func natsServer(t *testing.T, port int) (s *server.Server, url string) {
	t.Helper()
	s = natstest.Start(t, &server.Options{Port: port})
	return s, s.ClientURL()
}

// listen has the messages of a subject, as whoever watches a fleet.
func listen(t *testing.T, url string, with ...nats.Option) chan *nats.Msg {
	t.Helper()
	c, err := nats.Connect(url, with...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	heard := make(chan *nats.Msg, 64)
	if _, err := c.ChanSubscribe("handfast.verdicts", heard); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return heard
}

func next(t *testing.T, heard chan *nats.Msg, level string) (m Message) {
	t.Helper()
	for limit := time.After(time.Minute); ; {
		select {
		case got := <-heard:
			if err := json.Unmarshal(got.Data, &m); err != nil {
				t.Fatal(err)
			}
			if m.Flood.Level == level {
				return m
			}
		case <-limit:
			t.Fatalf("nobody says %s", level)
		}
	}
}

// Over TLS it is heard as well, with a certificate of an authority of one's own.
func TestOverTLS(t *testing.T) {
	dir := t.TempDir()
	s := natstest.Start(t, natstest.TLS(t, dir))
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")
	heard := listen(t, s.ClientURL(), nats.RootCAs(ca), nats.ClientCert(cert, key))
	look := func() *inspect.Flood { return inspect.FloodOf(detect.Verdict{}) }
	p, err := Open("tls://"+s.Addr().String()+"/handfast.verdicts?ca="+ca+"&cert="+cert+"&key="+key, "guard", look)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	next(t, heard, "quiet")
}

// What a detector says is heard by who listens: at once when it changes, and again when the
// server was away. What nobody could hear is counted.
func TestVerdictsAreHeard(t *testing.T) {
	s, url := natsServer(t, -1)
	port, _ := strconv.Atoi(url[strings.LastIndexByte(url, ':')+1:])
	heard := listen(t, url)
	var level atomic.Int32
	look := func() *inspect.Flood {
		return inspect.FloodOf(detect.Verdict{Level: detect.Level(level.Load()), Reasons: []detect.Reason{{Kind: detect.Reason{}.Kind, Value: 7}}})
	}
	p, err := Open(url+"/handfast.verdicts", "guard", look)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	host, _ := os.Hostname()
	if m := next(t, heard, "quiet"); m.Host != host || m.Name != "guard" || m.PID != os.Getpid() || time.Since(m.Time) > time.Minute || len(m.Flood.Reasons) != 1 {
		t.Errorf("%+v", m)
	}
	level.Store(int32(detect.Flood))
	next(t, heard, "flood")
	next(t, heard, "flood") // as long as it lasts
	s.Shutdown()
	s.WaitForShutdown()
	for p.Connected() || p.lost.Load() == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	_, url = natsServer(t, port)
	next(t, listen(t, url), "flood")
	var text bytes.Buffer
	p.WriteMetrics(&text)
	var published, lost int
	for line := range strings.Lines(text.String()) {
		_, _ = fmt.Sscanf(line, "handfast_verdicts_published_total %d", &published)
		_, _ = fmt.Sscanf(line, "handfast_verdicts_lost_total %d", &lost)
	}
	if published < 4 || lost < 1 {
		t.Error(&text)
	}
}

// A host works while there is no server, ends at once, and finds one that comes.
func TestWithoutAServer(t *testing.T) {
	s, url := natsServer(t, -1)
	port, _ := strconv.Atoi(url[strings.LastIndexByte(url, ':')+1:])
	s.Shutdown()
	s.WaitForShutdown()
	look := func() *inspect.Flood { return inspect.FloodOf(detect.Verdict{Level: detect.PortScan}) }
	alone, err := Open(url+"/handfast.verdicts", "serve", look)
	if err != nil {
		t.Fatal(err)
	}
	alone.Close()
	alone.Close()
	p, err := Open(url+"/handfast.verdicts", "serve", look)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, url = natsServer(t, port)
	next(t, listen(t, url), "port scan")
}

// What is no subject is refused.
func TestPlacesThatAreNone(t *testing.T) {
	for _, where := range []string{"nats://127.0.0.1:1", "nats:///x", "http://127.0.0.1/x", "nats://127.0.0.1:1/a..b", "nats://127.0.0.1:1/a.*", "nats://127.0.0.1:1/a/b", "nats://secret:word@127.0.0.1:1/>", "nats://%zz/x"} {
		if _, err := Open(where, "serve", nil); err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v", where, err)
		}
	}
}
