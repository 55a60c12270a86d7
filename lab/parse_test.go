package lab

import (
	"strings"
	"testing"
)

// Errors name line and column, and say what is wrong.
func TestErrorsOfScenarios(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "x.txt:1:1: the scenario has no host"},
		{"host a\nhost a", `x.txt:2:6: the name "a" is taken`},
		{"host", "x.txt:1:5: a name is missing"},
		{"host a with legs", `x.txt:1:8: "with" is not a host option`},
		{"host a msl soon", `x.txt:1:12: "soon" is not a duration: msl, as in 200ms or 1.5s, is expected here`},
		{"host a mtu -1", "x.txt:1:12: -1 is out of range: mtu is expected here"},
		{"host a address b", `x.txt:1:16: "b" is not an address`},
		{"host a cookies perhaps", `x.txt:1:16: "perhaps": off or auto or always is expected here`},
		{"host a\nwire delay", "x.txt:2:11: a delay is missing"},
		{"host a\nwire loss 2", `x.txt:2:11: "2" is not a probability from 0 to 1`},
		{"host a\nwire from b to a", `x.txt:2:11: there is no host "b"`},
		{"host a\nwire length 5", `x.txt:2:6: "length" is not a wire property`},
		{"host a\ntelnet a", `x.txt:2:1: "telnet" is not a statement; known are host, wire, limit, lose, duplicate, delay, hold, corrupt, cut, forge, expect, and NAME: before a program`},
		{"host a\nb:\n    listen 80", `x.txt:2:1: there is no host "b"`},
		{"host a\n    listen 80", "x.txt:2:5: this line is indented, but no program's name stands above it"},
		{"host a\na:\n    listen", "x.txt:3:11: a port is missing"},
		{"host a\na:\n    listen 65536", "x.txt:3:12: 65536 is not a port"},
		{"host a\na:\n    listen 80 81", `x.txt:3:15: "81" is too much here`},
		{"host a\na:\n    dance", `x.txt:3:5: unknown call "dance" for a program on a`},
		{"host a\na:\n    send S 0:0(0)", `x.txt:3:5: unknown call "send" for a program on a`},
		{"host a scripted\na:\n    listen 80", `x.txt:3:5: unknown call "listen" for a program on a`},
		{"host a scripted\na:\n    send Q 0:0(0)", `x.txt:3:10: 'Q' is not a flag`},
		{"host a scripted\na:\n    send S 0:1(0)", `x.txt:3:12: "0:1(0)": the numbers are 1 apart`},
		{"host a scripted\na:\n    send S 0(0)", `x.txt:3:12: "0(0)" is not a range of sequence numbers`},
		{"host a scripted\na:\n    send S 0:0(0) <mss 5", "x.txt:3:25: the > that ends the options is missing"},
		{"host a scripted\na:\n    send S 0:0(0) <cake>", `x.txt:3:19: "cake" is not a TCP option known to scenarios`},
		{"host a scripted\na:\n    send S 0:0(0) and", `x.txt:3:19: "and" is not part of a segment`},
		{"host a\na:\n    note-zh 你好", "x.txt:3:13: note-zh stands below the note that it says in Chinese"},
		{"host a\na:\n    write \"never ends", "x.txt:3:11: the quotation mark is never closed"},
		{"host a\na:\n    write 5 of \"\"", `x.txt:3:16: "" is not one letter`},
		{"host a\na:\n    write 99999999", `x.txt:3:11: 99999999 bytes are more than a scenario may write at once, 16777216`},
		{"host a\nhost b\nlose the last segment from a", `x.txt:3:10: "last": which one? (the 1st, the 2nd to 4th, every)`},
		{"host a\nhost b\nlose the 1st segment from a with love", `x.txt:3:34: "love": SYN, SYN-ACK, FIN, RST, ACK, URG, ECE, CWR, data, seq N or ack N is expected here`},
		{"host a\nhost b\ndelay the 1st segment from a", "x.txt:3:29: by how much? (delay … by D, duplicate … after D)"},
		{"host a\nhost b\nhold the 1st segment from a until a is happy", `x.txt:3:40: "happy" is not a state`},
		{"host a\nhost b\nforge a 1 > b 2 S 0:0(0)", "x.txt:3:17: a forged segment needs its time: at T, or when HOST is STATE"},
		{"host a\nexpect a sings", `x.txt:2:10: "sings": ends or passes or never or drops is expected here`},
		{"host a\nexpect few segments from a", `x.txt:2:8: "few" is not a number: a host, or a number of segments, is expected here`},
		{"host ä\nä:\n    write \"ö\" ü", `x.txt:3:15: "ü" is too much here`},
	} {
		_, err := Load("x.txt", strings.NewReader(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

// Whatever a scenario's text is, reading it ends, with a scenario or an error
// that has a place; and a scenario that was read can run.
func FuzzScenario(f *testing.F) {
	for _, info := range Scenarios() {
		s, err := Find(info.Name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Load("x.txt", strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "x.txt:") {
				t.Errorf("an error without a place: %v", err)
			}
			return
		}
		if len(text) < 4000 && !strings.Contains(text, "00") {
			s.Run(Options{Limit: 1})
		}
	})
}

// What the programs of a scenario do is compared with what they have to do.
func TestFailuresOfScenarios(t *testing.T) {
	const head = "host a\nhost b\n"
	for _, c := range []struct{ text, want string }{
		{head + "a:\n    connect b 1 -> ok", "line 4: a: connect b 1 gave \"connection refused\", wanted \"ok\""},
		{head + "a:\n    listen 1\n    accept", "lab: programs wait for what will never come: a"},
		{head + "limit 1s\na:\n    listen 1\n    accept until 2s", "lab: the limit of time is reached: a"},
		{head + "a:\n    connect b 1\nexpect a ends ESTABLISHED", "line 5: expect a ends ESTABLISHED: a ends in CLOSED"},
		{head + "a:\n    connect b 1\nexpect a passes SYN-SENT LISTEN", "line 5: expect a passes SYN-SENT LISTEN: a was in [SYN-SENT CLOSED], in this order: LISTEN is missing"},
		{head + "a:\n    connect b 1\nexpect a never is SYN-SENT", "line 5: expect a never is SYN-SENT: a was in SYN-SENT"},
		{head + "a:\n    connect b 1\nexpect b drops \"duplicate\"", "line 5: expect b drops \"duplicate\": b drops for: no socket"},
		{head + "a:\n    connect b 1\nexpect no segment from a with SYN", "line 5: expect no segment from a with SYN: found 1 such segment"},
		{head + "a:\n    connect b 1\nexpect at least 2 segments from a", "line 5: expect at least 2 segments from a: found 1 such segment"},
		{"host a scripted\nhost b\na:\n    peer b 1\n    send S 0:0(0)\n    want S. 0:0(0) ack 1 -> ok", "line 6: a: got R. 0:0(0) ack 1 win 0"},
		{"host a scripted\nhost b\na:\n    peer b 1\n    send S 0:0(0)\n    want nothing until 1s", "line 6: a wanted nothing and got R. 0:0(0) ack 1 win 0"},
	} {
		s, err := Load("x.txt", strings.NewReader(c.text))
		if err != nil {
			t.Error(err)
			continue
		}
		r, err := s.Run(Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if got := strings.Join(r.Failed, "\n"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}
