package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	optionLine = regexp.MustCompile(`(?m)^ +((?:-\w, )?--[\w-]+)`)
	socketWord = regexp.MustCompile(`\{(-\w\|--\w+)\}|(--\w+)`) // of netstat: {-t|--tcp} --ax25
	aFlag      = regexp.MustCompile(`^--?[\w-]+$`)
)

// optionsOf are the options that the help of a tool of this system lists.
func optionsOf(t *testing.T, tool string) (all []string) {
	t.Helper()
	help, _ := exec.Command(tool, "--help").CombinedOutput() // netstat's help ends with an exit code
	text := string(help)
	for _, m := range optionLine.FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Split(m[1], ", ")...)
	}
	if _, sockets, ok := strings.Cut(text, "<Socket>="); ok {
		sockets, _, _ = strings.Cut(sockets, "<AF>")
		for _, m := range socketWord.FindAllStringSubmatch(sockets, -1) {
			all = append(all, strings.Split(m[1]+m[2], "|")...)
		}
	}
	all = slices.DeleteFunc(all, func(o string) bool { return !aFlag.MatchString(o) })
	slices.Sort(all)
	return slices.Compact(all)
}

// Every option of this system's ss and netstat is taken, or whoever types it learns
// what to do instead.
func TestOptionsOfTheRealTools(t *testing.T) {
	for tool, refusals := range map[string][]refusal{"ss": ssRefusals, "netstat": netstatRefusals} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("there is no %s here", tool)
			continue
		}
		options := optionsOf(t, tool)
		if len(options) < 20 {
			t.Errorf("%s: only %d options were found: %v", tool, len(options), options)
		}
		for _, o := range options {
			cmd, _, err := newRoot().Find([]string{tool})
			if err != nil {
				t.Fatal(err)
			}
			cmd.InitDefaultHelpFlag()
			f := cmd.Flags().Lookup(strings.TrimPrefix(o, "--"))
			if len(o) == 2 {
				f = cmd.Flags().ShorthandLookup(o[1:])
			}
			if f == nil {
				t.Errorf("%s %s: neither taken nor refused", tool, o)
				continue
			}
			if !slices.ContainsFunc(refusals, func(r refusal) bool { return r.name == f.Name }) {
				continue
			}
			var out bytes.Buffer
			code := run(append([]string{tool, o}, map[bool][]string{true: {"value"}}[f.Value.Type() == "string"]...), io.Discard, &out)
			if text := out.String(); code != exitUsage || !strings.HasPrefix(text, "handfast: "+o+": ") && !strings.HasPrefix(text, "handfast: -"+f.Shorthand+": ") {
				t.Errorf("%s %s: exit code %d: %s", tool, o, code, text)
			}
		}
	}
}

// A refusal says what to do: it names an option or a command.
func TestRefusalsTeach(t *testing.T) {
	teaches := regexp.MustCompile(`(^|[ (：])-{1,2}[a-z]|[:：] ?(ss|netstat|ip|cat|ps|conntrack) |the system's$`)
	for _, r := range slices.Concat(ssRefusals, netstatRefusals) {
		for _, text := range r.instead {
			if !teaches.MatchString(text) {
				t.Errorf("%s: %q", r.name, text)
			}
		}
	}
}

// The file of -F is read behind what is typed, and may have lines.
func TestFilterFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(name, []byte("state syn-recv\n  sport = :80\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := ssOptions{filter: name}
	if text, err := o.filterText(nil, nil); text != "state syn-recv sport = :80" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	o.filter = "-"
	if text, err := o.filterText([]string{"state", "all"}, strings.NewReader("dst 10.0.0.1")); text != "state all dst 10.0.0.1" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := o.filterText(nil, strings.NewReader(strings.Repeat("x", maxFilter+1))); err == nil {
		t.Error("a filter of any length is taken")
	}
}
