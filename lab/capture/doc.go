// Package capture says what happened to the TCP connections of a capture file, and why
// they ended.
//
// It reads pcap and pcapng, follows each connection packet by packet, and makes one
// record of it: who talked, how much, how fast, what was sent again, which states both
// ends went through, and the cause of the end with the packets that show it. What a
// capture cannot show is inferred, and said to be.
//
// Everything here is pure: bytes go in, records come out.
//
// The files: file.go tells the formats apart, pcap.go and pcapng.go read them, and
// packet.go finds the IP packet in a frame. tracker.go sorts packets into connections,
// by table.go, and lone.go holds those of which only a SYN has come;
// conn.go is one of them, with side.go for what one end sent, sequence.go for what of it
// was sent before, rtt.go for round trips and states.go for the states of both ends.
// cause.go says why it ended. history.go, zeek.go and community.go are what Zeek and
// others call it; run.go makes a trace of it, which package story draws.
package capture
