package drill_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// opened is a client's handshake in the words of a BSD's script: its options have another order
// and other padding than ours, its buffers and windows another size.
const opened = `
+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 fcntl(3, F_GETFL) = 0x02 (flags O_RDWR)
+0 fcntl(3, F_SETFL, O_RDWR | O_NONBLOCK) = 0
+0 getsockopt(3, SOL_SOCKET, SO_RCVBUF, [12345], [4]) = 0
+0 connect(3, ..., ...) = -1 EINPROGRESS
+0 > S 0:0(0) win 4000 <mss 1460,nop,wscale 3,sackOK,TS val 1 ecr 0>
+.1 < S. 0:0(0) ack 1 win 5000 <mss 1000,sackOK,eol,eol>
+0 > . 1:1(0) ack 1 win 4000
`

const bsdSettings = "0 `sysctl -w net.inet.tcp.rfc1323=1; sysctl -w kern.ipc.maxsockbuf=500000`"

// playText plays a script with names that stand for something.
func playText(text string, words ...string) error {
	told := map[string]string{}
	for _, w := range words {
		told[w] = "1"
	}
	s, err := script.ParseWith("x.pkt", text, told)
	if err != nil {
		return err
	}
	return drill.Play(s, drill.Options{}).Err
}

// A script for a BSD is held against what RFCs say, and not against what they leave to a host.
func TestBSD(t *testing.T) {
	begin := bsdSettings + opened
	for text, fault := range map[string]string{
		begin: "",
		begin + "+.1 `sockstat -4 -P tcp -s | grep packetdrill | grep -c ESTABLISHED | grep 1`\n": "",
		begin + "+.1 `sockstat -4 -P tcp -s | grep -c ESTABLISHED | grep 0`\n":                    "is in state ESTABLISHED",
		begin + "+.1 `sockstat -4 -P tcp -s | grep -c ESTABLISED | grep 0`\n":                     "did you mean ESTABLISHED?",
		begin + "+.1 `sockstat -4`\n": "sockstat says how many",
		begin + "+0 close(3) = 0\n+.1 `sockstat | grep packetdrill | grep -c FIN_WAIT_1 | grep 0`\n":                                "",
		begin + "+0 close(3) = 0\n+.1 `sockstat | grep -c FIN_WAIT_1 | grep 1`\n":                                                   "",
		begin + "+0 close(3) = 0\n+0 > (ttl 64, tos 0) F. ...(0) ack 1\n":                                                           "",
		begin + "+0 close(3) = 0\n+0 > (ttl 63) F. 1:1(0) ack 1\n":                                                                  "its TTL is 64",
		begin + "+0 close(3) = 0\n+0 > F. ...(1) ack 1\n":                                                                           "it has 0 bytes",
		begin + "+0 close(3) = 0\n+0 > F. 1:1(0) ack 1 win 0\n":                                                                     "its window is",
		begin + "+0 setsockopt(3, IPPROTO_IP, IP_TTL, [9], 4) = 0\n+0 close(3) = 0\n+0 > (ttl 9) F. 1:1(0) ack 1\n":                 "",
		begin + "+0 setsockopt(3, IPPROTO_IP, IP_TOS, [IPTOS_DSCP_CS7], 4) = 0\n+0 close(3) = 0\n+0 > (tos 0xe0) F. 1:1(0) ack 1\n": "",
		"+0 `sysctl net.inet.tcp.sack=1`\n+0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_TCP, TCP_KEEPINIT, [2], 4) = 0\n+0 connect(3, ..., ...) = -1 EINPROGRESS\n+0 > S 0:0(0) <...>\n+1 > S 0:0(0) <...>\n+1.1 getsockopt(3, SOL_SOCKET, SO_ERROR, [ETIMEDOUT], [4]) = 0\n": "",
		// It bounds the handshake alone: what is sent then has all the time.
		"+0 `sysctl net.inet.tcp.sack=1`\n+0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_TCP, TCP_KEEPINIT, [2], 4) = 0\n+0 connect(3, ..., ...) = -1 EINPROGRESS\n+0 > S 0:0(0) <...>\n+.5 < S. 0:0(0) ack 1 win 5000 <mss 1000>\n+0 > . 1:1(0) ack 1\n+0 write(3, ..., 5) = 5\n+0 > P. 1:6(5) ack 1\n+9 getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0\n": "",
		begin + "+0 < F 1:1(0) ack 2 win 5000\n+0 `tcpdrop -s ESTABLISHED`\n":                        "",
		begin + "+0 %{ assert tcpi_state == TCPI_ESTABLISHED }%\n":                                   "",
		strings.Replace(begin, "wscale 3", "wscale 4", 1):                                            "its option wscale 4 is another",
		strings.Replace(begin, ",sackOK,TS", ",TS", 1):                                               "2 nop (or eol) are missing",
		strings.Replace(begin, "mss 1460", "mss 1400", 1):                                            "its option mss 1400 is another",
		strings.Replace(begin, "net.inet.tcp.rfc1323", "net.inet.tcp.rfc1232", 1):                    "did you mean net.inet.tcp.rfc1323?",
		"--ip_version=ipv6\n" + strings.ReplaceAll(begin, "mss 1460", "mss 1440"):                    "",
		strings.Replace(begin, bsdSettings, "`sysctl net.ipv4.tcp_timestamps=1`", 1):                 "getsockopt of SOL_SOCKET, SO_RCVBUF is not played here",
		strings.Replace(begin, bsdSettings, "`sysctl net.inet.tcp.insecure_rst=0; sysctl a.b=1`", 1): "unknown setting a.b",
		"+0 < F 1:1(0) ack 2 win 5000\n":                                                             "a segment with ack N has the flag ACK",
	} {
		if got := fmt.Sprint(playText(text)); fault == "" && got != "<nil>" || !strings.Contains(got, fault) {
			t.Errorf("%s\n%s; want %q", text, got, fault)
		}
	}
}

