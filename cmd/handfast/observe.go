package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kafka"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/inspect/export"
)

// observe has a host that works for others keep what ss --events, metrics and IPFIX tell: the
// last events of a thousand connections, which is 2 MB at most, and an account of each.
func observe(cfg *handfast.Config) {
	cfg.Events, cfg.Account = account.Keep{Connections: 1024}, true
}

// flowsOut is where flow records go.
type flowsOut struct {
	collector string // of IPFIX
	topic     string // of Kafka
	ways      []flowWay
}

// flowWay is one of them.
type flowWay struct {
	flag     string
	exporter *export.Exporter
	producer *kafka.Producer // nil: to a collector, of which nobody knows what it has taken
}

func (o *flowsOut) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.collector, "ipfix", "", "send a flow record of each connection to the IPFIX collector at `HOST:PORT`, by UDP")
	f.StringVar(&o.topic, "kafka", "", "send the same records as JSON to a topic of Kafka: a `url` like kafka://host:9092/topic")
}

// export begins to send records of h, of a command called name, and returns what ends it: after the host, whose
// last connections are told then.
func (o *flowsOut) export(h *handfast.Host, name string, stderr terminal) (stop func(), err error) {
	if o.topic != "" {
		p, err := openKafka(o.topic, name)
		if err != nil {
			return nil, err
		}
		o.ways = append(o.ways, flowWay{"kafka", export.To(h, p, export.Options{}), p})
	}
	if o.collector != "" {
		x, err := export.Flows(h, o.collector, export.Options{})
		if err != nil {
			o.stop(stderr)
			return nil, usagef(noCollector, o.collector, err)
		}
		o.ways = append(o.ways, flowWay{flag: "ipfix", exporter: x})
	}
	return func() { o.stop(stderr) }, nil
}

// stop sends what is left, and says what was lost.
func (o *flowsOut) stop(stderr terminal) {
	for _, way := range o.ways {
		way.exporter.Close() // what it says is in the figures
	}
	for _, s := range o.stats() {
		if s.err != nil || s.lost > 0 {
			stderr.printf(lostFlows, s.flag, formatCount(int(s.sent)), formatCount(int(s.lost)), s.err)
		}
	}
}

// flowStats are what became of the records of one way.
type flowStats struct {
	flag                string
	sent, lost, waiting uint64
	err                 error
}

// stats are those of each way that is used.
func (o *flowsOut) stats() (all []flowStats) {
	for _, way := range o.ways {
		n := way.exporter.Stats()
		s := flowStats{flag: way.flag, sent: n.Records, lost: n.Lost, err: n.Err}
		if way.producer != nil {
			k := way.producer.Stats()
			s.sent, s.lost, s.waiting, s.err = k.Sent, n.Lost+k.Lost, k.Waiting, k.Err
		}
		all = append(all, s)
	}
	return all
}

// writeMetrics writes how many records were sent, and how many were not.
func (o *flowsOut) writeMetrics(w io.Writer) {
	all := o.stats()
	if len(all) == 0 {
		return
	}
	for _, m := range []struct {
		name, kind, help string
		value            func(flowStats) uint64
	}{
		{"handfast_flow_records_sent_total", "counter", "Flow records that were sent; to Kafka, that a broker has acknowledged.", func(s flowStats) uint64 { return s.sent }},
		{"handfast_flow_records_lost_total", "counter", "Flow records for which there was no room, or that nobody took.", func(s flowStats) uint64 { return s.lost }},
		{"handfast_flow_records_waiting", "gauge", "Flow records that wait to be taken.", func(s flowStats) uint64 { return s.waiting }},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
		for _, s := range all {
			fmt.Fprintf(w, "%s{to=%q} %d\n", m.name, s.flag, m.value(s))
		}
	}
}

func openKafka(topic, name string) (*kafka.Producer, error) {
	p, err := kafka.Open(topic, name)
	if err != nil {
		return nil, usagef(say.All("--kafka: %w"), err)
	}
	return p, nil
}

var (
	noCollector = say.Text{"--ipfix %s: %v; write for example 127.0.0.1:4739", "--ipfix %s：%v；写法例如 127.0.0.1:4739"}
	lostFlows   = say.Text{"--%s: %s records sent, %s lost: %v\n", "--%s：已发送 %s 条记录，丢失 %s 条：%v\n"}
)
