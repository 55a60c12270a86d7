package drill_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// sayers are the calls whose texts people read.
var sayers = map[string]bool{"fail": true, "failAt": true, "wrong": true, "note": true, "stop": true, "want": true, "number": true, "Say": true}

// untold are texts without a word: what stands in a script, or is told by others.
var untold = map[string]bool{"%v": true, "%s": true, "%v%s": true}

// All that is said of a script has Chinese, with the same verbs in the same order.
func TestChinese(t *testing.T) {
	verb := regexp.MustCompile(`%[#.0-9]*[a-z%]`)
	n := 0
	for _, text := range saidTexts(t, ".", "script") {
		if untold[text] || !strings.ContainsAny(text, "abcdefghijklmnopqrstuvwxyz ") {
			continue
		}
		n++
		zh := script.Chinese(text)
		switch {
		case zh == text:
			t.Errorf("%q has no Chinese", text)
		case strings.Join(verb.FindAllString(zh, -1), " ") != strings.Join(verb.FindAllString(text, -1), " "):
			t.Errorf("%q has other verbs than %q", zh, text)
		}
	}
	for _, why := range drill.Reasons() {
		if n++; script.Chinese(why) == why {
			t.Errorf("%q has no Chinese", why)
		}
	}
	if n < 200 {
		t.Errorf("only %d texts were found", n)
	}
}

// saidTexts returns the texts of all calls that say something.
func saidTexts(t *testing.T, dirs ...string) (all []string) {
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !sayers[nameOf(call.Fun)] {
					return true
				}
				for _, a := range call.Args {
					if l, ok := a.(*ast.BasicLit); ok && l.Kind == token.STRING {
						text, _ := strconv.Unquote(l.Value)
						all = append(all, text)
					}
				}
				return true
			})
		}
	}
	return all
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// A mistake and a failure are told in Chinese with their places, and with what stands in the
// script as it is.
func TestToldInChinese(t *testing.T) {
	_, err := script.Parse("my.pkt", "+0 < S 0:0(0) win 65535 <mss 1000,sackok>\n")
	mistake, ok := err.(*script.Error)
	if want := "my.pkt:1:35: \"sackok\" 不是 TCP 选项：可用的选项有 "; !ok || !strings.HasPrefix(mistake.Chinese(), want) || !strings.Contains(mistake.Chinese(), "您是否想写 sackOK？\n  +0 < S") {
		t.Errorf("%v", err)
	}
	s, err := script.Parse("my.pkt", "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n+0 < S 0:0(0) win 65535 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1400>\n")
	if err != nil {
		t.Fatal(err)
	}
	f, ok := drill.Play(s, drill.Options{}).Err.(*drill.Failure)
	want := "my.pkt:5:23：0.000000 秒：选项 mss 1400 不同\n  应为  > S. 0:0(0) ack 1 <mss 1400>\n  实为  > S. 0:0(0) ack 1 win 65535 <mss 1460>"
	if !ok || f.Chinese() != want {
		t.Errorf("%v", f.Chinese())
	}
}
