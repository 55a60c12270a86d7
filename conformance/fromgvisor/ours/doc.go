// Package ours is the Handfast half of docs/FROM-GVISOR.md.
package ours
