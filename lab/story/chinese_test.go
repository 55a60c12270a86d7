package story

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// accepted are the words that a Chinese text on TCP leaves as they are: flags,
// fields, options, names of protocols and of programs, units.
var accepted = strings.Fields(`
	SYN ACK SYN-ACK FIN RST PSH URG FP PU seq ack win len urg mss sack ts ws ao
	TCP IP ICMP ICMPv6 IPv6 IGMP IGMPv1 IGMPv2 IGMPv3 MLD MLDv1 MLDv2 UDP NDP ARP EtherType RFC MSL MSS MTU SACK SO_LINGER PAWS Nagle BBR cookie Fast Open fo
	ECN ECE CWR CE ce SEW AccECN AE SEWe EWe Ee We PEe EW
	ms s min handfast lab --seed
	ca_state open disorder recovery loss cwnd ssthresh sacked lost retrans dsack_dups reordering reord_seen rtt minrtt pacing_rate
	TCPLossProbes TCPTimeouts TCPLossUndo TCPFullUndo TCPDSACKRecv TCPSackRecovery TCPFastRetrans TCPSACKReorder`) // the last are names of ss -i and netstat -s

var english = regexp.MustCompile(`[A-Za-z][A-Za-z0-9_-]+`)

// checkChinese looks for English words. Names are what the scenario calls its
// hosts, and calls are lines of its programs: both are as the file has them.
func checkChinese(t *testing.T, where, text string, names, calls []string) {
	t.Helper()
	rest := quoted.ReplaceAllString(text, "")
	for _, c := range calls {
		rest = strings.ReplaceAll(rest, c, "")
	}
	for _, word := range english.FindAllString(rest, -1) {
		if !slices.Contains(accepted, word) && !slices.Contains(names, word) && !isState(word) {
			t.Errorf("%s: %q is English, in %q", where, word, text)
		}
	}
}

func isState(word string) bool {
	for s := range tcp.State(tcp.NumStates) {
		if s.String() == word {
			return true
		}
	}
	return false
}

// A Chinese picture of any scenario, plain or over a bad wire, has no English
// but accepted terms: neither has its ladder, its legend, its state diagram.
func TestScenesInChinese(t *testing.T) {
	for _, info := range lab.Scenarios() {
		for _, o := range []lab.Options{{Seed: 1}, {Seed: 3, Loss: 0.2, Reorder: 0.1}} {
			checkScene(t, info, o)
		}
	}
}

func checkScene(t *testing.T, info lab.Info, o lab.Options) {
	t.Helper()
	r := played(info.Name, o)
	told := Tell(&r.Run, TellOptions{Lang: Chinese, Explain: true})
	var names, calls []string
	for i := range r.Hosts {
		names = append(names, r.Hosts[i].Name)
	}
	for i := range r.Events {
		if e := &r.Events[i]; e.Class == trace.Call {
			calls = append(calls, quoted.ReplaceAllString(e.Text, ""))
		}
	}
	slices.SortFunc(calls, func(a, b string) int { return len(b) - len(a) }) // the longest first: one may begin like another
	check := func(what, text string) { checkChinese(t, info.Name+", "+what, text, names, calls) }
	check("title", info.TitleZH+info.SummaryZH+info.GroupZH)
	for i := range told.Steps {
		check("step", told.Steps[i].Text+" "+told.Steps[i].Why+" "+strings.Join(told.Steps[i].Fields, " "))
	}
	for i := range told.Lanes {
		check("lane", told.Lanes[i].Title)
	}
	check("legend", strings.Join(Legend(told.Steps, Chinese, false, 80), " "))
	if o.Loss > 0 {
		return // the steps are all that differs
	}
	picture := Picture{Title: info.TitleZH, Lanes: told.Lanes, Lang: Chinese}.draw(slices.DeleteFunc(slices.Clone(told.Steps), func(s Step) bool { return s.Kind == Remark }))
	for i := range picture.boxes {
		check("picture", picture.boxes[i].text)
	}
	for _, m := range picture.frames(picture.steps) {
		check("moment", m.Text)
	}
	none := played("connection-refused", lab.Options{})
	for _, d := range Compare(Chinese, &r.Run, &none.Run) {
		checkChinese(t, info.Name+", difference", d.Name+" "+strings.Join(d.Values, " "), append([]string{"client", "server"}, names...), calls)
	}
	diagram, _ := Diagram{Lang: Chinese, Paths: told.Paths(r.Start)}.draw(pictureWidth)
	for i := range diagram.boxes {
		check("diagram", diagram.boxes[i].text)
	}
}

