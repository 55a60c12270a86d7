package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// connsOf follows the capture of a scenario.
func connsOf(t *testing.T, file []byte) []*capture.Conn {
	t.Helper()
	o := analyzeOptions{ladder: none, graphed: none, followed: none, as: "text", side: "both", maxOpen: capture.DefaultOpen, limit: 1000, sort: "stream", theme: "auto"}
	if err := o.check([]string{"-"}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "capture.pcapng")
	if err := os.WriteFile(name, file, 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := newAnalysis(t.Context(), &o)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.read(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	a.tracker.Finish()
	byStream := make([]*capture.Conn, a.all)
	for _, c := range a.shown.conns {
		byStream[c.Stream] = c
	}
	return byStream
}

// The cause of each scenario's connections is what its name says.
func TestCausesOfScenarios(t *testing.T) {
	for name, want := range map[string]string{
		"three-way-handshake": "closed", "withheld-third-ack": "abandoned-handshake", "connection-refused": "refused",
		"simultaneous-open": "closed", "four-way-close": "closed", "half-close": "closed", "linger-zero": "reset-by-client",
		"close-with-unread-data": "aborted-unread", "half-open-peer-restarted": "reset-by-server", "keepalive-dead-peer": "peer-vanished",
		"port-reuse": "closed open-at-end", "client-crashes-and-returns": "open-at-end open-at-end", "fast-retransmit": "closed",
		"black-hole": "closed", "path-mtu": "closed", "zero-window": "closed", "old-duplicate-syn": "unanswered closed",
	} {
		var got []string
		for _, c := range connsOf(t, captureOf(t, resultOf(t, name, lab.Options{}))) {
			got = append(got, string(c.Verdict.Cause))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}

// Every cause has a sentence, in both languages.
func TestEveryCauseIsTold(t *testing.T) {
	_, causes, _ := strings.Cut(analyzeHelp, "The causes:")
	causes, _, _ = strings.Cut(causes, "\n\n")
	for _, c := range strings.FieldsFunc(causes, func(r rune) bool { return strings.ContainsRune(", .\n", r) }) {
		if text := whyText[capture.Cause(c)]; text[0] == "" || text[1] == "" {
			t.Errorf("%s has no sentence", c)
		}
	}
	if n := strings.Count(causes, ",") + 1; n != len(whyText) {
		t.Errorf("the help names %d causes, %d have sentences", n, len(whyText))
	}
}

// analyzed runs the command.
func analyzed(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := newRoot()
	cmd.SetArgs(append([]string{"analyze"}, args...))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

func TestAnalyze(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(file, captureOf(t, resultOf(t, "fast-retransmit", lab.Options{})), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want []string // in this order
	}{
		{[]string{file}, []string{"CLIENT", "10.0.0.1:40000  10.0.0.2:9000", "SF", "ShADFaTf", "closed"}},
		{[]string{file, "--explain"}, []string{"Both sides have closed, the client first.", "Sent again: 1 by"}},
		{[]string{file, "--explain", "--lang", "zh"}, []string{"客户端", "双方都已关闭，客户端先关闭"}},
		{[]string{file, "--zeek"}, []string{"#fields\tts\tuid", "#types\ttime", "\tSF\t"}},
		{[]string{file, "--json"}, []string{`"stream":0`, `"conn_state":"SF"`, `"cause":"closed"`, `"fast_retransmits":1`}},
		{[]string{file, "--ladder", "0"}, []string{"client", "server", "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "TIME-WAIT", "Both sides have closed"}},
		{[]string{file, "--graph", "0"}, []string{"<svg", "What the client sent", "FIN", "sent again: the other end has told of a gap"}},
		{[]string{file, "--graph", "0", "--lang", "zh"}, []string{"客户端发送的数据", "重传：对端已报告缺口"}},
		{[]string{file, "--where", "dport = :9000"}, []string{"10.0.0.1:40000"}},
	} {
		out, _, err := analyzed(t, c.args...)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		rest := out
		for _, w := range c.want {
			_, after, ok := strings.Cut(rest, w)
			if !ok {
				t.Errorf("%v: no %q in its place:\n%s", c.args, w, out)
				break
			}
			rest = after
		}
	}
	if out, errs, err := analyzed(t, file, "--where", "dport = :80"); err != nil || out != "" || !strings.Contains(errs, "0 of them shown") {
		t.Errorf("with a filter that nothing matches: %q %q %v", out, errs, err)
	}
}

func TestAnalyzeErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pcapng")
	whole := captureOf(t, resultOf(t, "four-way-close", lab.Options{}))
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                                  "name a capture file",
		"nothing.pcap":                      "there is no file nothing.pcap",
		"analyze_test.go":                   "not a capture file: it begins with 7061636b",
		file + " --sort size":               "it is one of stream, bytes",
		file + " --where dport":             "--where dport: filter, column",
		file + " --json --zeek":             "not both",
		file + " --ladder 7":                "there is no connection 7: the capture has 1",
		file + " --out x.svg":               "say which, with --ladder or --graph",
		file + " --ladder 0 --graph 0":      "one of them",
		file + " --follow 0 --as x":         "it is one of text, hex, raw",
		file + " --follow 0 --side x":       "it is one of both, client",
		file + " --follow 4":                "there is no connection 4",
		file + " -i lo":                     "not both",
		file + " --for 1s":                  "for which -i captures",
		"-i nothing0":                       "there is no such interface; there are any",
		file + " --graph 3":                 "there is no connection 3",
		file + " --graph 0 --out x.txt":     "a graph is .svg",
		file + " --graph 0 --theme pink":    "it is one of auto, light, dark, print",
		file + " --theme print":             "--theme is for graphs",
		file + " --ladder 0 --out x.pcapng": "the capture is there already",
		file + " --max-open 0":              "at least 1",
		file + " --limit 0":                 "at least 1",
		file + " --ladder 0 --out x.xx":     "the ending chooses the form",
	} {
		_, _, err := analyzed(t, strings.Fields(args)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	if err := os.WriteFile(file, whole[:len(whole)-10], 0o644); err != nil {
		t.Fatal(err)
	}
	if out, errs, err := analyzed(t, file); err != nil || !strings.Contains(out, "10.0.0.1:40000") || !strings.Contains(errs, "in the middle of what follows packet 8") {
		t.Errorf("of a file that is cut: %q %q %v", out, errs, err)
	}
}

// A graph has the colours that are asked for: only auto asks the reader's system.
func TestGraphThemes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pcapng")
	if err := os.WriteFile(file, captureOf(t, resultOf(t, "half-close", lab.Options{})), 0o644); err != nil {
		t.Fatal(err)
	}
	drawn := map[string]string{}
	for _, theme := range themes {
		out, _, err := analyzed(t, file, "--graph", "0", "--theme", theme)
		if err != nil || strings.Contains(out, "prefers-color-scheme") != (theme == "auto") {
			t.Errorf("%s: %v", theme, err)
		}
		if same := drawn[out]; same != "" {
			t.Errorf("%s and %s are the same", theme, same)
		}
		drawn[out] = theme
	}
}

// A connection of a capture is drawn and written as one of the lab is.
func TestAnalyzeOut(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.pcapng")
	if err := os.WriteFile(file, captureOf(t, resultOf(t, "half-close", lab.Options{})), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{".svg", ".html", ".txt", ".json"} {
		name := filepath.Join(dir, "out"+form)
		if _, _, err := analyzed(t, file, "--ladder", "0", "--out", name); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(b, []byte("FIN-WAIT-2")) {
			t.Errorf("%s: %d bytes, %v", form, len(b), err)
		}
	}
}
