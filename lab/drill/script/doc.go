// Package script reads the language of packetdrill: what a host's programs call, what
// arrives at it, and what must leave it, line by line, each with its time.
//
//	--tolerance_usecs=5000
//	`sysctl -q net.ipv4.tcp_timestamps=0`
//
//	0     socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//	+0    bind(3, ..., ...) = 0
//	+0    listen(3, 1) = 0
//	+0    < S 0:0(0) win 65535 <mss 1000,sackOK,nop,nop>
//	+0    > S. 0:0(0) ack 1 <mss 1460,nop,nop,sackOK>
//	+.1   < . 1:1(0) ack 1 win 257
//	+0    accept(3, ..., ...) = 4
//	+0    %{ assert tcpi_state == TCP_ESTABLISHED }%
//
// It knows nothing of what plays a script: package drill does. docs/DRILL.md is the
// language for whoever writes it.
//
// The files: script.go holds what a script is, scan.go reads characters and makes the
// errors, parse.go the file and the times, packet.go and option.go packets, call.go system
// calls, constant.go their names, shell.go what stands between backticks, code.go and
// expression.go what stands between %{ and }%.
package script
