// Package host is an IP host without sockets, goroutines or clock: addresses,
// routes, neighbours, groups, ICMP, UDP, fragments and path MTU, feeding one
// tcp.Endpoint. Packets go in with Receive and come out with Output; time goes
// in as an argument and Deadline says when it is wanted next.
//
// The one idea: a way is looked up once. What is known of a destination, its route, its
// neighbour, its MTU, its kind, is derived and kept in a small cache that every change
// makes void; so a packet asks one question, and nothing has to be kept in step.
//
// The files: receive.go is the way in, up to TCP, output.go the way out; gro.go and
// gso.go join and cut segments where a link does not. address.go, route.go, scope.go
// and mtu.go say where packets go, neighbour.go with arp.go and ndp.go to which station, and
// conflict.go whether an address is ours. icmp*.go hear and send errors, quote.go
// reads what they bring back. udp*.go, ping.go and echo.go are sockets, forward.go
// what is taken for addresses of others, group.go who is in which group, group_report.go
// how routers learn of that and group_io.go what is sent to groups, fragment.go puts packets together, and
// flow.go says which shard has a packet.
package host
