// Package inspect shows what a host is doing, to people and to programs: its
// connections as ss and as netstat write them, with ss's filters, as JSON, and
// as metrics for Prometheus and expvar; and it lets a program be asked from
// outside, over a Unix socket that its owner alone may open.
//
// A Report is one look at a host, or at a kernel. Everything else reads
// Reports.
//
// The files: report.go, details.go and links.go are what is seen, filter.go and
// filterparse.go which of it; ss.go, netstat.go, summary.go, statistics.go and
// metrics.go write it; events.go tells what happens. server.go answers a socket, place.go says where that is,
// client.go and kill.go ask from outside.
package inspect
