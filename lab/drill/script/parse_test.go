package script_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// Each mistake is found where it is, and what is said names what would be right.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		text, at, says string
	}{
		{"+0 < X 0:0(0) win 1", "1:6", `'X' is no flag`},
		{"+0 < S 0:5(0) win 1", "1:8", "0 to 5 are 5 bytes, and not the 0"},
		{"+0 < S 0:0(0)", "1:14", "has a window: win N"},
		{"+0 < S 0:0(0) win 65536", "1:19", "the window is from 0 to 65535"},
		{"+0 < . 1:1(0) win 5", "1:20", "needs a number: ack N"},
		{"+0 > S 0:0(0) ack 1", "1:20", "written as a dot"},
		{"+0 < S 0:0(0) win 1 <mss 1460,sackok>", "1:31", "did you mean sackOK?"},
		{"+0 < S 0:0(0) win 1 <mss 1460,sackOK>", "1:21", "2 nop (or eol) are missing"},
		{"+0 < S 0:0(0) wim 1", "1:15", "did you mean win?"},
		{"+0 < [ect2] . 1:1(0) ack 1 win 1", "1:7", "did you mean"},
		{"+0 < icmp unreachble", "1:11", "did you mean unreachable?"},
		{"+0 < icmp unreachable frag_neded", "1:23", "did you mean frag_needed?"},
		{"+0 < . 1:1(0) ack 1 win 1 <sack>", "1:32", "sack 1001:2001"},
		{"+0 < . 1:1(0) ack 1 win 1 <...>", "1:27", "is for packets that leave"},
		{"+x close(3) = 0", "1:2", "a time is +.1"},
		{"+0 close(3) = 0;", "1:16", "without ;"},
		{"+0 > . 1:1(0) ack 1 <ECN ceb 1>", "1:26", "e1b ceb e0b"},
		{"+0 > . 1:1(0) ack 1 <ECN e0b 1 e1b 1>", "1:32", "e1b stands in the wrong place"},
		{"+0 > . 1:1(0) ack 1 <ECN e1b 1 ceb 1 e0b 1 ceb 1>", "1:44", "only from the end"},
		{"+1~.5 > . 1:1(0) ack 1", "1:4", "written alike"},
		{"2~1 > . 1:1(0) ack 1", "1:3", "ends before it begins"},
		{"+0...0.1 > . 1:1(0) ack 1", "1:1", "only calls take a time to return"},
		{"1...0.5 read(3, ..., 5) = 5", "1:5", "returns before it begins"},
		{"+0 sockt(..., SOCK_STREAM, 6) = 3", "1:4", "did you mean socket?"},
		{"+0 socket(..., SOCK_STEAM, 6) = 3", "1:16", "did you mean SOCK_STREAM?"},
		{"+0 close(3) = -1 EBADFD", "1:18", "did you mean EBADF?"},
		{"+0 < . 1:1(0) ack 1\n+0 close(3) = 0", "1:20", "a segment that arrives has a window"},
		{"+0 acept(3, ..., ...) = 4", "1:4", "did you mean accept?"},
		{"+0 fork() = 4", "1:4", "; the calls are socket, "},
		{"+0 < icmp unreachable CODE", "1:23", "--define CODE=..."},
		{"`sysctl -q x=$((1+)`", "1:14", "this sum has no end"},
		{"`sysctl -q x=$((1+a))`", "1:14", "a sum has numbers"},
		{"+0 close(3) = 0 EBADF", "1:17", "a call that fails gives -1"},
		{"+0 close 3 = 0", "1:4", "arguments in parentheses"},
		{"+0 close(3)", "1:12", "= is missing"},
		{"+0 %{ assert a == }%", "1:19", "an expression goes on here"},
		{"+0 %{ assert a", "1:4", "ends with }%"},
		{"+0 %{ if a: b }%", "1:7", "if is Python"},
		{"+0 %{ assert sqrt(4) }%", "1:14", "is no function"},
		{"`sysctl a=1", "1:1", "has no end"},
		{"/* a", "1:1", "has no end"},
		{"+0 close(3) = 0\n--mtu=5\n", "2:1", "at the top"},
		{"+0", "1:3", "what happens here?"},
		// What is missing at the end of a line is missing there, and not where the next begins.
		{"+0 < S 0:0(0) win 1 <mss 1000,nop\n+0 close(3) = 0", "1:34", "options are separated by commas and end with >"},
		{"+0 close(3\n+0 close(4) = 0", "1:11", "end with a parenthesis"},
		{"+0 close(3) // all\n+0 close(4) = 0", "1:12", "= is missing"},
		{"+0 < S 0:0(0) win 1 <mss 1000 nop>", "1:31", "options are separated by commas"},
		{"+0 < S 0:0(0) win 1 <nop,,nop>", "1:26", "between two commas"},
		{"+0 read(3, ..., 10) = EAGAIN", "1:23", "= -1 EAGAIN"},
		{"+0 <S0:0(0) win 1", "1:5", "a blank is missing between the flags and the numbers"},
		{"+0 < . 1:1(0) ack 1 ack 2 win 1", "1:21", "ack stands here twice"},
		{"+0 < . 1:1(0) ack 1 win 1 win 1", "1:27", "win stands here twice"},
		{"+1s close(3) = 0", "1:3", "a time has no unit"},
		{"0.1.2 close(3) = 0", "1:1", "is not a time"},
		{"+.1-+.2 > . 1:1(0) ack 1", "1:4", "a range is written with ~"},
		{"+0 %{ assert a = 1 }%", "1:16", "=="},
		{"// ä\n+0 close(3) = 0\n\t+0 < é 0:0(0) win 1", "3:7", "is no flag"},
	} {
		_, err := script.Parse("x.pkt", c.text)
		if got := fmt.Sprint(err); !strings.HasPrefix(got, "x.pkt:"+c.at+": ") || !strings.Contains(got, c.says) {
			t.Errorf("%q: %s; want it at %s, with %q", c.text, got, c.at, c.says)
		}
	}
}

