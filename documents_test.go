package handfast_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/internal/alike"
	"github.com/handfast-tcp/handfast/internal/documents"
)

var target = regexp.MustCompile(`(?:^|\n) *make ([a-z]+)`)

// Every target of make that the documents name is there.
func TestDocumentedTargets(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range documents.Names(t, ".") {
		for _, c := range documents.CodeOf(t, name) {
			for _, m := range target.FindAllStringSubmatch(c.Text, -1) {
				if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
					t.Errorf("%s: make %s: the Makefile has no such target", c.At, m[1])
				}
			}
		}
	}
}

// given are the names that a piece of Go in a document takes for granted, and
// imports the packages that it may use.
var (
	given   = map[string]string{"device": "link.Link", "handler": "http.Handler", "h": "*handfast.Host", "config": "string"}
	imports = map[string]string{"handfast": "github.com/handfast-tcp/handfast", "link": "github.com/handfast-tcp/handfast/link",
		"inspect": "github.com/handfast-tcp/handfast/inspect", "tun": "github.com/handfast-tcp/handfast/link/tun",
		"lab": "github.com/handfast-tcp/handfast/lab", "story": "github.com/handfast-tcp/handfast/lab/story",
		"wgnet": "github.com/handfast-tcp/handfast/wgnet", "conn": "golang.zx2c4.com/wireguard/conn",
		"device": "golang.zx2c4.com/wireguard/device", "proxy": "golang.org/x/net/proxy",
		"gateway": "github.com/handfast-tcp/handfast/gateway",
		"http":    "net/http", "netip": "net/netip", "net": "net", "fmt": "fmt", "log": "log", "context": "context", "time": "time"}
	declares = regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :=`)
)

// program makes a file of a piece of Go: as it is when it is a file, and else the
// body of a function that is given what the piece takes for granted.
func program(text string) string {
	if strings.HasPrefix(text, "package ") {
		return text
	}
	var params, used, head strings.Builder
	for _, m := range declares.FindAllStringSubmatch(text, -1) {
		for _, v := range strings.Split(m[1], ", ") {
			if v != "_" {
				fmt.Fprintf(&used, "\t_ = %s\n", v)
			}
		}
	}
	body := "{\n" + text + used.String() + "}\n"
	for name, typ := range given {
		if regexp.MustCompile(`\b`+name+`\b[^.]`).MatchString(text) && !regexp.MustCompile(`(?m)^(\w+, )*`+name+`(, \w+)* :=`).MatchString(text) {
			fmt.Fprintf(&params, "%s %s, ", name, typ)
		}
	}
	body = "func piece(" + strings.TrimSuffix(params.String(), ", ") + ") " + body
	for name, path := range imports {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(body) {
			fmt.Fprintf(&head, "import %q\n", path)
		}
	}
	return "package piece\n\n" + head.String() + "\n" + body
}

// Every piece of Go in the documents would compile.
func TestDocumentedGo(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no Go here to compile with")
	}
	if work, err := exec.Command("go", "env", "GOWORK").Output(); err != nil || !strings.Contains(string(work), "go.work") {
		t.Skip("some pieces are of other modules, which only go.work joins")
	}
	dir, pieces := t.TempDir(), []documents.Code(nil)
	for _, name := range documents.Names(t, ".") {
		for _, c := range documents.CodeOf(t, name) {
			if c.Language == "go" {
				pieces = append(pieces, c)
			}
		}
	}
	if len(pieces) < 2 {
		t.Errorf("only %d pieces of Go were found", len(pieces))
	}
	out, err := vetPieces(t, dir, pieces)
	if err == nil {
		return
	}
	t.Errorf("%v\n%s", err, out)
	for i, c := range pieces {
		if strings.Contains(string(out), pieceName(i)) {
			t.Errorf("%s is %s:\n%s", c.At, pieceName(i), program(c.Text))
		}
	}
}

func pieceName(i int) string { return fmt.Sprintf("piece%d.go", i) }

// vetPieces checks all at once: each is a package of a module that joins those of this workspace.
func vetPieces(t *testing.T, dir string, pieces []documents.Code) (told []byte, err error) {
	t.Helper()
	modules, err := exec.Command("go", "list", "-m", "-f", "{{printf `%q` .Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	work, err := os.ReadFile("go.work")
	sums, err2 := os.ReadFile("go.work.sum")
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(string(work), "\n")
	files := map[string]string{"go.mod": "module documented\n", "go.work.sum": string(sums),
		"go.work": version + "\nuse (\n.\n" + string(modules) + ")\n"}
	for i, c := range pieces {
		files[filepath.Join(fmt.Sprint(i), pieceName(i))] = program(c.Text)
	}
	for name, text := range files {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	vet := exec.Command("go", "vet", alike.Race(), "./...")
	vet.Dir, vet.Env = dir, append(os.Environ(), "GOWORK="+filepath.Join(dir, "go.work"))
	return vet.CombinedOutput()
}

var (
	// RFCs, also where one "RFC" stands before several; links, code, and names in capitals.
	figures = regexp.MustCompile("RFC \\d+|\\d{4}\\b|\\]\\([^)]*\\)|`[^`]+`|[A-Z]{3,}")
	heading = regexp.MustCompile(`(?m)^#+ `)

	shellRemark = regexp.MustCompile(`\s+#.*$`)
)

// facts are what a README says whatever its language: of each heading, point and
// paragraph the RFCs, links, code and names, and command lines without remarks.
func facts(t *testing.T, name string) (all []string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range regexp.MustCompile(`\n\n+|\n- `).Split(string(b), -1) {
		kind := "text"
		switch {
		case heading.MatchString(part):
			kind = "heading"
		case strings.HasPrefix(part, "```"):
			kind = "code"
			for line := range strings.Lines(part) {
				kind += "\n" + shellRemark.ReplaceAllString(strings.TrimRight(line, "\n"), "")
			}
			all = append(all, kind)
			continue
		}
		said := figures.FindAllString(part, -1)
		for i := range said {
			said[i] = strings.TrimPrefix(said[i], "RFC ")
		}
		said = slices.DeleteFunc(said, func(s string) bool { return s == "RFC" })
		slices.Sort(said)
		all = append(all, kind+" "+strings.Join(slices.Compact(said), " "))
	}
	return all
}

// The Chinese README says what the English one says.
func TestReadmesAgree(t *testing.T) {
	english, chinese := facts(t, "README.md"), facts(t, "README.zh-CN.md")
	for i := range max(len(english), len(chinese)) {
		e, c := partAt(english, i), partAt(chinese, i)
		// Each leads to the other, and to documents and pictures in its own language.
		e, c = strings.ReplaceAll(e, ".zh-CN.", "."), strings.ReplaceAll(c, ".zh-CN.", ".")
		c = strings.ReplaceAll(c, " --lang zh`", "`")
		if e != c {
			t.Errorf("part %d: English has %q, Chinese %q", i+1, e, c)
		}
	}
}

func partAt(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return ""
}
