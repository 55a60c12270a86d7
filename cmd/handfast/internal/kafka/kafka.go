// Package kafka sends flow records to Apache Kafka, as JSON.
package kafka

import (
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/servers"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/ipfix"
)

const (
	// maxWaiting and maxBytes bound the records that wait for a broker. What comes then is lost, and counted.
	maxWaiting = 1 << 15
	maxBytes   = 16 << 20
	// together is how long a record waits for others, so that a broker is asked some times a second.
	together = 200 * time.Millisecond
	// patience is how long a broker may take for a request, and for what is left at the end.
	patience = 10 * time.Second
)

// inKafka is how a topic is written.
var inKafka = servers.Form{Plain: "kafka", TLS: "kafkas", Port: "9092", What: "topic", Options: []string{"sasl"}}

// Producer sends records to a topic. Its methods may be called by several goroutines at the same time.
type Producer struct {
	client *kgo.Client
	end    time.Duration // that what is left may take
	says   Message
	whole  context.Context // of waiting while the queue is full; nil: what finds no room is lost

	unsettled sync.WaitGroup // records of which it is not known what became of them
	mu        sync.Mutex
	stats     Stats
}

// Stats are what a producer has done.
type Stats struct {
	Sent    uint64 // that a broker has acknowledged
	Lost    uint64 // that found the queue full, or that no broker took
	Waiting uint64 // that are neither yet
	Err     error  // why the last one was lost
}

// Message is a record as it is sent. Forward is what went from the source, which opened the connection.
type Message struct {
	Host            string    `json:"host"` // the machine's name
	Name            string    `json:"name"` // the command's, such as guard
	PID             int       `json:"pid"`
	Protocol        string    `json:"protocol"`
	Source          string    `json:"source"`
	SourcePort      uint16    `json:"source_port"`
	Destination     string    `json:"destination"`
	DestinationPort uint16    `json:"destination_port"`
	Start           time.Time `json:"start"`
	End             time.Time `json:"end"`
	Forward         Count     `json:"forward"`
	Reverse         Count     `json:"reverse"`
	EndReason       string    `json:"end_reason"` // as IANA's registry of IPFIX calls flowEndReason
}

// Count is what went one way.
type Count struct {
	Packets uint64 `json:"packets"`
	Octets  uint64 `json:"octets"` // of IP packets
	Flags   string `json:"flags"`  // all that were seen, by tcpdump's letters
}

var endReasons = map[ipfix.EndReason]string{ipfix.IdleTimeout: "idle timeout", ipfix.ActiveTimeout: "active timeout",
	ipfix.EndDetected: "end of flow detected", ipfix.ForcedEnd: "forced end", ipfix.LackResources: "lack of resources"}

// Open sends to kafka://user:password@host:9092,host:9092/topic, or kafkas://…, records of a command called
// name. It goes on without a broker, which is looked for again and again: Send never waits.
func Open(where, name string) (*Producer, error) {
	place, err := inKafka.Parse(where)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	options := []kgo.Opt{kgo.ClientID("handfast"), kgo.SeedBrokers(place.Servers...), kgo.DefaultProduceTopic(place.What), kgo.MaxBufferedRecords(maxWaiting),
		kgo.MaxBufferedBytes(maxBytes), kgo.ProducerLinger(together), kgo.ProduceRequestTimeout(patience), kgo.RequestTimeoutOverhead(patience),
		kgo.DialTimeout(patience), kgo.DisableClientMetrics()}
	if place.TLS != nil {
		options = append(options, kgo.DialTLSConfig(place.TLS))
	}
	if place.User != nil {
		m, err := mechanism(place)
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(m))
	}
	p := &Producer{end: patience, says: Message{Host: host, Name: name, PID: os.Getpid(), Protocol: "tcp"}}
	p.client, err = kgo.NewClient(options...)
	return p, err
}

// mechanism is how a user proves who it is.
func mechanism(place servers.Place) (sasl.Mechanism, error) {
	user := place.User.Username()
	password, _ := place.User.Password()
	switch which := place.Options.Get("sasl"); which {
	case "", "plain":
		return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
	case "scram-sha-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism(), nil
	case "scram-sha-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism(), nil
	default:
		return nil, say.Errorf(say.Text{"sasl=%s: it is plain, scram-sha-256 or scram-sha-512", "sasl=%s：只能是 plain、scram-sha-256 或 scram-sha-512"}, which)
	}
}

// Whole has Send wait while the queue is full, until ctx ends, so that a file is told to its end. It fails when no
// broker answers.
func (p *Producer) Whole(ctx context.Context) error {
	p.whole = ctx
	ctx, give := context.WithTimeout(ctx, patience)
	defer give()
	return p.client.Ping(ctx)
}

// Send sends records. How many are lost, and why, Stats tells.
func (p *Producer) Send(records []ipfix.Record) (messages int, err error) {
	p.unsettled.Add(len(records))
	p.mu.Lock()
	p.stats.Waiting += uint64(len(records))
	p.mu.Unlock()
	produce, ctx := p.client.TryProduce, context.Background()
	if p.whole != nil {
		produce, ctx = p.client.Produce, p.whole
	}
	for i := range records {
		text, err := json.Marshal(p.message(&records[i]))
		if err != nil {
			p.settled(nil, err)
			continue
		}
		produce(ctx, &kgo.Record{Value: text, Timestamp: records[i].End}, p.settled)
	}
	return len(records), nil
}

// settled counts a record of which it is known what became of it.
func (p *Producer) settled(_ *kgo.Record, err error) {
	defer p.unsettled.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Waiting--
	if err == nil {
		p.stats.Sent++
		return
	}
	p.stats.Lost++
	p.stats.Err = err
}

// Stats returns what was done so far.
func (p *Producer) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Close sends what is left, for some seconds at most, and ends. Stats know then of each record
// what became of it.
func (p *Producer) Close() error {
	ctx, give := context.WithTimeout(context.Background(), p.end)
	defer give()
	err := p.client.Flush(ctx)
	p.client.Close()
	p.unsettled.Wait() // the client tells of what it gives up behind our back
	return err
}

func (p *Producer) message(r *ipfix.Record) *Message {
	m := p.says
	m.Source, m.SourcePort = end(r.Source)
	m.Destination, m.DestinationPort = end(r.Destination)
	m.Start, m.End = r.Start.UTC().Truncate(time.Millisecond), r.End.UTC().Truncate(time.Millisecond)
	m.Forward, m.Reverse, m.EndReason = count(r.Forward), count(r.Reverse), endReasons[r.Reason]
	return &m
}

func end(a netip.AddrPort) (string, uint16) { return a.Addr().Unmap().String(), a.Port() }

func count(c ipfix.Count) Count {
	n := Count{Packets: c.Packets, Octets: c.Octets}
	if c.Flags != 0 {
		n.Flags = wire.Flags(c.Flags).String()
	}
	return n
}
