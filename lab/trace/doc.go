// Package trace holds what happened in a run, event by event, and writes it in
// the forms that tools read: text lines as tcpdump prints them, lines of JSON,
// and a capture file for Wireshark.
//
// Everything here is pure: events go in, bytes come out. Pictures and sentences
// are package story's.
//
// The files: run.go is what happened; text.go, json.go, drill.go and capture.go with
// pcapng.go are its forms, and relative.go counts sequence numbers from the SYN.
package trace