// What a BSD's settings are of our host's shows on the wire.
func TestSettingsOfBSD(t *testing.T) {
	const syn = "+0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3\n+0 connect(3, ..., ...) = -1 EINPROGRESS\n+0 > "
	for _, c := range []struct{ setting, want string }{
		{"rfc1323=0", syn + "S 0:0(0) <mss 1460,sackOK,eol,eol>"},
		{"rfc1323=1", syn + "S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0,wscale 6,eol>"},
		{"rfc1323=2", syn + "S 0:0(0) <mss 1460,sackOK,wscale 6,eol,eol,eol>"},
		{"rfc1323=3", syn + "S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0>"},
		{"sack.enable=0", syn + "S 0:0(0) <mss 1460,TS val 1 ecr 0,wscale 6,nop,nop,nop>"},
		{"ecn.enable=1", syn + "SEW 0:0(0) <...>"},
		{"ecn.enable=2", syn + "S 0:0(0) <...>"},
		{"ecn.enable=3", syn + "SEWA 0:0(0) <...>"},
		{"rexmit_initial=3000", syn + "S 0:0(0) <...>\n+3 > S 0:0(0) <...>"},
		{"keepcnt=3", "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 getsockopt(3, SOL_TCP, TCP_KEEPCNT, [3], [4]) = 0"},
		{"keepinit=9000", "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 getsockopt(3, SOL_TCP, TCP_KEEPINIT, [9], [4]) = 0"},
		{"fastopen.client_enable=1", "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [1], 4) = 0\n+0 sendto(3, ..., 100, 0, ..., ...) = 100\n+0 > S 0:0(0) <...>\n" +
			"+.1 < S. 0:0(0) ack 1 win 5000 <mss 1000,FO 01020304,nop,nop>\n+0 > P. 1:101(100) ack 1\n+0 close(3) = 0\n+0 > F. 101:101(0) ack 1\n+.1 < F. 1:1(0) ack 102 win 5000\n+0 > . 102:102(0) ack 2\n" +
			"+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 setsockopt(3, SOL_TCP, TCP_FASTOPEN, [1], 4) = 0\n+0 sendto(3, ..., 100, 0, ..., ...) = 100\n+0 > S 0:100(100) <mss 1460,sackOK,TS val 1 ecr 0,wscale 6,FO 01020304,eol,eol,eol>"},
		{"keepidle=15000", "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 getsockopt(3, SOL_TCP, TCP_KEEPIDLE, [15], [4]) = 0"},
		{"cc.algorithm=newreno", "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 getsockopt(3, SOL_TCP, TCP_CONGESTION, [\"reno\"], [4]) = 0"},
		{"always_keepalive=1; sysctl net.inet.tcp.keepidle=5000", established + "+5 > . 0:0(0) ack 1"},
		{"delayed_ack=0", established + text16 + "+0 < . 16001:16501(500) ack 1 win 5000\n+0 > . 1:1(0) ack 16501"},
		{"delacktime=80", established + text16 + "+0 < . 16001:16501(500) ack 1 win 5000\n+.08 > . 1:1(0) ack 16501"},
		{"finwait2_timeout=9000", established + "+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.1 < . 1:1(0) ack 2 win 5000\n+8.9 `sockstat | grep -c FIN_WAIT_2 | grep 1`\n+.2 `sockstat | grep -c FIN_WAIT_2 | grep 0`"},
		{"msl=2000", established + "+0 close(4) = 0\n+0 > F. 1:1(0) ack 1\n+.1 < F. 1:1(0) ack 2 win 5000\n+0 > . 2:2(0) ack 2\n+3.9 `sockstat | grep -c TIME_WAIT | grep 1`\n+.2 `sockstat | grep -c TIME_WAIT | grep 0`"},
	} {
		text := "`sysctl net.inet.tcp." + c.setting + "`\n" + c.want + "\n"
		if err := playText(text); err != nil {
			t.Errorf("%s: %v", c.setting, err)
		}
		name, _, _ := strings.Cut(c.setting, "=")
		if err := playText("`sysctl net.inet.tcp.drop_synfin=1`\n" + c.want + "\n"); err == nil && !strings.HasSuffix(c.setting, "ecn.enable=2") && c.setting != "rfc1323=1" {
			t.Errorf("%s: it is so without it", name)
		}
	}
}

