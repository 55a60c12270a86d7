// Package marks has tests of ECN between a host of ours and the kernel, over a link that
// marks: who agrees to it, and that each hears of what the link marks of its own.
package marks
