package inspect

import (
	"bytes"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// What is sent is marked under IPv4's name, or under that of IPv6, as ss has it.
func TestTOSInTheWordsOfSS(t *testing.T) {
	for local, want := range map[string]string{"10.0.0.1:80": " tos:0x10\n", "[fd77::1]:80": " tclass:0x10\n"} {
		c := handfast.ConnInfo{State: tcp.Established, Local: netip.MustParseAddrPort(local), Info: tcp.Info{SndMSS: 1448, TOS: 0x10}}
		var b bytes.Buffer
		if err := WriteSS(&b, []Row{connRow(&c)}, SSOptions{TOS: true, Headless: true}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(b.String(), want) {
			t.Errorf("%s: got %q, want it to end in %q", local, b.String(), want)
		}
	}
}

// What a connection of ours tells has ss's names and order, every field of it: the
// line is that of ss for the same struct tcp_info.
func TestInfoInTheWordsOfSS(t *testing.T) {
	ms := time.Millisecond
	i := tcp.Info{State: tcp.Established, Timestamps: true, SACK: true, WindowScale: true, SndWscale: 7, RcvWscale: 5, Congestion: "cubic", RTO: 204 * ms,
		Backoff: 1, RTT: 4 * ms, RTTVar: 2 * ms, ATO: 40 * ms, SndMSS: 1448, PMTU: 1500, RcvMSS: 1448, AdvMSS: 1448, SndCwnd: 10, SndSsthresh: 7,
		BytesSent: 20000, BytesRetrans: 1448, BytesAcked: 10000, BytesReceived: 5000, SegsOut: 21, SegsIn: 12, DataSegsOut: 15, DataSegsIn: 4,
		LastDataSent: 11 * ms, LastDataRecv: 12 * ms, LastAckRecv: 13 * ms, PacingRate: 1000000, DeliveryRate: 500000, Delivered: 9, DeliveryRateAppLimited: true,
		BusyTime: 200 * ms, RwndLimited: 50 * ms, SndbufLimited: 10 * ms, Unacked: 7, Retrans: 1, TotalRetrans: 3, Lost: 2, Sacked: 4, DsackDups: 5,
		Reordering: 8, ReordSeen: 6, RcvRTT: 5 * ms, RcvSpace: 14480, RcvSsthresh: 65536, NotsentBytes: 100, MinRTT: 3 * ms, RcvOOOPack: 2, SndWnd: 64512, RcvWnd: 65000}
	row := Row{Proto: "tcp", State: State(i.State), Local: at("10.0.0.1:80"), Remote: at("10.0.0.2:4000"), Details: details(&i)}
	var b bytes.Buffer
	if err := WriteSS(&b, []Row{row}, SSOptions{Info: true, Timers: true, Headless: true}); err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(b.String(), "\n\t ")
	want := "ts sack cubic wscale:7,5 rto:204 backoff:1 rtt:4/2 ato:40 mss:1448 pmtu:1500 rcvmss:1448 advmss:1448 cwnd:10 ssthresh:7 " +
		"bytes_sent:20000 bytes_retrans:1448 bytes_acked:10000 bytes_received:5000 segs_out:21 segs_in:12 data_segs_out:15 data_segs_in:4 " +
		"send 28960000bps lastsnd:11 lastrcv:12 lastack:13 pacing_rate 8000000bps delivery_rate 4000000bps delivered:9 app_limited " +
		"busy:200ms rwnd_limited:50ms(25.0%) sndbuf_limited:10ms(5.0%) unacked:7 retrans:1/3 lost:2 sacked:4 dsack_dups:5 reordering:8 reord_seen:6 " +
		"rcv_rtt:5 rcv_space:14480 rcv_ssthresh:65536 notsent:100 minrtt:3 rcv_ooopack:2 snd_wnd:64512 rcv_wnd:65000\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if n := reflect.TypeFor[tcp.Info]().NumField(); n < 60 {
		t.Errorf("Info has %d fields", n)
	}
}
