package main

import (
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast"
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
type flowsOut struct{ collector string }

func (o *flowsOut) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.collector, "ipfix", "", "send a flow record of each connection to the IPFIX collector at `HOST:PORT`, by UDP")
}

// export begins to send records of h, and returns what ends it: after the host, whose last
// connections are told then.
func (o *flowsOut) export(h *handfast.Host, stderr terminal) (stop func(), err error) {
	if o.collector == "" {
		return func() {}, nil
	}
	x, err := export.Flows(h, o.collector, export.Options{})
	if err != nil {
		return nil, usagef(noCollector, o.collector, err)
	}
	return func() {
		x.Close()
		if n := x.Stats(); n.Err != nil || n.Lost > 0 {
			stderr.printf(lostFlows, o.collector, formatCount(int(n.Records)), formatCount(int(n.Lost)), n.Err)
		}
	}, nil
}

var (
	noCollector = say.Text{"--ipfix %s: %v; write for example 127.0.0.1:4739", "--ipfix %s：%v；写法例如 127.0.0.1:4739"}
	lostFlows   = say.Text{"--ipfix %s: %s records sent, %s lost: %v\n", "--ipfix %s：已发送 %s 条记录，丢失 %s 条：%v\n"}
)
