package main

// column is one measure of a kind of row.
type column struct {
	key, head string
	of        func(result) float64
	more      bool // is better
}

const (
	gigabyte = 1e9
	megabyte = 1e6
)

// columns lists the measures of each kind of row. The first is the main one.
var columns = map[kind][]column{
	bulk: {
		{key: "cpu_s_per_gb", head: "CPU s/GB", of: func(r result) float64 { return r.CPU / float64(r.Bytes) * gigabyte }},
		{key: "gbit_per_s", head: "Gbit/s", of: func(r result) float64 { return float64(r.Bytes) * 8 / gigabyte / r.Seconds }},
		{key: "allocs_per_mb", head: "allocs/MB", of: func(r result) float64 { return float64(r.Mallocs) / float64(r.Bytes) * megabyte }},
	},
	crr: {
		{key: "cpu_us_per_conn", head: "CPU µs/conn", of: func(r result) float64 { return r.CPU * 1e6 / float64(r.Ops) }},
		{key: "conn_per_s", head: "conn/s", of: func(r result) float64 { return float64(r.Ops) / r.Seconds }},
		{key: "allocs_per_conn", head: "allocs/conn", of: func(r result) float64 { return float64(r.Mallocs) / float64(r.Ops) }},
		{key: "p99_us", head: "p99 µs", of: func(r result) float64 { return r.P99 }},
		{key: "failed", head: "failed", of: func(r result) float64 { return float64(r.Failed) }},
	},
	pingpong: {
		{key: "p50_us", head: "p50 µs", of: func(r result) float64 { return r.P50 }},
		{key: "p99_us", head: "p99 µs", of: func(r result) float64 { return r.P99 }},
		{key: "cpu_us_per_trip", head: "CPU µs/trip", of: func(r result) float64 { return r.CPU * 1e6 / float64(r.Ops) }},
	},
	badWire: {
		{key: "mbit_per_s", head: "Mbit/s", of: func(r result) float64 { return float64(r.Bytes) * 8 / 1e6 / r.Seconds }, more: true},
		{key: "p50_ms", head: "ping p50 ms", of: func(r result) float64 { return r.P50 / 1e3 }},
		{key: "p99_ms", head: "ping p99 ms", of: func(r result) float64 { return r.P99 / 1e3 }},
		{key: "cpu_s_per_gb", head: "CPU s/GB", of: func(r result) float64 { return r.CPU / float64(r.Bytes) * gigabyte }},
	},
	flood: {
		{key: "cpu_ns_per_syn", head: "CPU ns/SYN", of: func(r result) float64 { return r.CPU * 1e9 / float64(r.Ops) }},
		{key: "allocs_per_syn", head: "allocs/SYN", of: func(r result) float64 { return float64(r.Mallocs) / float64(r.Ops) }},
		{key: "answered_percent", head: "answered %", of: func(r result) float64 { return 100 * float64(r.Answered) / float64(r.Ops) }},
		{key: "honest", head: "honest of 1000", of: func(r result) float64 { return float64(r.Honest) }},
		{key: "full", head: "with SACK, scale", of: func(r result) float64 { return float64(r.Full) }},
		{key: "p99_us", head: "their p99 µs", of: func(r result) float64 { return r.P99 }},
	},
	size: {
		{key: "megabytes", head: "MB", of: func(r result) float64 { return float64(r.Bytes) / megabyte }},
		{key: "modules", head: "modules linked", of: func(r result) float64 { return float64(r.Modules) }},
		{key: "sums", head: "lines of go.sum", of: func(r result) float64 { return float64(r.Sums) }},
	},
	build: {
		{key: "cpu_s", head: "CPU s", of: func(r result) float64 { return r.CPU }},
		{key: "seconds", head: "wall s", of: func(r result) float64 { return r.Seconds }},
	},
	runBulk: {
		{key: "cpu_s_per_gb", head: "CPU s/GB", of: func(r result) float64 { return r.CPU / float64(r.Bytes) * gigabyte }},
		{key: "between_s_per_gb", head: "of it between", of: func(r result) float64 { return r.Between / float64(r.Bytes) * gigabyte }},
		{key: "gbit_per_s", head: "Gbit/s", of: func(r result) float64 { return float64(r.Bytes) * 8 / gigabyte / r.Seconds }},
	},
	runConnect: {
		{key: "cpu_us_per_conn", head: "CPU µs/conn", of: func(r result) float64 { return r.CPU * 1e6 / float64(r.Ops) }},
		{key: "between_us_per_conn", head: "of it between", of: func(r result) float64 { return r.Between * 1e6 / float64(r.Ops) }},
		{key: "conn_per_s", head: "conn/s", of: func(r result) float64 { return float64(r.Ops) / r.Seconds }},
	},
	runPingPong: {
		{key: "p50_us", head: "p50 µs", of: func(r result) float64 { return r.P50 }},
		{key: "cpu_us_per_trip", head: "CPU µs/trip", of: func(r result) float64 { return r.CPU * 1e6 / float64(r.Ops) }},
		{key: "between_us_per_trip", head: "of it between", of: func(r result) float64 { return r.Between * 1e6 / float64(r.Ops) }},
	},
	idle: held, idleBoth: held, halfOpen: held, timeWait: held,
}

// held is what each of many connections holds.
var held = []column{
	{key: "heap_bytes", head: "heap B each", of: func(r result) float64 { return float64(r.Bytes) / float64(r.Ops) }},
	{key: "resident_bytes", head: "resident B each", of: func(r result) float64 { return float64(r.Resident) / float64(r.Ops) }},
}
