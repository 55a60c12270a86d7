// Package answers holds a test that asks the kernel's TCP/IP and ours the same:
// raw packets go to both, and what comes back is compared. Where they differ,
// the table of differences says which RFC allows or wants it.
//
// The kernel lives in a network namespace behind a TUN device, ours is a
// host.Host in virtual time.
package answers
