// Package tun is a link over a Linux TUN device: the kernel's packets for it
// come to us, and ours enter the kernel as if they came from a network. With
// Options.Ethernet it is a TAP device, and the packets are Ethernet frames.
//
// Where the kernel allows it, super-segments of up to 64 KiB and packets with
// partial checksums cross in both directions (virtio-net header); elsewhere
// the device works with plain packets. Addresses, routes, MTU and state of the
// device are left to the caller.
//
// https://docs.kernel.org/networking/tuntap.html
package tun
