// Package trace reads the events of connections and shows them to people: as
// text lines in tcpdump's form, as lines of JSON, as a capture file for
// Wireshark, and as a ladder, the picture of two ends with arrows between them
// that every textbook of TCP draws, in text or as SVG. It draws the state
// diagram from the engine's own table of moves, and says in a sentence, in
// English or Chinese, why a step happens.
//
// Everything here is pure: events go in, text comes out.
package trace