// The diagram in characters, too.
func TestFigureInChinese(t *testing.T) {
	var b bytes.Buffer
	if err := (Figure{Lang: Chinese}).Write(&b); err != nil {
		t.Fatal(err)
	}
	checkChinese(t, "figure", b.String(), nil, nil)
	for line := range strings.Lines(b.String()) {
		if n := columns(strings.TrimRight(line, "\n")); n > DefaultWidth {
			t.Errorf("a line of %v columns: %s", n, line)
		}
	}
	golden(t, "figure-zh.txt", b.Bytes())
}

// Whatever can happen has a name in Chinese: causes, timers, drops, fates, and
// what the calls of the lab can give.
func TestNamesInChinese(t *testing.T) {
	check := func(what, text string) {
		t.Helper()
		checkChinese(t, what, text, nil, nil)
		if !strings.ContainsFunc(text, func(r rune) bool { return r >= wideRunes }) {
			t.Errorf("%s: %q has no Chinese", what, text)
		}
	}
	for from := range tcp.State(tcp.NumStates) {
		check(from.String(), Meaning(from, Chinese))
		for to := range tcp.State(tcp.NumStates) {
			for _, c := range Causes(from, to) {
				check(c.String(), CauseName(c, Chinese))
			}
		}
	}
	for timer := tcp.TimerRetransmit; timer <= tcp.TimerLife; timer++ {
		check(timer.String(), timerText(timer, Chinese))
	}
	for d := range wire.Drop(wire.NumDrops) {
		check(d.String(), dropText(d, wire.ACK, Chinese))
	}
	for f := trace.Lost; f <= trace.Refused; f++ {
		check(f.String(), fateText(f, "", Chinese))
	}
	for reason := range reasons {
		check(reason, fateText(trace.Lost, reason, Chinese))
	}
	for _, err := range []error{lab.ErrReset, lab.ErrRefused, lab.ErrTimedOut, lab.ErrUnreachable, lab.ErrAborted, lab.ErrClosed, lab.ErrInUse, lab.ErrNoHost} {
		check(err.Error(), strings.TrimPrefix(outcomeText("read", err.Error(), Chinese), "read"))
	}
	w := pageWordsOf[Chinese]
	for _, text := range []string{w.Help, w.Together, w.Steps, w.First, w.Back, w.Step, w.On, w.End, w.States, w.Queue, w.All, w.Where, w.Differences} {
		check("page", text)
	}
	for _, text := range []string{"ICMP: fragmentation needed, next link takes 1400", "ICMPv6: packet too big, next link takes 1400", "ICMP type 3 code 1", "IP protocol 47",
		"IGMPv3: joins 239.1.2.3, leaves 239.1.2.4", "IGMPv1: is in 239.1.2.3", "MLDv2: leaves 239.1.2.3", "IGMPv2: asks who is in any group"} {
		check(text, messageText(text, Chinese))
	}
}

// What a call gave is told in Chinese; what was written or read stays as it is.
func TestOutcomesInChinese(t *testing.T) {
	for english, chinese := range map[string]string{
		`5 bytes "hello"`:                          `read：5 字节 "hello"`,
		`1 byte "a"`:                               `read：1 字节 "a"`,
		`7300 bytes of o, end of stream`:           `read：7300 字节 o，流结束`,
		`30 bytes: 10 a, then 20 b, end of stream`: `read：30 字节：10 a，接着 20 b，流结束`,
		`15 bytes "normal, end of stream", 15 up to the urgent mark`: `read：15 字节 "normal, end of stream"，到紧急标记为止 15 字节`,
		`timed out`:                         `read：超时`,
		`connection reset after 1448 bytes`: `read：写入 1448 字节之后连接被复位`,
	} {
		if got := outcomeText("read", english, Chinese); got != chinese {
			t.Errorf("%q is %q, want %q", english, got, chinese)
		}
		if got := outcomeText("read", english, English); got != "read: "+english {
			t.Errorf("%q is %q in English", english, got)
		}
	}
}
