package metrics_test

import (
	"bytes"
	"io"
	"maps"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/pipe"
	"github.com/handfast-tcp/handfast/metrics"
	"github.com/handfast-tcp/handfast/metrics/otel"
)

// visited returns a host to which one connection was made, which has ended, and another one
// was not.
func visited(t *testing.T) *handfast.Host {
	t.Helper()
	var hosts [2]*handfast.Host
	a, b := pipe.New(pipe.Options{})
	for i, end := range []link.Link{a, b} {
		h, err := handfast.New(handfast.Config{Account: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 24)
		if err := h.Attach(end, handfast.LinkOptions{Addresses: []netip.Prefix{address}}); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	l, err := hosts[0].Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hosts[1].Dial("tcp", "10.0.0.1:81"); err == nil {
		t.Fatal("somebody listens on port 81")
	}
	c, err := hosts[1].Dial("tcp", "10.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := io.ReadAll(s); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for !strings.Contains(textOf(t, hosts[0]), "handfast_connection_duration_seconds_count 1\n") {
	}
	return hosts[0]
}

func textOf(t *testing.T, h *handfast.Host) string {
	t.Helper()
	var b bytes.Buffer
	if err := inspect.WriteMetrics(&b, h); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Prometheus' client serves what inspect writes, series by series, and its linter has nothing
// to say about them.
func TestCollector(t *testing.T) {
	h := visited(t)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(metrics.NewCollector(h))
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	got, want := lines(answer.Body.String()), lines(textOf(t, h))
	if !slices.Equal(got, want) || len(got) < 100 {
		t.Errorf("of %d and %d lines only one has these: %q %q", len(got), len(want), beyond(got, want), beyond(want, got))
	}
	problems, err := testutil.GatherAndLint(r)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// lines are those of a text, in one order.
func lines(text string) []string { return slices.Sorted(strings.Lines(text)) }

func beyond(all, known []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(known, s) })
}

// Several hosts of a program are told apart by a label.
func TestSeveralHosts(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	for _, name := range []string{"inside", "outside"} {
		h, err := handfast.New(handfast.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		prometheus.WrapRegistererWith(prometheus.Labels{"host": name}, r).MustRegister(metrics.NewCollector(h))
	}
	if n, err := testutil.GatherAndCount(r, "handfast_half_open_limit"); n != 2 || err != nil {
		t.Errorf("%d series of two hosts, %v", n, err)
	}
}

// OpenTelemetry gets all families, sums and histograms as what they are.
func TestProducer(t *testing.T) {
	h := visited(t)
	reader := metric.NewManualReader(metric.WithProducer(otel.NewProducer(h)))
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	defer provider.Shutdown(t.Context())
	var told metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &told); err != nil {
		t.Fatal(err)
	}
	got := map[string]metricdata.Aggregation{}
	for _, scope := range told.ScopeMetrics {
		for _, m := range scope.Metrics {
			got[m.Name] = m.Data
		}
	}
	for line := range strings.Lines(textOf(t, h)) {
		if f := strings.Fields(line); f[1] == "TYPE" && f[0] == "#" && got[f[2]] == nil {
			t.Errorf("%s is not told, of %d that are: %q", f[2], len(got), slices.Sorted(maps.Keys(got)))
		}
	}
	if d, ok := got["handfast_connection_duration_seconds"].(metricdata.Histogram[float64]); !ok || d.DataPoints[0].Count != 1 {
		t.Errorf("the duration is %+v", got["handfast_connection_duration_seconds"])
	}
	if c, ok := got["handfast_netstat_total"].(metricdata.Sum[float64]); !ok || !c.IsMonotonic || len(c.DataPoints) < 50 {
		t.Errorf("the counters are %+v", got["handfast_netstat_total"])
	}
}