// What the language has is read as it is meant.
func TestEvents(t *testing.T) {
	const text = `--tolerance_usecs=5000 --mtu=1300
` + "`sysctl -q \\\n net.ipv4.tcp_sack=0; ./defaults.sh # a\n`" + `
0 socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3
1.5~2 > [ect0] SEWA 0:0(0) <...>  // a comment
+.1~+.2 > P.U 1:11(10) ack 1 win 5 urg 2 <nop,nop,TS val 1 ecr ...>
* < 1000 > 8080 .5 1:1(0) ack 1 win 5 /* another */
   <nop, nop, sack 1:2 3:4>
+0 < [1:101(100)] icmp unreachable frag_needed mtu 1200
+0...0.1 recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_flags=0}, 0) = 10 (it (is) so)
+0 bind(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("1.2.3.4")}, ...) = 0
+0 %{ x = 3; assert 1 < x <= 3 and not x // 2 == 2, x
print(x)
assert x in (1, 3) or tcpi_cwnd }%
`
	s, err := script.Parse("x.pkt", text)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Options) != 2 || len(s.Events) != 9 {
		t.Fatalf("%d options, %d events", len(s.Options), len(s.Events))
	}
	for i, want := range []string{
		"[[sysctl -q net.ipv4.tcp_sack=0] [./defaults.sh]]",
		"socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 3",
		"{Out:true SEWe at 1.5s until 2s options any ect 2}",
		"{Out:true P.U at 100ms until 200ms options 3 ect -1}",
		"{Out:false .E at 0s until 0s options 3 ect -1}", // 5 is AE and ECE; see below
		"", "recvmsg", "bind", "",
	} {
		e := &s.Events[i]
		switch {
		case e.Shell != nil:
			var lines [][]string
			for _, l := range e.Shell.Lines {
				lines = append(lines, l.Words)
			}
			if got := fmt.Sprint(lines); got != want {
				t.Errorf("event %d: %s, want %s", i, got, want)
			}
		case e.Packet != nil && i == 2, e.Packet != nil && i == 3:
			p := e.Packet
			n := fmt.Sprint(len(p.Options))
			if p.AnyOptions {
				n = "any"
			}
			if got := fmt.Sprintf("{Out:%v %v at %v until %v options %s ect %d}", p.Out, p.Flags, e.When.At, e.When.Until, n, p.IP.ECN); got != want {
				t.Errorf("event %d: %s, want %s", i, got, want)
			}
		case e.Call != nil && !strings.HasPrefix(e.Call.Text, want):
			t.Errorf("event %d: %q, want %q", i, e.Call.Text, want)
		}
	}
	if p := s.Events[4].Packet; p.SrcPort != 1000 || p.DstPort != 8080 || p.Flags.ACE() != 5 || s.Events[4].When.Mode != script.Anytime {
		t.Errorf("ports %d and %d, ACE %d", p.SrcPort, p.DstPort, p.Flags.ACE())
	}
	if c := s.Events[5].Packet.ICMP; c == nil || !c.Quoted || c.MTU != 1200 || c.Code != "frag_needed" {
		t.Errorf("ICMP %+v", c)
	}
	if c := s.Events[6].Call; c.Result.Number != 10 || c.Args[1].Field("msg_iov").Items[0].Items[1].Number != 10 {
		t.Errorf("%+v", c)
	}
	if v := s.Events[7].Call.Args[1]; v.Field("sin_port").Number != 80 {
		t.Errorf("%+v", v)
	}
	vars := map[string]any{}
	for i, st := range s.Events[8].Code.Statements {
		v, _, err := st.Eval(func(name string) (any, bool) { v, ok := vars[name]; return v, ok })
		if err != nil || !script.True(v) {
			t.Errorf("statement %d, %s: %v, %v", i, st.Text, v, err)
		}
		if st.Set != "" {
			vars[st.Set] = v
		}
	}
}

