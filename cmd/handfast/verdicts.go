package main

import (
	"io"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/verdicts"
	"github.com/handfast-tcp/handfast/inspect"
)

// verdictsOut is where the flood detector's verdict goes.
type verdictsOut struct {
	where     string
	publisher *verdicts.Publisher
}

func (o *verdictsOut) addTo(f *pflag.FlagSet) {
	f.StringVar(&o.where, "verdicts", "", "publish the flood detector's verdict as JSON on a subject of NATS: a `url` like nats://host:4222/subject")
}

// publish begins to publish what look says, and returns what ends it.
func (o *verdictsOut) publish(name string, look func() *inspect.Flood, stderr terminal) (stop func(), err error) {
	if o.where == "" {
		return func() {}, nil
	}
	if o.publisher, err = verdicts.Open(o.where, name, look); err != nil {
		return nil, usagef(say.All("--verdicts: %w"), err)
	}
	if !o.publisher.Connected() {
		stderr.printf(noListeners)
	}
	return o.publisher.Close, nil
}

var noListeners = say.Text{"--verdicts: no server answers yet; it is looked for again and again\n", "--verdicts：服务器尚无应答；将不断重试\n"}

// ofHost is what a host's detector says.
func ofHost(h *handfast.Host) func() *inspect.Flood {
	return func() *inspect.Flood { return inspect.FloodOf(h.FloodVerdict()) }
}

// writeMetrics writes how much was said, if anything is.
func (o *verdictsOut) writeMetrics(w io.Writer) {
	if o.publisher != nil {
		o.publisher.WriteMetrics(w)
	}
}
