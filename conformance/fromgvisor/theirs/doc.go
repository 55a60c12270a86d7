// Package theirs is the gVisor half of docs/FROM-GVISOR.md.
package theirs
