// Package metrics gives the figures of a host to Prometheus' client library, beside those that
// a program has of its own:
//
//	prometheus.MustRegister(metrics.NewCollector(h))
//
// They are those of inspect.WriteMetrics, which needs no library. Package otel hands them to
// OpenTelemetry.
package metrics

import (
	"bytes"
	"fmt"
	"math"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/inspect"
)

// collector asks a host whenever it is asked.
type collector struct{ host *handfast.Host }

// NewCollector returns the figures of a host. Where a program has several hosts, each is
// registered with a label of its own (prometheus.WrapRegistererWith).
func NewCollector(h *handfast.Host) prometheus.Collector { return collector{h} }

// Describe says nothing: a host that gets a listener or a link has series that were not there
// before.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends all figures as they are now.
func (c collector) Collect(to chan<- prometheus.Metric) {
	var text bytes.Buffer
	err := inspect.WriteMetrics(&text, c.host)
	if err == nil {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		var families map[string]*dto.MetricFamily
		if families, err = parser.TextToMetricFamilies(&text); err == nil {
			for _, f := range families {
				send(f, to)
			}
			return
		}
	}
	to <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
}

// send sends the series of a family.
func send(f *dto.MetricFamily, to chan<- prometheus.Metric) {
	for _, m := range f.GetMetric() {
		var names, values []string
		for _, l := range m.GetLabel() {
			names, values = append(names, l.GetName()), append(values, l.GetValue())
		}
		desc := prometheus.NewDesc(f.GetName(), f.GetHelp(), names, nil)
		made, err := series(desc, f.GetType(), m, values)
		if err != nil {
			made = prometheus.NewInvalidMetric(desc, err)
		}
		to <- made
	}
}

func series(desc *prometheus.Desc, kind dto.MetricType, m *dto.Metric, labels []string) (prometheus.Metric, error) {
	switch kind {
	case dto.MetricType_COUNTER:
		return prometheus.NewConstMetric(desc, prometheus.CounterValue, m.GetCounter().GetValue(), labels...)
	case dto.MetricType_GAUGE:
		return prometheus.NewConstMetric(desc, prometheus.GaugeValue, m.GetGauge().GetValue(), labels...)
	case dto.MetricType_HISTOGRAM:
		h := m.GetHistogram()
		buckets := map[float64]uint64{}
		for _, b := range h.GetBucket() {
			if !math.IsInf(b.GetUpperBound(), 1) { // that is the count of all
				buckets[b.GetUpperBound()] = b.GetCumulativeCount()
			}
		}
		return prometheus.NewConstHistogram(desc, h.GetSampleCount(), h.GetSampleSum(), buckets, labels...)
	}
	return nil, fmt.Errorf("a host has no metric of type %v", kind)
}
