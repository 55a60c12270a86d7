package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/detect"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/soak"
	"github.com/handfast-tcp/handfast/lab/story"
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

// typedLine is a command of another program, or a list of what may be typed, up to where
// Chinese goes on.
var typedLine = regexp.MustCompile(`(?m)(^  handfast|ip (route|tuntap)|curl|printf|sysctl|unshare|sudo|run -- COMMAND|可选)[ -~]*`)

// chinese is "chinese [NAME | FILE]": what the last command, a program that was started,
// or a file says is Chinese, without an English sentence.
func chinese(ts *testscript.TestScript, _ bool, args []string) {
	var text string
	switch {
	case len(args) == 0:
		text = ts.ReadFile("stdout") + "\n" + ts.ReadFile("stderr")
	case programs(ts)[args[0]] != nil:
		text = programs(ts)[args[0]].seen.String()
	default:
		text = ts.ReadFile(args[0])
	}
	text = typedLine.ReplaceAllString(text, "·")
	if found := foreign(text, nil); len(found) > 0 || !regexp.MustCompile(`\p{Han}`).MatchString(text) {
		ts.Fatalf("not Chinese: %q\n%s", found, text)
	}
}

// Every verdict of the detector, with every reason, has its Chinese words.
func TestChineseVerdicts(t *testing.T) {
	var reasons []detect.Reason
	for k := range detect.AcceptQueue + 1 {
		reasons = append(reasons, detect.Reason{Kind: k, Value: 12_345, Other: 7})
	}
	for level := range detect.Flood + 1 {
		for i, d := range []detect.Defence{{Limit: 9}, {Cookies: true}, {Evicted: 1}, {Dropped: 1}} {
			v := detect.Verdict{Level: level, Defence: d, Port: uint16(80 * (i & 1)), Reasons: reasons,
				Numbers: detect.Numbers{Followed: i, Answered: 1, Sources: 1e6, Ports: 20_000, Scanners: 3}, Arrived: uint64(20 * (i >> 1))}
			for _, text := range append([]string{v.String()}, texts(reasons)...) {
				if zh := say.Verdict(text, story.Chinese); zh == text && strings.Contains(text, " ") || regexp.MustCompile(`[a-z]{3,}`).MatchString(strings.ReplaceAll(zh, "cookie", "")) {
					t.Errorf("%q is told as %q", text, zh)
				}
			}
		}
	}
}

// Whatever is wrong with a filter has Chinese words, with what was typed as it is.
func TestChineseFilters(t *testing.T) {
	words := []string{"", "state", "exclude", "established", "dst", "sport", "dev", "10.0.0.1", "=", ":80", "and", "or", "not", "(", ")", "write", "bogus; write a or b", `"`}
	names := regexp.MustCompile(`[a-z0-9-]+(, [a-z0-9-]+)+`)
	wrong := map[string]bool{}
	for _, a := range words {
		for _, b := range words {
			for _, c := range words {
				text := strings.TrimSpace(a + " " + b + " " + c)
				_, err := inspect.ParseFilter(text, inspect.ShowAll)
				if err == nil {
					continue
				}
				told := say.Filter(err)
				first, typed, _ := strings.Cut(told[story.Chinese], "\n")
				if _, want, _ := strings.Cut(err.Error(), "\n"); typed != want || told[story.English] != err.Error() {
					t.Fatalf("%q: %q", err, told)
				}
				if bare := names.ReplaceAllString(literal.ReplaceAllString(first, "·"), "·"); englishRun.MatchString(bare) || regexp.MustCompile(`: |; `).MatchString(bare) {
					t.Fatalf("%q is told as %q", err, first)
				}
				wrong[reasonOf(first)] = true
			}
		}
	}
	if len(wrong) < 9 {
		t.Errorf("only %d kinds of mistakes: %v", len(wrong), wrong)
	}
}

// reasonOf is what a mistake in a filter is, without its place and what was typed.
func reasonOf(told string) string {
	_, reason, _ := strings.Cut(told, "：")
	return regexp.MustCompile(`".*"`).ReplaceAllString(reason, "·")
}

// Every relation that soak tries has its Chinese words.
func TestChineseRelations(t *testing.T) {
	for _, r := range soak.Relations() {
		if zh := relationText(r.Name, story.Chinese); zh == r.Name {
			t.Errorf("%q has no Chinese words", r.Name)
		}
	}
	if all := len(soak.Relations()); len(relationsZh) != all {
		t.Errorf("words for %d relations, of which there are %d", len(relationsZh), all)
	}
}

// A table that is cut short says so in the language of who reads it.
func TestChineseOmission(t *testing.T) {
	for lang, want := range []string{"… and 1,234 more\n", "…… 另有 1,234 个未显示\n"} {
		var out strings.Builder
		if err := omitted(&out, 1234, story.Lang(lang)); err != nil || out.String() != want {
			t.Errorf("%q, %v", &out, err)
		}
	}
}

