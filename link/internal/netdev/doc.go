// Package netdev is what those links have in common that are network devices of
// the kernel: what they are called, what they count, how they end, and how a
// packet becomes the pieces of a system call.
package netdev
