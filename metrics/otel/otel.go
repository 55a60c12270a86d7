// Package otel hands the figures of a host to OpenTelemetry, by its bridge from Prometheus:
//
//	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(otel.NewProducer(h)))
//	provider := metric.NewMeterProvider(metric.WithReader(reader))
package otel

import (
	"github.com/prometheus/client_golang/prometheus"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/metrics"
)

// NewProducer returns the figures of a host for an OpenTelemetry reader, by the names that
// Prometheus has for them.
func NewProducer(h *handfast.Host) metric.Producer {
	r := prometheus.NewRegistry()
	r.MustRegister(metrics.NewCollector(h)) // into a registry that has nothing else
	return bridge.NewMetricProducer(bridge.WithGatherer(r))
}
