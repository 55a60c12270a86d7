// Package kernelcookie has the kernel answer SYNs by our cookies, before a listener of its own.
//
// Two eBPF programs at the ingress of a device (TCX) do it. One answers a SYN by the cookie that
// engine/tcp would make with the same keys, and keeps no state. The other checks the ACK that
// brings it back, and hands to the listener what the SYN said (bpf_sk_assign_tcp_reqsk). The
// server is not changed, and nothing runs besides its kernel. Hosts that share seeds, with and
// without this, accept each other's handshakes.
//
// An MSS below 536, with IPv6 below 1220, becomes that: the kernel takes no less. SYNs for a
// listener of MPTCP, SYNs with text, IP options, fragments, extension headers and VLAN tags
// pass to the kernel.
package kernelcookie

//go:generate clang -O2 -g -target bpf -mcpu=v3 -Wall -Werror -ffile-compilation-dir=. -c bpf/cookie.c -o bpf/cookie.o
//go:generate llvm-strip -g bpf/cookie.o
