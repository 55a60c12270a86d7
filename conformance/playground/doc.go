// Package playground tries the playground in a browser: what is drawn there is what the
// command draws, and what a reader clicks happens.
package playground