const established = `+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 5000 <mss 1000>
+0 > S. 0:0(0) ack 1 <mss 1460>
+0 < . 1:1(0) ack 1 win 5000
+0 accept(3, ..., ...) = 4
`

// text16 are the segments that are acknowledged at once.
var text16 = func() (lines string) {
	for i := range 16 {
		lines += fmt.Sprintf("+0 < . %d:%d(1000) ack 1 win 5000\n+0~+.09 > . 1:1(0) ack %d\n", i*1000+1, i*1000+1001, i*1000+1001)
	}
	return lines
}()

// Of #ifdef that branch is played of which the name has been told.
func TestBranches(t *testing.T) {
	const text = `#ifdef A
#ifdef B
+0 close(1) = 0
#else
+0 close(2) = 0
#endif
#else
+0 close(3) = 0
#endif
#ifndef A
+0 close(4) = 0
#endif
# a comment
`
	for words, want := range map[string]string{"": "close(3) close(4)", "A": "close(2)", "A B": "close(1)", "B": "close(3) close(4)"} {
		told := map[string]string{}
		for _, w := range strings.Fields(words) {
			told[w] = ""
		}
		s, err := script.ParseWith("x.pkt", text, told)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range s.Events {
			name, _, _ := strings.Cut(e.Call.Text, " ")
			got = append(got, name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("with %q: %q, want %q", words, got, want)
		}
	}
	if err := playText("\n#ifdef A\n+0 close(1) = 0\n"); err == nil || !strings.HasPrefix(err.Error(), "x.pkt:2:1: this #ifdef has no #endif") {
		t.Errorf("%v", err)
	}
}
