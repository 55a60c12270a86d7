package handfast_test

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var rewriteRequirements = flag.Bool("rewrite-requirements", false, "write docs/REQUIREMENTS.md")

const requirementsFile = "docs/REQUIREMENTS.md"

// elsewhere are the requirements of RFC 9293 that no code of ours meets, and why.
var elsewhere = map[int]string{
	32: "urgent data stays in line, and no program is told of it: RFC 6093 §6 asks new ones not to use it",
	47: "what ICMP says softly is kept until time runs out: package net has no place for more",
	51: "source routes are not obeyed: the README says so",
	52: "as 51",
	53: "as 51",
}

// unscripted says why no script shows a requirement that is met.
var unscripted = map[int]string{
	33: "`Conn.Urgent` tells it, which no call of sockets asks",
	50: "no script has IP options; `engine/wire` tests them",
	59: "segments of a script arrive one by one; `engine/tcp` tests batches",
	68: "`engine/wire` writes all options, and reads them back",
	69: "`engine/wire` writes all options, and reads them back",
}

// musts are the requirements of RFC 9293 Appendix B in a few words.
var musts = [...]string{
	1: "the window has no sign", "what leaves has a checksum", "what arrives is checked by its checksum",
	"EOL, NOP and MSS are understood", "options are taken from any segment", "unknown options are skipped", "wrong lengths of options break nothing",
	"initial numbers follow a clock", "initial numbers cannot be computed from outside",
	"both ends may open at the same time", "SYN-RECEIVED knows whether the open was passive", "a program learns whether its peer closed or aborted",
	"who closes first waits for 2MSL", "MSS options are sent and taken", "without an MSS option segments have 536 bytes, 1220 over IPv6",
	"the size of a segment counts options and both MSS", "a program may turn Nagle's algorithm off", "round trips are measured by RFC 6298, with Karn's rule",
	"congestion control and exponential back-off", "there is a limit to retransmissions", "a program may set that limit", "SYNs have one, too", "that of SYNs may be three minutes or more",
	"keep-alives are switched per connection", "keep-alives are off by default", "keep-alives come only in silence", "their interval can be set", "which is two hours or more by default",
	"one keep-alive without an answer means nothing", "urgent data is supported", "urgent data may have any length", "a program is told of urgent data", "a program can ask how much is urgent",
	"a sender bears a window that shrinks", "a window shrunk to nothing is probed", "shut windows are probed", "a peer that answers probes may keep its window shut",
	"senders avoid silly windows", "receivers avoid silly windows", "ACKs are delayed by less than half a second",
	"a passive open leaves other connections alone", "several passive opens at a time", "a program may choose its local address",
	"otherwise the route chooses it", "a connection keeps its local address", "nobody connects to a group or to all", "soft errors are told",
	"a program sets the DiffServ field", "the TTL can be set", "IP options that are not understood are ignored",
	"a program may give a source route", "answers follow the reversed source route", "later source routes replace it", "soft ICMP errors end no connection", "Source Quench is ignored", "unreachable nets and hosts end no connection",
	"segments for a group are not answered", "ACKs ride on what leaves", "all that has arrived is looked at before an ACK leaves", "text waits for no PSH", "the last segment of what is queued has PSH",
	"the urgent pointer is the number behind the urgent data", "SYNs from a group are not answered", "options may begin anywhere", "MSS options are on SYNs alone", "with a shut window RST and URG still count",
	"the MSS that is sent is the MTU without headers", "every option but two has its length", "headers are padded",
}

// must and section find the requirement and the RFC that a text names.
var (
	must    = regexp.MustCompile(`MUST-(\d+)\b`)
	section = regexp.MustCompile(`^// RFC (\d+) §[\d.]+.*: \S`)
)

// mustPlaces finds where the code names each requirement: the file and what is declared there.
func mustPlaces(t *testing.T) map[int][]string {
	t.Helper()
	places := map[int][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && path != "engine" && !strings.HasPrefix(path, "engine/"):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		return placesIn(path, places)
	})
	if err != nil {
		t.Fatal(err)
	}
	return places
}

func placesIn(path string, places map[int][]string) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, c := range f.Comments {
		for _, m := range must.FindAllStringSubmatch(c.Text(), -1) {
			n, _ := strconv.Atoi(m[1])
			place := fmt.Sprintf("`%s`", path)
			if name := declaredAt(f, c); name != "" {
				place += ": `" + name + "`"
			}
			if !slices.Contains(places[n], place) {
				places[n] = append(places[n], place)
			}
		}
	}
	return nil
}

// declaredAt names the declaration that a comment is of, or stands in.
func declaredAt(f *ast.File, c *ast.CommentGroup) string {
	for _, d := range f.Decls {
		if c.End() < d.Pos() && !isDocOf(d, c) || c.Pos() > d.End() {
			continue
		}
		switch d := d.(type) {
		case *ast.FuncDecl:
			return d.Name.Name
		case *ast.GenDecl:
			switch s := d.Specs[0].(type) {
			case *ast.TypeSpec:
				return s.Name.Name
			case *ast.ValueSpec:
				return s.Names[0].Name
			}
		}
	}
	return ""
}

