package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/internal/documents"
)

var (
	remark  = regexp.MustCompile(`\s+#.*$`)
	command = regexp.MustCompile(`(?:^|[|(])\s*(?:\$ )?(?:sudo )?(?:bin/|go run \./cmd/)?handfast((?: (?:'[^']*'|"[^"]*"|[^\s|>)'"]+))+)`)
	word    = regexp.MustCompile(`'[^']*'|"[^"]*"|\S+`)
	option  = regexp.MustCompile(`[][]`) // brackets of what may be left out
	holder  = regexp.MustCompile(`^[A-Z][A-Z0-9]*$|^HOST:PORT$`)
)

// commandsOf returns the words behind "handfast" of each command line in a text.
func commandsOf(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		line = remark.ReplaceAllString(strings.TrimSpace(line), "")
		for _, m := range command.FindAllStringSubmatch(line, -1) {
			var words []string
			for _, w := range word.FindAllString(option.ReplaceAllString(m[1], ""), -1) {
				words = append(words, strings.Trim(w, `'"`))
			}
			all = append(all, words)
		}
	}
	return all
}

// makesSense reports what is wrong with a command line: whether there is the command,
// its flags and their values, and so many arguments.
func makesSense(words []string) error {
	root := newRoot()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(words)
	if err == nil && cmd == root && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		err = knownCommand(root, rest)
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && cmd.Args != nil {
		err = cmd.Args(cmd, cmd.Flags().Args())
	}
	return err
}

// plays are commands that take a moment, change nothing, and are run as they stand.
var plays = []string{"lab", "states", "version", "man", "completion"}

// Every command line in the documents and in the help texts is one that the
// command takes; what only plays or prints is run, in a folder of its own.
func TestDocumentedCommands(t *testing.T) {
	found := map[string][][]string{}
	for _, name := range documents.Names(t, "../..") {
		if strings.HasSuffix(name, "CHANGELOG.md") {
			continue
		}
		for _, c := range documents.CodeOf(t, name) {
			found[c.At] = append(found[c.At], commandsOf(c.Text)...)
		}
	}
	everyHelp(func(words []string) {
		c, _, _ := newRoot().Find(words)
		at := c.CommandPath() + " --help"
		for _, text := range []string{c.Example, c.Long} {
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, "  ") && c.Name() != "bash" && c.Name() != "zsh" && c.Name() != "fish" && c.Name() != "powershell" {
					head, _, _ := strings.Cut(strings.TrimSpace(line), "  ") // what is said of it stands behind a gap
					found[at] = append(found[at], commandsOf(head)...)
				}
			}
		}
	})
	count := 0
	t.Chdir(t.TempDir())
	for _, name := range []string{"my-own.txt", "my.txt"} {
		if err := os.WriteFile(name, []byte(ownScenario), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for at, lines := range found {
		for _, words := range lines {
			count++
			if err := makesSense(words); err != nil {
				t.Errorf("%s: handfast %s: %v", at, strings.Join(words, " "), err)
				continue
			}
			if !slices.Contains(plays, words[0]) || slices.ContainsFunc(words, holder.MatchString) || slices.ContainsFunc(words, filepath.IsAbs) {
				continue
			}
			var out bytes.Buffer
			if code := run(words, &out, &out); code != exitOK {
				t.Errorf("%s: handfast %s: exit code %d: %s", at, strings.Join(words, " "), code, &out)
			}
		}
	}
	if count < 60 {
		t.Errorf("only %d command lines were found", count)
	}
}

// ownScenario is the scenario of somebody who follows the documents.
const ownScenario = "host client\nhost server\nwire delay 10ms\nserver:\n    listen 80\n    accept\nclient:\n    connect server 80 -> ok\n"

// The search sees command lines, and nothing else.
func TestCommandsOf(t *testing.T) {
	for text, want := range map[string]string{
		"sudo bin/handfast serve docs  # of a folder": "serve docs",
		"bin/handfast netstat -n -p tcp | grep X":     "netstat -n -p tcp",
		"source <(handfast completion bash)":          "completion bash",
		"printf 'x' | handfast connect '[::1]:80'":    "connect ::1:80",
		"handfast ss -n state syn-recv '( a or b )'":  "ss -n state syn-recv ( a or b )",
		"go build ./cmd/handfast":                     "",
		"go run ./cmd/handfast try":                   "try",
		"go run ./bench -stacks handfast -rows x":     "",
		"handfast connect HOST:PORT [--half-close]":   "connect HOST:PORT --half-close",
	} {
		var got string
		for _, c := range commandsOf(text) {
			got += strings.Join(c, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
