package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// tableFile is where it is kept which test killed which mutant.
const tableFile = "docs/MUTANTS.md"

// table is what that file says.
type table struct {
	head string // what stands before the rows
	rows map[string]row
}

// row is what killed a mutant.
type row struct {
	test, pkg  string // empty: nothing
	long, hung bool   // without -short; by a timeout
}

const (
	columns = "| fault | of the kind | found by |\n|---|---|---|\n"
	byLong  = ", without `-short`"
	byHang  = ", by not coming to an end"
)

var (
	rowForm  = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .* \\| (.*) \\|$")
	killedBy = regexp.MustCompile("^`([^`]+)` in `([^`]+)`(" + byLong + ")?(" + byHang + ")?$")
)

// readTable reads the file; one that does not exist is an empty table.
func readTable(name string) (table, error) {
	t := table{rows: map[string]row{}}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	t.head, _, _ = strings.Cut(string(b), columns)
	for _, m := range rowForm.FindAllStringSubmatch(string(b), -1) {
		r := row{}
		if k := killedBy.FindStringSubmatch(m[2]); k != nil {
			r = row{test: k[1], pkg: k[2], long: k[3] != "", hung: k[4] != ""}
		}
		t.rows[m[1]] = r
	}
	return t, nil
}

// keep writes the table with new results in it. Of mutants that were not tried now stays
// what was known; those that are no more go.
func (t *table) keep(name string, mutants []*mutant, results []result) error {
	for _, r := range results {
		switch r.verdict {
		case failed, hung:
			t.rows[r.mutant.name] = row{test: r.test, pkg: r.pkg, long: r.long, hung: r.verdict == hung}
		default:
			t.rows[r.mutant.name] = row{}
		}
	}
	var b strings.Builder
	b.WriteString(t.head + columns)
	for _, m := range mutants {
		r, tried := t.rows[m.name]
		by := "nothing yet"
		if !tried {
			by = "not tried yet"
		}
		if r.test != "" {
			by = fmt.Sprintf("`%s` in `%s`", r.test, r.pkg)
		}
		if r.long {
			by += byLong
		}
		if r.hung {
			by += byHang
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.name, m.class, by)
	}
	return os.WriteFile(name, []byte(b.String()), 0o644)
}
