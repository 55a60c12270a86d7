// Package trace holds what happened in a run, event by event, and writes it in
// the forms that tools read: text lines as tcpdump prints them, lines of JSON,
// and a capture file for Wireshark.
//
// Everything here is pure: events go in, bytes come out. Pictures and sentences
// are package story's.
package trace
