// Package stream is a link to a virtual machine: Ethernet frames over a socket, in
// the framings that are in use.
//
//	who speaks it                          socket           framing
//	QEMU -netdev stream or socket, passt   stream           QEMU: 32-bit big-endian length
//	hyperkit, VPNKit                       stream           Hyperkit: 16-bit little-endian length, after a handshake
//	gvproxy's stdio                        stream           HyperkitBare: without the handshake
//	vfkit, krunkit, QEMU -netdev dgram     datagrams        Message: a frame is a datagram
//	BESS, User-mode Linux                  SOCK_SEQPACKET   Message
//
// Listen makes a socket for machines, and Accept a link of each one. New makes a
// link of any connection.
package stream
