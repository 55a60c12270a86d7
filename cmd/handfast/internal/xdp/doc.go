// Package xdp is an Ethernet link by AF_XDP sockets: frames for our addresses leave the kernel where the
// card's driver has received them, before its network stack sees them, and ours enter at the card's queue.
//
// An eBPF program at the device chooses: frames for our addresses, and ARP and NDP that ask or tell of
// them. The kernel gets all others, so that it and we share a device. Drivers without native XDP have it
// done a little later (generic XDP), with a copy.
//
// A card computes no checksums for us here, and cuts no super-segments: frames leave as they are. At a
// veth pair the other end must do as a wire's does (ethtool -K PEER tx off), because what a machine's
// own TCP leaves for a card to do nobody does there.
//
// https://docs.kernel.org/networking/af_xdp.html
package xdp

//go:generate clang -O2 -g -target bpf -mcpu=v3 -Wall -Werror -ffile-compilation-dir=. -c bpf/steer.c -o bpf/steer.o
//go:generate llvm-strip -g bpf/steer.o
