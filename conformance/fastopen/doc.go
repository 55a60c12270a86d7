// Package fastopen has tests of TCP Fast Open between a host of ours and the kernel: each
// asks the other for a cookie, and then brings its request on the SYN.
package fastopen
