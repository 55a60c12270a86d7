package trace_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// played returns a run of one of the lab's scenarios.
func played(name string) *trace.Run {
	s, err := lab.Find(name)
	if err != nil {
		panic(err)
	}
	r, err := s.Run(lab.Options{})
	if err != nil {
		panic(err)
	}
	return &r.Run
}

// What the server saw, as tcpdump prints it.
func ExampleText() {
	r := played("connection-refused")
	t := trace.Text{Start: r.Start}
	for i := range r.Events {
		if e := &r.Events[i]; e.Host == "server" && e.Class == trace.Engine {
			fmt.Printf("%s\n", t.Append(nil, &e.Event))
		}
	}
	// Output:
	// 0.010000 IP 10.0.0.1.40000 > 10.0.0.2.80: Flags [S], seq 0, win 65535, options [mss 1460,sackOK,TS val 1124257753 ecr 0,wscale 9], length 0 (dropped: no socket)
	// 0.010000 IP 10.0.0.2.80 > 10.0.0.1.40000: Flags [R.], seq 0, ack 1, win 0, length 0
}

func ExampleAppendJSON() {
	r := played("connection-refused")
	for i := range r.Events {
		if e := &r.Events[i]; e.Host == "server" && e.Class == trace.Engine && e.Packet == 2 {
			fmt.Printf("%s\n", trace.AppendJSON(nil, e, r.Start, ""))
		}
	}
	// Output:
	// {"time":0.010000000,"host":"server","peer":"client","class":"engine","event":"sent","packet":2,"src":"10.0.0.2","sport":80,"dst":"10.0.0.1","dport":40000,"state":"CLOSED","segment":{"flags":"R.","seq":0,"ack":2366977955,"win":0,"len":0,"irs":2366977954}}
}

// A script for handfast drill.
func ExampleWriteDrill() {
	var b strings.Builder
	trace.WriteDrill(&b, played("connection-refused"), "client", nil, "what the client saw")
	fmt.Print(b.String())
	// Output:
	// // what the client saw
	// --ip_version=ipv4
	// --mtu=1500
	// `sysctl -q net.ipv4.tcp_rmem='4096 131072 33553920'`
	//
	// // connect server 80
	// +0.000000 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
	// +0.000000 connect(3, {sin_port=htons(80)}, ...) = -1 EINPROGRESS
	// +0.000000 fcntl(3, F_SETFL, O_RDWR) = 0
	// //   CLOSED -> SYN-SENT: active open
	// +0.000000 > S 0:0(0) <mss 1460,sackOK,TS val 1124257753 ecr 0,nop,wscale 9> // win 65535
	// +0.020000 < R. 0:0(0) ack 1 win 0
	// //   SYN-SENT -> CLOSED: connection refused
}

// What Wireshark shows with each packet.
func ExampleComments() {
	r := played("connection-refused")
	said := trace.Comments(r)
	for _, p := range r.Packets {
		fmt.Fprintf(os.Stdout, "#%d %s\n", p.ID, strings.Join(said[p.ID], "; "))
	}
	// Output:
	// #1 client: connect server 80; client: CLOSED -> SYN-SENT (active open); server does not use it: no socket
	// #2 client: SYN-SENT -> CLOSED (connection refused)
}
