// Package host is an IP host without sockets, goroutines or clock: addresses,
// routes, neighbours, ICMP, UDP, fragments and path MTU, feeding one
// tcp.Endpoint. Packets go in with Receive and come out with Output; time goes
// in as an argument and Deadline says when it is wanted next.
package host
