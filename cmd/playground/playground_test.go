//go:build !js

package main

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/play"
)

// inNode answers requests, one for each line of its input, as the worker does. The answers go
// into a file: what is on its way into a pipe when node ends is lost.
const inNode = `
require(process.argv[2]);
const go = new Go(), lines = require("fs").readFileSync(0, "utf8").trimEnd().split("\n");
WebAssembly.instantiate(require("fs").readFileSync(process.argv[3]), go.importObject).then(({instance}) => {
	go.run(instance);
	require("fs").writeFileSync(process.argv[4], lines.map(line => globalThis.handfast(line) + "\n").join(""));
	process.exit(0);
});
`

// The engine that is built for the browser answers as it does here, to the byte: every
// scenario's picture, what a page steps through, and mistakes.
func TestEngine(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the engine of the playground is not run as WebAssembly")
	}
	if testing.Short() {
		t.Skip("it compiles the lab for WebAssembly")
	}
	var asks, want bytes.Buffer
	var stage play.Stage
	ask := func(q play.Request) {
		text, err := json.Marshal(&q)
		if err != nil {
			t.Fatal(err)
		}
		asks.Write(append(text, '\n'))
		want.Write(append(stage.Do(text), '\n'))
	}
	ask(play.Request{Do: "list", Lang: "en"})
	for i, s := range lab.Scenarios() {
		lang := []string{"en", "zh"}[i%2]
		ask(play.Request{Do: "picture", Name: s.Name, Lang: lang, Settings: play.Settings{Seed: 1}, Explain: true})
		if i%6 == 0 {
			ask(play.Request{Do: "play", Name: s.Name, Lang: lang, Settings: play.Settings{Seed: uint64(i), Loss: 0.1}})
			ask(play.Request{Do: "states", Name: s.Name, Lang: lang, Settings: play.Settings{Seed: uint64(i), Loss: 0.1}, Upto: 9})
		}
	}
	ask(play.Request{Do: "play", Text: "host a\nloose", Lang: "en"})
	got := answers(t, node, &asks)
	for i, w := range strings.Split(want.String(), "\n") {
		if i >= len(got) || got[i] != w {
			t.Fatalf("answer %d differs, to %s", i, strings.Split(asks.String(), "\n")[i])
		}
	}
}

func answers(t *testing.T, node string, asks *bytes.Buffer) []string {
	t.Helper()
	dir := t.TempDir()
	starter, err := starterOf()
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := engine()
	if err != nil {
		t.Fatal(err)
	}
	if len(compiled) > 10<<20 {
		t.Errorf("the engine has %d bytes: a reader waits for them", len(compiled))
	}
	files := map[string][]byte{"wasm_exec.js": starter, "engine.wasm": compiled, "run.js": []byte(inNode)}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	given := filepath.Join(dir, "answers")
	cmd := exec.Command(node, filepath.Join(dir, "run.js"), filepath.Join(dir, "wasm_exec.js"), filepath.Join(dir, "engine.wasm"), given)
	cmd.Stdin = bytes.NewReader(asks.Bytes())
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	out, err := os.ReadFile(given)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(out), "\n")
}

func pageFile(t *testing.T, name string) string {
	t.Helper()
	text, err := pages.ReadFile("page/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The page asks no other server, has no script or style in its text, and its scripts find
// what they ask for, in both languages.
func TestPage(t *testing.T) {
	html := pageFile(t, "index.html")
	for _, bad := range []string{"<style", " style=", " onclick", "javascript:", "http:", "https:", "<script>", "unsafe-inline", "'unsafe-eval'"} {
		if strings.Contains(html, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if ids[m[1]] {
			t.Errorf("%s is there twice", m[1])
		}
		ids[m[1]] = true
	}
	main := pageFile(t, "main.js")
	for _, m := range regexp.MustCompile(`\$\("([\w-]+)"\)`).FindAllStringSubmatch(main, -1) {
		if !ids[m[1]] {
			t.Errorf("the script asks for %s, which the page has not", m[1])
		}
	}
	words := pageFile(t, "words.js")
	for _, m := range regexp.MustCompile(`data-(?:t|title)="(\w+)"`).FindAllStringSubmatch(html, -1) {
		if n := len(regexp.MustCompile(`\b`+m[1]+`: "`).FindAllString(words, -1)); n != 2 {
			t.Errorf("%s is said in %d languages", m[1], n)
		}
	}
	for _, m := range regexp.MustCompile(`\bw\.(\w+)`).FindAllStringSubmatch(main, -1) {
		if n := len(regexp.MustCompile(`\b`+m[1]+`: "`).FindAllString(words, -1)); n != 2 {
			t.Errorf("%s is said in %d languages", m[1], n)
		}
	}
}

// The files of the page are those that name each other, and served with their types.
func TestFiles(t *testing.T) {
	all, err := pages.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{engineFile: {Data: []byte("\x1f\x8b")}}
	named := ""
	for _, f := range all {
		text := pageFile(t, f.Name())
		files[f.Name()] = &fstest.MapFile{Data: []byte(text)}
		named += text
	}
	for _, f := range all {
		if f.Name() != "index.html" && !strings.Contains(named, f.Name()) {
			t.Errorf("nothing names %s", f.Name())
		}
	}
	for name, kind := range map[string]string{"/": "text/html", "/main.js": "text/javascript", "/style.css": "text/css", "/icon.svg": "image/svg+xml", "/" + engineFile: "application/"} {
		w := httptest.NewRecorder()
		handler(files).ServeHTTP(w, httptest.NewRequest("GET", name, nil))
		if got := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(got, kind) || w.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %d, %s", name, w.Code, got)
		}
	}
}

// What is written into a folder is the page and the engine, over what was there.
func TestCopy(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{"old", "new"} {
		if err := copyAll(dir, fstest.MapFS{"index.html": {Data: []byte(text)}}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "index.html")); err != nil || string(got) != text {
			t.Errorf("%q %v", got, err)
		}
	}
}
