package lab

import (
	"bufio"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab/trace"
)

// documented is a row of the table of calls in docs/SCENARIOS.md.
type documented struct {
	form    string // as it is written there
	call    *regexp.Regexp
	results []string // as they are written there
	seen    map[string]bool
}

var code = regexp.MustCompile("`([^`]+)`")

// documentedCalls reads the table.
func documentedCalls(t *testing.T) (rows []*documented) {
	t.Helper()
	f, err := os.Open("../docs/SCENARIOS.md")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(lines.Text(), "|")
		switch {
		case strings.HasPrefix(lines.Text(), "## "):
			inside = lines.Text() == "## The calls of a program"
		case inside && len(cells) == 5 && code.MatchString(cells[1]):
			d := &documented{form: code.FindStringSubmatch(cells[1])[1], seen: map[string]bool{}}
			d.call = d.pattern()
			for _, m := range code.FindAllStringSubmatch(cells[3], -1) {
				d.results = append(d.results, m[1])
			}
			rows = append(rows, d)
		}
	}
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	return rows
}

// placeholders are the words of the table that stand for others.
var placeholders = []struct{ word, pattern, example string }{
	{"CONDITION", `.+`, "1s"}, {"WORDS", `.+`, "some words"}, {"SEGMENT", `.+`, "S 0:0(0)"}, {"LETTER", `\S`, "b"}, {"TEXT", `"(?:[^"\\]|\\.)*"`, `"text"`},
	{"FIELD", `\w+`, "cwnd"}, {"VALUE", `.+`, "10"}, {"HOST", `[a-z]+`, "b"}, {"PORT", `\d+`, "80"}, {"NAME", `\w+`, "x"}, {"N", `\d+`, "5"}, {"D", `[\d.]+[a-z]+`, "1s"}, {"T", `[\d.]+[a-z]+`, "1s"},
}

var wholeWord = regexp.MustCompile(`\b[A-Z]+\b`)

// filled puts something in the place of each placeholder.
func filled(s string, with func(word string) string) string {
	return wholeWord.ReplaceAllStringFunc(s, with)
}

func patternOf(word string) string {
	for _, p := range placeholders {
		if p.word == word {
			return p.pattern
		}
	}
	return word
}

func exampleOf(word string) string {
	for _, p := range placeholders {
		if p.word == word {
			return p.example
		}
	}
	return word
}

// pattern is what a call of this form looks like.
func (d *documented) pattern() *regexp.Regexp {
	s := strings.NewReplacer(" [", "(?: ", "]", ")?").Replace(d.form)
	return regexp.MustCompile("^" + filled(s, patternOf) + "$")
}

// resultPattern is what a result of this form looks like.
func resultPattern(form string) *regexp.Regexp {
	s := regexp.QuoteMeta(form)
	if form != "no peer: say peer HOST PORT first" {
		s = filled(s, patternOf)
	}
	return regexp.MustCompile("^" + strings.ReplaceAll(s, "bytes", "bytes?") + "$")
}

// The table has every call, and nothing that is none; what it shows can be
// written so, with and without what stands in brackets.
func TestCallsAreDocumented(t *testing.T) {
	verbs := map[string]bool{}
	for _, d := range documentedCalls(t) {
		verb, _, _ := strings.Cut(d.form, " ")
		verbs[verb] = true
		host := "a"
		if _, scripted := plays[verb]; scripted {
			host = "s"
		}
		optional := regexp.MustCompile(` \[[^]]+\]`)
		for _, form := range []string{optional.ReplaceAllString(d.form, ""), strings.NewReplacer("[", "", "]", "").Replace(d.form)} {
			line := filled(form, exampleOf)
			before := ""
			if verb == "note-zh" {
				before = "    note this\n"
			}
			if _, err := Load("x.txt", strings.NewReader("host a\nhost b\nhost s scripted\n"+host+":\n"+before+"    "+line+"\n")); err != nil {
				t.Errorf("%s: %v", d.form, err)
			}
			if !d.call.MatchString(line) {
				t.Errorf("%s: %q does not match %v", d.form, line, d.call)
			}
		}
	}
	for _, known := range []map[string]reading{calls, plays} {
		for verb := range known {
			if !verbs[verb] {
				t.Errorf("%q is not in the table", verb)
			}
			delete(verbs, verb)
		}
	}
	for verb := range verbs {
		t.Errorf("%q is in the table and no call", verb)
	}
}

// provoked are scenarios whose calls give what those of the library do not.
var provoked = []string{`
host client
host server
host six address fd00::6
server:
    listen 80
    listen 80
    accept
    accept until 100ms
    unlisten
    accept until 1s
    use b
    close
    established
    write 1
    write "a"
    read
    shutdown
    close
    abort
server again:
    established
    write 1
    write "a"
    read
    shutdown
    close
    abort
    linger 1s
    nodelay
    keepalive 1s 1s 1
    user-timeout 1s
    receive-buffer 1
    send-buffer 1
client:
    connect server 81
    open server 81
    established
    connect server 80 from 2000
    connect server 80 from 2000
    open server 80 from 2000
    connect six 80
    open six 80
`, `
host client
host server
server:
    listen 80
    accept
    write "hello"
    at 1s
    write "again"
    at 2s
    abort
    accept
    write 10
    at 4s
    write 10 of b
    sleep 1s
    write 10 of b
    close
    accept
    at 10s
    abort
client:
    connect server 80
    read 10 until 200ms
    read 3 until 300ms
    read until 400ms
    read 10
    read 10
    read all
    write 1
    write "a"
    shutdown
    connect server 80
    read
    read 10
    read 10
    read
    connect server 80
    write 5000000
`, `
host client user-timeout 2s syn-retries 1
host server
cut client server from 1s
server:
    listen 80
    accept
client:
    connect server 80
    at 1s
    write 5000000
    write 1
    shutdown
    open server 80
    established
`, `
host a scripted
host b
a:
    send S 0:0(0)
    peer b 80
    send S 0:0(0)
    want R. 5:5(0)
    send S 0:0(0)
    want nothing until 1s
`}

// Whatever a call has given, in the scenarios of the library and in those above,
// is in the table; and everything in the table has been given.
func TestOutcomesAreDocumented(t *testing.T) {
	rows := documentedCalls(t)
	all := map[string]*Scenario{}
	for _, info := range Scenarios() {
		all[info.Name], _ = Find(info.Name)
	}
	for i, text := range provoked {
		s, err := Load("provoked.txt", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		all[string(rune('1'+i))] = s
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r, err := all[name].Run(Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range r.Events {
			if e := &r.Events[i]; e.Class == trace.Outcome && !documents(rows, e.Text) {
				t.Errorf("%s: %q is not in the table", name, e.Text)
			}
		}
	}
	for _, d := range rows {
		for _, result := range d.results {
			if !d.seen[result] {
				t.Errorf("%s: %q has never been given", d.form, result)
			}
		}
	}
}

// documents finds the rows that an outcome belongs to, and the result among theirs.
func documents(rows []*documented, outcome string) (found bool) {
	for _, d := range rows {
		for i := range outcome {
			if !strings.HasPrefix(outcome[i:], ": ") || !d.call.MatchString(outcome[:i]) {
				continue
			}
			for _, result := range d.results {
				if resultPattern(result).MatchString(outcome[i+2:]) {
					d.seen[result], found = true, true
				}
			}
		}
	}
	return found
}
