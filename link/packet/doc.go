// Package packet is a link over an Ethernet device of Linux, by an AF_PACKET
// socket: frames to our hardware address come to us, and ours leave by the
// device. Super-segments and partial checksums pass whole (virtio-net header);
// a veth pair carries segments of 64 KiB in this way.
//
// The kernel goes on using the device. It must have no IP address of its own
// there that is also ours, or it answers our peers too, with RST. Best the
// device has no address at all, and no IPv6 (sysctl
// net.ipv6.conf.DEVICE.disable_ipv6=1); or we have a hardware address of our
// own, whose frames the kernel passes over.
//
// https://man7.org/linux/man-pages/man7/packet.7.html
package packet