func isDocOf(d ast.Decl, c *ast.CommentGroup) bool {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Doc == c
	case *ast.GenDecl:
		return d.Doc == c
	}
	return false
}

// drillScript is a script of lab/drill: its file and its first line.
type drillScript struct{ path, title string }

func drillScripts(t *testing.T) (all []drillScript) {
	t.Helper()
	err := filepath.WalkDir("lab/drill/testdata", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".pkt") {
			return err
		}
		text, err := os.ReadFile(path)
		line, _, _ := strings.Cut(string(text), "\n")
		if !section.MatchString(line) {
			t.Fatalf("%s: the first line is %q, and should be // RFC N §S: what is shown", path, line)
		}
		all = append(all, drillScript{filepath.ToSlash(path), strings.TrimPrefix(line, "// ")})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// link links to a script by its name.
func (s *drillScript) link() string {
	return fmt.Sprintf("[%s](../%s)", strings.TrimSuffix(filepath.Base(s.path), ".pkt"), s.path)
}

const requirementsHead = `# What of TCP is here, and what shows it

Made from the code and from the scripts of [lab/drill](../lab/drill/testdata); a test holds it to both. It is written by

` + "```" + `
go test . -run TestRequirementsAreTold -rewrite-requirements
` + "```" + `

## RFC 9293, Appendix B

The code names each requirement by its number. A script shows that it is met, and ` + "`handfast drill`" + ` plays it.

| | requirement | where | scripts |
|---|---|---|---|
`

// requirements makes the document.
func requirements(t *testing.T) string {
	b := &strings.Builder{}
	b.WriteString(requirementsHead)
	places, scripts := mustPlaces(t), drillScripts(t)
	shown := map[int][]string{}
	for _, s := range scripts {
		for _, m := range must.FindAllStringSubmatch(s.title, -1) {
			n, _ := strconv.Atoi(m[1])
			shown[n] = append(shown[n], s.link())
		}
	}
	for n := 1; n < len(musts); n++ {
		by := strings.Join(shown[n], ", ")
		where := strings.Join(places[n], ", ")
		if why, not := elsewhere[n]; not {
			where = "not done: " + why
		}
		fmt.Fprintf(b, "| MUST-%d | %s | %s | %s |\n", n, musts[n], where, cmp.Or(by, unscripted[n], "—"))
	}
	byRFC := map[int][]drillScript{}
	for _, s := range scripts {
		n, _ := strconv.Atoi(section.FindStringSubmatch("// " + s.title)[1])
		byRFC[n] = append(byRFC[n], s)
	}
	b.WriteString("\n## By RFC\n")
	for _, n := range sortedNumbers(byRFC) {
		fmt.Fprintf(b, "\n### [RFC %d](https://www.rfc-editor.org/rfc/rfc%d)\n\n", n, n)
		for _, s := range byRFC[n] {
			rest, _ := strings.CutPrefix(s.title, fmt.Sprintf("RFC %d ", n))
			fmt.Fprintf(b, "- %s: %s\n", s.link(), rest)
		}
	}
	return b.String()
}

func sortedNumbers[V any](m map[int]V) (all []int) {
	for n := range m {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}

// docs/REQUIREMENTS.md says what code and scripts say.
func TestRequirementsAreTold(t *testing.T) {
	want := requirements(t)
	if *rewriteRequirements {
		if err := os.WriteFile(requirementsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(requirementsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not current: go test . -run TestRequirementsAreTold -rewrite-requirements", requirementsFile)
	}
}

// Whoever has RFC 9293 open finds each of its requirements by its number
// (https://www.rfc-editor.org/rfc/rfc9293#appendix-B): there is a place in the code that
// names it, or a reason why there is none; and a script that shows it, or a reason for that.
func TestEachRequirementHasItsPlace(t *testing.T) {
	if n := len(musts) - 1; n != 69 {
		t.Fatalf("%d requirements", n)
	}
	places := mustPlaces(t)
	shown := map[int]bool{}
	for _, s := range drillScripts(t) {
		for _, m := range must.FindAllStringSubmatch(s.title, -1) {
			n, _ := strconv.Atoi(m[1])
			shown[n] = true
		}
	}
	for n := 1; n < len(musts); n++ {
		found, why := len(places[n]) > 0, elsewhere[n]
		if found == (why != "") {
			t.Errorf("MUST-%d: named in the code: %v; a reason why not: %q", n, found, why)
		}
		if found && shown[n] == (unscripted[n] != "") {
			t.Errorf("MUST-%d: shown by a script: %v; a reason why not: %q", n, shown[n], unscripted[n])
		}
	}
}
