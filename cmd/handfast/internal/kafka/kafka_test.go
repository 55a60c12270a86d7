package kafka

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/tlstest"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/ipfix"
)

// cluster is three brokers with a topic, that of franz-go's own tests.
func cluster(t *testing.T, options ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.SeedTopics(2, "flows")}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// consume reads so many messages of the topic.
func consume(t *testing.T, c *kfake.Cluster, n int) (all []Message) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("flows"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, give := context.WithTimeout(t.Context(), time.Minute)
	defer give()
	for len(all) < n {
		got := client.PollFetches(ctx)
		if err := got.Err(); err != nil {
			t.Fatalf("after %d of %d: %v", len(all), n, err)
		}
		got.EachRecord(func(r *kgo.Record) {
			var m Message
			if err := json.Unmarshal(r.Value, &m); err != nil || !r.Timestamp.Equal(m.End) {
				t.Errorf("%s at %v: %v", r.Value, r.Timestamp, err)
			}
			all = append(all, m)
		})
	}
	return all
}

var at = time.Date(2026, 11, 29, 14, 2, 11, 123_000_000, time.UTC)

// records are n that differ in their source's port.
func records(n int) (all []ipfix.Record) {
	for i := range n {
		all = append(all, ipfix.Record{Source: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i)), Destination: netip.MustParseAddrPort("[2001:db8::5]:443"),
			Start: at.Add(-time.Second), End: at, Forward: ipfix.Count{Packets: 7, Octets: 811, Flags: uint16(wire.SYN | wire.ACK | wire.FIN)}, Reason: ipfix.EndDetected})
	}
	return all
}

func open(t *testing.T, where string) *Producer {
	t.Helper()
	p, err := Open(where, "guard")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Every record arrives, once and as what it is.
func TestRecordsArrive(t *testing.T) {
	c := cluster(t)
	p := open(t, "kafka://"+strings.Join(c.ListenAddrs(), ",")+"/flows")
	const n = 1000
	if m, err := p.Send(records(n)); m != n || err != nil {
		t.Errorf("%d, %v", m, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s != (Stats{Sent: n}) {
		t.Errorf("%+v", s)
	}
	host, _ := os.Hostname()
	seen := map[uint16]bool{}
	for _, m := range consume(t, c, n) {
		seen[m.SourcePort] = true
		want := Message{Host: host, Name: "guard", PID: os.Getpid(), Protocol: "tcp", Source: "192.0.2.1", SourcePort: m.SourcePort, Destination: "2001:db8::5", DestinationPort: 443,
			Start: at.Add(-time.Second), End: at, Forward: Count{7, 811, "FS."}, EndReason: "end of flow detected"}
		if m != want {
			t.Fatalf("%+v", m)
		}
	}
	if len(seen) != n {
		t.Errorf("%d records are different ones", len(seen))
	}
}

// until waits for what a producer does in its own time.
func until(t *testing.T, p *Producer, is func(s Stats) bool) Stats {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		s := p.Stats()
		if is(s) {
			return s
		}
		if time.Now().After(end) {
			t.Fatalf("%+v", s)
		}
	}
}

// What comes while no broker is there waits, as far as there is room: the rest is lost and counted, and nobody has
// waited for it. A broker that comes gets what has waited.
func TestBrokerAway(t *testing.T) {
	c := cluster(t, kfake.NumBrokers(1))
	address := c.ListenAddrs()[0]
	c.Close()
	p := open(t, "kafka://"+address+"/flows")
	all := records(maxWaiting)
	for range 3 {
		p.Send(all)
	}
	s := until(t, p, func(s Stats) bool { return s.Lost >= 2*maxWaiting }) // another goroutine tells of each
	if s.Sent != 0 || s.Waiting == 0 || s.Waiting > maxWaiting || s.Lost+s.Waiting != 3*maxWaiting || s.Err == nil {
		t.Errorf("%+v", s)
	}
	port := netip.MustParseAddrPort(address).Port()
	cluster(t, kfake.NumBrokers(1), kfake.Ports(int(port)))
	if s := until(t, p, func(s Stats) bool { return s.Waiting == 0 }); s.Sent == 0 || s.Sent+s.Lost != 3*maxWaiting {
		t.Errorf("%+v", s)
	}
	p.Send(all[:10])
	p.Close()
	if s := p.Stats(); s.Waiting != 0 || s.Sent+s.Lost != 3*maxWaiting+10 {
		t.Errorf("at the end %+v", s)
	}
}

// Who ends without a broker has lost what waits, and says so.
func TestEndsWithoutABroker(t *testing.T) {
	p := open(t, "kafka://127.0.0.1:1/flows")
	p.end = time.Millisecond
	p.Send(records(5))
	if err := p.Close(); err == nil {
		t.Error("no error")
	}
	if s := p.Stats(); s.Lost != 5 || s.Err == nil || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	if err := open(t, "kafka://127.0.0.1:1/flows").Whole(t.Context()); err == nil {
		t.Error("nobody answers, and that is no error")
	}
}

// Who has the password, and TLS with the named authority, is let in.
func TestWhoIsLetIn(t *testing.T) {
	dir := t.TempDir()
	ca := tlstest.New(t, dir)
	ca.Sign(t, "server")
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	c := cluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "word"), kfake.Superuser("SCRAM-SHA-256", "me", "word"), kfake.Superuser("SCRAM-SHA-512", "me", "word"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}}))
	for _, sasl := range []string{"", "&sasl=plain", "&sasl=scram-sha-256", "&sasl=scram-sha-512"} {
		where := fmt.Sprintf("@%s/flows?ca=%s%s", strings.Join(c.ListenAddrs(), ","), filepath.Join(dir, "ca.pem"), sasl)
		p := open(t, "kafkas://me:word"+where)
		if err := p.Whole(t.Context()); err != nil {
			t.Errorf("%s: %v", sasl, err)
		}
		p.Send(records(3))
		p.Close()
		if s := p.Stats(); s != (Stats{Sent: 3}) {
			t.Errorf("%s: %+v", sasl, s)
		}
		other := open(t, "kafkas://me:wrong"+where)
		if err := other.Whole(t.Context()); err == nil {
			t.Errorf("%s: a wrong password is taken", sasl)
		}
		other.client.Close()
	}
}

func TestPlacesThatAreNone(t *testing.T) {
	for _, where := range []string{"127.0.0.1:9092", "kafka://127.0.0.1:9092", "kafka:///flows", "kafka://me:word/flows", "kafka://me:word@a/flows?ca=x", "kafka://me:word@a/flows?sasl=gssapi", "kafkas://a/flows?ca=nothing"} {
		if _, err := Open(where, "guard"); err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v", where, err)
		}
	}
}
