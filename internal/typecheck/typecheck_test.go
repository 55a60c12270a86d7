package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is right on one system and wrong on another is found there, in sources and in tests, and what is of this
// machine alone is not missed.
func TestFindsWhatASystemLacks(t *testing.T) {
	for _, c := range []struct {
		name, file, text string
		wrong            map[string]string // what is told, by system
	}{
		{"number", "a.go", "package a\nvar N int = 1 << 40\n", map[string]string{"linux/386": "overflows", "linux/amd64": ""}},
		{"symbol", "a.go", "package a\nimport \"syscall\"\nvar F = syscall.Fork\n",
			map[string]string{"windows/amd64": "undefined: syscall.Fork"}},
		{"other symbol", "a.go", "package a\nimport \"syscall\"\nvar F = syscall.EpollWait\n",
			map[string]string{"linux/386": "", "darwin/arm64": "undefined: syscall.EpollWait"}},
		{"constrained file", "a_windows.go", "package a\nfunc f() { var unused int }\n",
			map[string]string{"linux/arm64": "", "windows/amd64": "declared and not used: unused"}},
		{"test", "a_test.go", "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { var n int = 1 << 40; t.Log(n, sum(1, 2)) }\n",
			map[string]string{"linux/386": "overflows"}},
		{"outside test", "a_test.go", "package a_test\nimport (\"testing\"; \"example.org/a\")\nfunc TestA(t *testing.T) { t.Log(a.Missing) }\n",
			map[string]string{"openbsd/amd64": "undefined: a.Missing"}},
		{"import", "a.go", "package a\nimport _ \"example.org/a/none\"\n", map[string]string{"freebsd/amd64": "example.org/a/none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			t.Setenv("GOWORK", "off")
			for name, text := range map[string]string{"go.mod": "module example.org/a\n\ngo 1.26\n", c.file: c.text,
				"sum.go": "package a\nfunc sum[T int | uint](a, b T) T { return a + b }\nvar _ = sum[int]\n"} {
				if err := os.WriteFile(filepath.Base(name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for system, wrong := range c.wrong {
				var out bytes.Buffer
				right := checkAll(&out, []string{system}, []string{"./..."})
				if right != (wrong == "") || !strings.Contains(out.String(), wrong) || right && !strings.Contains(out.String(), ": 1 packages") {
					t.Errorf("%s: %v\n%swant %q", system, right, out.String(), wrong)
				}
			}
		})
	}
	var out bytes.Buffer
	if checkAll(&out, []string{"linux-arm64"}, []string{"."}) || !strings.Contains(out.String(), "want GOOS/GOARCH") {
		t.Error(out.String())
	}
}