// Expressions have the values that Python gives them.
func TestExpressions(t *testing.T) {
	names := func(name string) (any, bool) {
		n, ok := map[string]any{"a": 7.0, "b": 2.0, "s": "x"}[name]
		return n, ok
	}
	for text, want := range map[string]any{
		"1 + 2 * 3": 7.0, "(1 + 2) * 3": 9.0, "7 // 2": 3.0, "-7 // 2": -4.0, "7 % 3": 1.0, "-7 % 3": 2.0, "7 / 2": 3.5,
		"1 << 4 | 1": 17.0, "6 & 3": 2.0, "6 ^ 3": 5.0, "~0 & 255": 255.0, "0x10": 16.0, "1e3": 1000.0, ".5": 0.5,
		"a == 7": 1.0, "a != 7": 0.0, "5 < a < 8": 1.0, "5 < a < 6": 0.0, "a >= 7 and b <= 2": 1.0, "a < 0 or b": 2.0,
		"not a": 0.0, "not a == 8": 1.0, "max(a, b, 9)": 9.0, "abs(-a)": 7.0, "min(1, 2)": 1.0, "s == 'x'": 1.0, "a in [1, 7]": 1.0,
		"a - b - 1": 4.0, "int(3.9)": 3.0, "round(2.5)": 2.0,
	} {
		s, err := script.Parse("x", "+0 %{ assert "+text+" }%")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, _, err := s.Events[0].Code.Statements[0].Eval(names); got != want || err != nil {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"1 / 0", "nothing", "'x' < 1", "1 in 2"} {
		s, err := script.Parse("x", "+0 %{ assert "+text+" }%")
		if err != nil {
			t.Fatal(err)
		}
		if v, _, err := s.Events[0].Code.Statements[0].Eval(names); err == nil {
			t.Errorf("%s is %v", text, v)
		}
	}
}

// No text makes the parser end otherwise than with a script or a mistake in it.
func FuzzParse(f *testing.F) {
	f.Add("+0 < S 0:0(0) win 1 <mss 1460,nop,nop,sackOK>\n+0 %{ assert a }%\n")
	f.Add("`sysctl a=1`\n1...2 read(3, ..., {a=[1], b=2|3}) = -1 EAGAIN (x)\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := script.Parse("x", text); err != nil && !strings.HasPrefix(err.Error(), "x:") {
			t.Error(err)
		}
	})
}
