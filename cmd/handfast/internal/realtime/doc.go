// Package realtime plays packetdrill scripts against the kernel's TCP: calls are system
// calls, the network is a TUN, and a second is a second.
package realtime
