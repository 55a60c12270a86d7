package wire_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// A SYN is written, read again, and printed.
func Example() {
	ip := wire.IP{Version: 4, Proto: wire.ProtoTCP, TTL: 64, Src: wire.AddrFrom4(0x0a000001), Dst: wire.AddrFrom4(0x0a000002)}
	syn := wire.TCP{SrcPort: 40000, DstPort: 80, Seq: 1000, Flags: wire.SYN, Window: 65535}
	syn.Options.Set, syn.Options.MSS = wire.OptMSS, 1460
	packet := wire.AppendSegment(nil, &ip, &syn, 0, 0, false)
	fmt.Println(len(packet), "bytes")

	var gotIP wire.IP
	var got wire.TCP
	if d := wire.ParseIP(packet, &gotIP); d != wire.None {
		fmt.Println("not used:", d)
	}
	if _, d := wire.ParseTCP(packet[gotIP.HeaderLen:gotIP.TotalLen], &got); d != wire.None {
		fmt.Println("not used:", d)
	}
	fmt.Println(&gotIP)
	fmt.Println(&got)

	packet[0] = 0x95
	fmt.Println("not used:", wire.ParseIP(packet, &gotIP))
	// Output:
	// 44 bytes
	// IP 10.0.0.1 > 10.0.0.2: proto 6, ttl 64, length 24
	// 40000 > 80: Flags [S], seq 1000, win 65535, options [mss 1460]
	// not used: bad IP version
}