func texts(reasons []detect.Reason) (all []string) {
	for _, r := range reasons {
		all = append(all, r.String())
	}
	return all
}

// verb is a verb of a format; a number in brackets is of its argument.
var verb = regexp.MustCompile(`%(?:\[(\d+)\])?[-+#0 ]*[0-9]*(?:\.[0-9]+)?(?:\[(\d+)\])?([a-zA-Z])`)

// verbs are those of a format, by argument: what each is printed with.
func verbs(format string) (all []string) {
	next := 1
	for _, v := range verb.FindAllStringSubmatch(strings.ReplaceAll(format, "%%", ""), -1) {
		if n, err := strconv.Atoi(v[1] + v[2]); err == nil {
			next = n
		}
		all = append(all, fmt.Sprint(next, v[3]))
		next++
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// A text takes the same arguments in both languages, and both are there. No vet looks
// into these formats.
func TestTextsAgree(t *testing.T) {
	looked := 0
	for file, f := range parsed(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			if both := literalsOf(n); both != nil {
				looked++
				if en, zh := verbs(both[0]), verbs(both[1]); !slices.Equal(en, zh) {
					t.Errorf("%s: %q takes %v, %q takes %v", file, both[0], en, both[1], zh)
				}
				if strings.HasSuffix(both[0], "\n") != strings.HasSuffix(both[1], "\n") {
					t.Errorf("%s: %q and %q end differently", file, both[0], both[1])
				}
			}
			return true
		})
	}
	if looked < 150 {
		t.Errorf("only %d texts were looked at", looked)
	}
}

// englishOnly are files whose sentences are English in every language, and why.
var englishOnly = map[string]string{
	"files.go":                                "what a server says to clients of HTTP",
	"man.go":                                  "the manual is written when a package is built",
	"netstat.go":                              "netstat's own words",
	"internal/compiled/compiled.go":           "said to who builds",
	"internal/kernel/links_linux.go":          "an error of the system",
	"internal/kernel/state_linux.go":          "an error of the system",
	"internal/kernelcookie/settings_linux.go": "an error of the system",
	"internal/ring/doc.go":                    "liveError has the Chinese",
	"internal/stage/space_linux.go":           "an error of the system",
	"internal/web/draw.go":                    "what a server says to clients of HTTP",
	"internal/web/guard.go":                   "what a server says to clients of HTTP",
	"internal/web/stream.go":                  "what a server says to clients of HTTP",
	"internal/xdp/device_linux.go":            "an error of the system",
}

// No sentence is printed, or becomes an error, in English alone.
func TestSentencesAreTexts(t *testing.T) {
	speaks := regexp.MustCompile(`^(New|Errorf|Error|Fprint|Fprintf|Fprintln|Sprintf|Print|Printf|Println|printf|WriteString)$`)
	found := map[string]bool{}
	for file, f := range parsed(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			if literal, ok := n.(*ast.CompositeLit); ok { // the sentence of each language is made
				of, ok := literal.Type.(*ast.SelectorExpr)
				return !ok || of.Sel.Name != "Text"
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			s, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !speaks.MatchString(s.Sel.Name) {
				return true
			}
			for _, a := range call.Args {
				text, ok := literalOf(a)
				if !ok || strings.Contains(text, "# HELP") || !englishRun.MatchString(text) {
					continue
				}
				if found[file] = true; englishOnly[file] == "" {
					t.Errorf("%s: %q is not in Chinese, too", file, text)
				}
			}
			return true
		})
	}
	for file, why := range englishOnly {
		if !found[file] {
			t.Errorf("%s has no English sentence (%s)", file, why)
		}
	}
}

// parsed are the files of the command, by their names.
func parsed(t *testing.T) map[string]*ast.File {
	t.Helper()
	all := map[string]*ast.File{}
	for _, pattern := range []string{"*.go", "internal/*/*.go"} {
		found, _ := filepath.Glob(pattern)
		for _, file := range found {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.ToSlash(file)] = f
		}
	}
	return all
}

// literalsOf returns the two strings of a text; nil where n is none.
func literalsOf(n ast.Node) []string {
	c, ok := n.(*ast.CompositeLit)
	if !ok || len(c.Elts) != 2 {
		return nil
	}
	if s, ok := c.Type.(*ast.SelectorExpr); c.Type != nil && (!ok || s.Sel.Name != "Text") {
		return nil
	}
	var both []string
	for _, e := range c.Elts {
		if k, ok := e.(*ast.KeyValueExpr); ok {
			e = k.Value
		}
		if text, ok := literalOf(e); ok {
			both = append(both, text)
		}
	}
	if len(both) != 2 || !strings.ContainsFunc(both[1], func(r rune) bool { return r > 0x2fff }) {
		return nil
	}
	return both
}

// literalOf returns the string that an expression is, or a sum of strings.
func literalOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok := literalOf(e.X)
		b, ok2 := literalOf(e.Y)
		return a + b, ok && ok2
	}
	return "", false
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
