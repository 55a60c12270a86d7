// Package trace reads a connection's events and shows them to people: as text
// lines in tcpdump's form, and as a ladder, the picture of two ends with arrows
// between them that every textbook of TCP draws.
//
// Everything here is pure: events go in, text comes out.
package trace
