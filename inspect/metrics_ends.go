package inspect

import (
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/engine/account"
)

// endFamilies are the figures of connections that have ended: as many series as there are
// endings and buckets, however many connections there were.
func endFamilies(t *account.Totals) []family {
	ends := family{name: "handfast_connections_ended_total", kind: "counter", help: "Connections that have ended, by how."}
	for e := account.Closed; int(e) < account.NumEndings; e++ {
		ends.samples = append(ends.samples, sample{labels: label("ending", e.String()), value: float64(t.Ends[e])})
	}
	return []family{
		ends,
		histogram("handfast_handshake_duration_seconds", "From a SYN or SYN-ACK of ours to its acknowledgement, of connections that have ended.", &account.RTTBounds, &t.Handshake),
		histogram("handfast_round_trip_seconds", "Smoothed round trip time when a connection ended.", &account.RTTBounds, &t.RTT),
		histogram("handfast_connection_duration_seconds", "From the first segment of a connection to the last.", &account.LifeBounds, &t.Life),
	}
}

func histogram(name, help string, bounds *account.Bounds, h *account.Histogram) family {
	f, sum := family{name: name, kind: "histogram", help: help}, uint64(0)
	for i, n := range h.Counts {
		sum += n
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i].Seconds(), 'g', -1, 64)
		}
		f.samples = append(f.samples, sample{label("le", le), float64(sum), "_bucket"})
	}
	f.samples = append(f.samples, sample{"", float64(h.Sum) / float64(time.Second), "_sum"}, sample{"", float64(sum), "_count"})
	return f
}
