// Package lab is a world of hosts and wires in virtual time: the engine that
// serves real connections on both ends, of wires that lose, delay and double
// packets as told. The same seed gives the same bytes on every machine.
//
// There are three ways to use it:
//
//   - A Scenario is a story in a file: Load, or Find one that comes with the
//     package, then Run. The Result has every event and every packet.
//   - A World is built by hand: AddHost, SetWire, Go with programs in ordinary
//     blocking code (Proc, Conn), Run.
//   - Package soak draws worlds at random, with everything bad that may befall two
//     hosts, and checks that TCP keeps its promises.
//
// # The language of scenarios
//
// A scenario is text, line by line. What follows # is a remark, text in double
// quotes is one word, times are written as in Go (200ms, 1.5s, 2m). Errors name
// file, line and column.
//
//	title: A few words
//	title-zh: The same in Chinese
//	summary: One line that says what can be seen.
//	summary-zh: The same in Chinese.
//	see: Where to read about it.
//	see-zh: The same in Chinese, if it has words.
//	try: loss=0.2: What to change, settings or a line more, and what to look for.
//	try-zh: The latter in Chinese.
//	limit 5m                     # how long the world lives at most; default 1h
//
// Hosts, in the order in which they are drawn; the first has the address
// 10.0.0.1, the next 10.0.0.2, and so on:
//
//	host NAME OPTION …
//
// The options are those of the engine, with their values:
//
//	address A      mtu N
//	nodelay        no-timestamps  no-sack  no-window-scale  no-quick-acks  user-timeout-option  fast-open
//	msl D          initial-rto D  min-rto D  max-rto D  delayed-ack D
//	user-timeout D fin-wait-2 D
//	send-buffer N  receive-buffer N
//	syn-retries N  synack-retries N
//	congestion reno|cubic|dctcp|bbr  ecn off|passive|on|accurate-passive|accurate-classic|accurate
//	max-half-open N  attack-enter N  max-time-wait N  cookies off|auto|always
//	auth-key N SECRET
//	prompt         its programs run before what a segment made it owe is sent,
//	               as when a program answers within the batch of packets
//	scripted       it has no engine: a program plays its segments
//
// With auth-key all segments are signed (TCP-AO, RFC 5925), with a secret that hosts call by
// a number; with several a host prefers the first.
//
// A time of 0 becomes the shortest there is, one nanosecond; "msl 0s" is how a
// host does without TIME-WAIT.
//
// The wire between all hosts, or in one direction between two of them:
//
//	wire [from HOST to HOST] delay D jitter D loss P duplicates P corruption P
//	     reordering P reordering-delay D rate BITS queue BYTES mark BYTES mtu N
//
// all of it optional; P is a probability from 0 to 1; the delay is 10ms if
// nobody says otherwise. With mtu there is a router half-way that drops larger
// packets and says so by ICMP. What must happen to certain segments stands in
// rules:
//
//	lose      WHICH from HOST [to HOST] [with PROPERTY and PROPERTY …] [since T]
//	corrupt   WHICH …
//	mark      WHICH …                         # CE, if its sender understands that
//	delay     WHICH … by D
//	duplicate WHICH … after D [with ack N]   # the copy comes D later; its ACK may be changed
//	hold      WHICH … until CONDITION        # it enters the wire then
//	cut HOST HOST from CONDITION [to CONDITION]
//	forge HOST PORT > HOST PORT SEGMENT at T  # in somebody's name
//
// WHICH is "the 2nd segment", "the 2nd to 4th segments" or "every segment" of
// those that match. A PROPERTY is SYN (without ACK), SYN-ACK, FIN, RST, URG,
// ECE, CWR, ACK (and nothing else), data, "seq N" or "ack N". A CONDITION is a time since the
// start, or "HOST is STATE", which is the state that the host's last change of
// state led to.
//
// Programs stand below their host's name, indented, and run one line after the
// other; a host may have several ("server:", "server again:"). A call returns
// when it has done what it says, as blocking calls do. What a call has to give
// may stand behind ->, else "ok" or anything is right.
//
//	listen PORT [backlog N]     accept [as NAME] [until T]     unlisten
//	connect HOST PORT [from PORT] [as NAME] [fast]   # waits for the handshake; fast, with
//	                                                 # a Fast Open cookie, does not
//	open HOST PORT [from PORT] [as NAME] [fast]      # does not; "established" does
//	use NAME                                  # the next calls mean that connection
//	write N [of LETTER] [urgent]              write "text" [urgent]
//	read          what is there, one piece    read N     read all: to the end
//	… until T     gives up then
//	shutdown      close      abort      linger D      nodelay
//	keepalive IDLE INTERVAL COUNT             user-timeout D
//	receive-buffer N                          send-buffer N
//	info cwnd retrans TCPLossProbes           what ss -i or netstat -s would show
//	sleep D       at CONDITION                wait CONDITION
//	reboot        the host forgets all, other programs on it end
//	note TEXT     goes into the record
//	note-zh TEXT  below a note: the same in Chinese
//
// What read gives is "5 bytes "hello"", "1000 bytes of a", "30 bytes: 10 a, then
// 20 b", "end of stream", or an error: connection refused, connection reset,
// timed out, unreachable, closed, address in use.
//
// A scripted host has these:
//
//	peer HOST PORT [from PORT]   # whom send and want mean; or who speaks first
//	send SEGMENT
//	want SEGMENT                 # waits for the next segment, and compares
//	want nothing until T
//	flood HOST PORT with N SYNs every D       # from addresses that nobody has
//
// A SEGMENT is written as in packetdrill: flags as tcpdump writes them, first
// and last number and length, and what else there is:
//
//	S 0:0(0) win 65535 <mss 1460,sackOK,TS val 1 ecr 0,wscale 7>
//	P. 1:11(10) ack 1 win 500
//	F. 11:11(0) ack 1
//
// Numbers are counted from the first one of each stream, as the last SYN on the
// wire told it; they may be negative. Of a segment that is wanted, what is left
// out may be anything.
//
// At the end, what must be true of the whole:
//
//	expect HOST ends STATE
//	expect HOST passes STATE STATE …          # in this order, perhaps with others between
//	expect HOST never is STATE
//	expect HOST drops "reason"
//	expect no segment from HOST …             # as in rules
//	expect N segments from HOST …             # also: at least N, at most N
//
// Below a line of four dashes stands the outcome as Result.Text gives it. It is
// made by
//
//	go test ./lab -rewrite
//
// and whoever changes the engine sees in the diff what that changes.
package lab
