package main

// column is one measure of a kind of row.
type column struct {
	key, head string
	of        func(result) float64
}

const (
	gigabyte = 1e9
	megabyte = 1e6
)

// columns lists the measures of a kind of row. The first is the main one, and
// less of it is better.
func columns(k kind) []column {
	switch k {
	case bulk:
		return []column{
			{"cpu_s_per_gb", "CPU s/GB", func(r result) float64 { return r.CPU / float64(r.Bytes) * gigabyte }},
			{"gbit_per_s", "Gbit/s", func(r result) float64 { return float64(r.Bytes) * 8 / gigabyte / r.Seconds }},
			{"allocs_per_mb", "allocs/MB", func(r result) float64 { return float64(r.Mallocs) / float64(r.Bytes) * megabyte }},
		}
	case crr:
		return []column{
			{"cpu_us_per_conn", "CPU µs/conn", func(r result) float64 { return r.CPU * 1e6 / float64(r.Ops) }},
			{"conn_per_s", "conn/s", func(r result) float64 { return float64(r.Ops) / r.Seconds }},
			{"allocs_per_conn", "allocs/conn", func(r result) float64 { return float64(r.Mallocs) / float64(r.Ops) }},
			{"p99_us", "p99 µs", func(r result) float64 { return r.P99 }},
			{"failed", "failed", func(r result) float64 { return float64(r.Failed) }},
		}
	case pingpong:
		return []column{
			{"p50_us", "p50 µs", func(r result) float64 { return r.P50 }},
			{"p99_us", "p99 µs", func(r result) float64 { return r.P99 }},
			{"cpu_us_per_trip", "CPU µs/trip", func(r result) float64 { return r.CPU * 1e6 / float64(r.Ops) }},
		}
	case flood:
		return []column{
			{"cpu_ns_per_syn", "CPU ns/SYN", func(r result) float64 { return r.CPU * 1e9 / float64(r.Ops) }},
			{"allocs_per_syn", "allocs/SYN", func(r result) float64 { return float64(r.Mallocs) / float64(r.Ops) }},
			{"answered_percent", "answered %", func(r result) float64 { return 100 * float64(r.Answered) / float64(r.Ops) }},
			{"honest", "honest of 1000", func(r result) float64 { return float64(r.Honest) }},
			{"full", "with SACK, scale", func(r result) float64 { return float64(r.Full) }},
			{"p99_us", "their p99 µs", func(r result) float64 { return r.P99 }},
		}
	case size:
		return []column{
			{"megabytes", "MB", func(r result) float64 { return float64(r.Bytes) / megabyte }},
			{"modules", "modules linked", func(r result) float64 { return float64(r.Modules) }},
			{"sums", "lines of go.sum", func(r result) float64 { return float64(r.Sums) }},
		}
	case build:
		return []column{
			{"cpu_s", "CPU s", func(r result) float64 { return r.CPU }},
			{"seconds", "wall s", func(r result) float64 { return r.Seconds }},
		}
	default:
		return []column{
			{"heap_bytes", "heap B each", func(r result) float64 { return float64(r.Bytes) / float64(r.Ops) }},
			{"resident_bytes", "resident B each", func(r result) float64 { return float64(r.Resident) / float64(r.Ops) }},
		}
	}
}
