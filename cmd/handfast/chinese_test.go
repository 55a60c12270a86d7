package main

import (
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/trace"
)

var (
	// englishRun are three English words in a row: no field of a segment and no name
	// of an option looks so.
	englishRun = regexp.MustCompile(`[A-Za-z][a-z']+,? [a-z']{2,},? [a-z']{2,}`)

	// What ss -i, netstat -s and the scenarios' language call things.
	fieldNames = regexp.MustCompile(`ca_state \w+|cwnd|ssthresh|sacked|lost|retrans|reord_seen|reordering|dsack_dups|minrtt|rtt|pacing_rate|TCP[A-Z]\w+`)
	lineOfFile = regexp.MustCompile(`expect [^：\n]*`)

	markup   = regexp.MustCompile(`(?s)<(style|script).*?</(style|script)>|<[^>]*>`)
	literal  = regexp.MustCompile(`"[^"]*"`)
	typed    = regexp.MustCompile(`handfast [a-z]+( --?[a-z-]+| [A-Z|.\[\]]+)*`)
	optionOf = regexp.MustCompile(`<mss [^>]*>`)
)

// foreign returns the English in a Chinese text. Calls, lines of a scenario's programs,
// and what is typed stand as they are in every language.
func foreign(text string, calls []string) []string {
	text = optionOf.ReplaceAllString(text, "·")
	text = html.UnescapeString(markup.ReplaceAllString(text, " · "))
	text = lineOfFile.ReplaceAllString(fieldNames.ReplaceAllString(text, "·"), "·")
	text = literal.ReplaceAllString(optionOf.ReplaceAllString(text, "·"), "·")
	for _, c := range calls {
		text = strings.ReplaceAll(text, literal.ReplaceAllString(fieldNames.ReplaceAllString(c, "·"), "·"), "·")
	}
	return englishRun.FindAllString(typed.ReplaceAllString(text, "·"), -1)
}

// callsOf are the calls of a scenario's programs, the longest first: one may begin like
// another.
func callsOf(t *testing.T, name string) (calls []string) {
	t.Helper()
	r := resultOf(t, name, lab.Options{Seed: 1})
	for i := range r.Events {
		if e := &r.Events[i]; e.Class == trace.Call {
			calls = append(calls, e.Text)
		}
	}
	slices.SortFunc(calls, func(a, b string) int { return len(b) - len(a) })
	return calls
}

// With --lang zh no command prints an English sentence, in any format that people
// read, about any scenario and any state.
func TestChineseHasNoEnglish(t *testing.T) {
	lines := 0
	check := func(calls []string, args ...string) {
		t.Helper()
		text := output(t, 400, append(args, "--lang", "zh")...)
		lines += strings.Count(text, "\n")
		if found := foreign(text, calls); len(found) > 0 {
			t.Errorf("handfast %s: %q", strings.Join(args, " "), found)
		}
	}
	check(nil, "lab")
	check(nil, "states")
	for s := range tcp.State(tcp.NumStates) {
		check(nil, "states", s.Netstat())
		check(nil, "states", s.String(), "--format", "svg")
	}
	for _, s := range lab.Scenarios() {
		calls := callsOf(t, s.Name)
		check(calls, "lab", s.Name, "--explain", "--width", "400")
		check(calls, "lab", s.Name, "--explain", "--format", "html")
		check(calls, "lab", s.Name, "--format", "states")
		check(calls, "lab", s.Name, "--format", "drill")
		check(calls, "lab", s.Name, "--beside", "delay=50ms", "--width", "400")
		check(calls, "lab", s.Name, "--beside", "delay=50ms", "--format", "html")
	}
	if lines < 10000 {
		t.Errorf("only %d lines were looked at", lines)
	}
}

// The test above can fail.
func TestForeign(t *testing.T) {
	for text, want := range map[string]int{
		"客户端 the window doubles here，之后": 1, "» write \"some words of text\"": 0, "ACK seq 1 ack 2 win 3 len 4": 0,
		"<p>SYN 到达</p><script>let these be words</script>": 0, "» accept as honest": 0, "» accept as honest customer": 0,
		"handfast lab slow-start-exit --seed 1 · 序号": 0, "it&#39;s over now": 1,
	} {
		if got := foreign(text, []string{"accept as honest customer", "accept as honest"}); len(got) != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
