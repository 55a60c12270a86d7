package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// flood --cost has every way answer every SYN, and compares them in both languages.
func TestFloodCost(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("eBPF programs need root")
	}
	for lang, texts := range map[string][]string{
		"en": {"1 rounds of 2,000 SYNs", "dropped at once", "the kernel's own cookies", "beside ours"},
		"zh": {"1 轮，每轮 2,000 个", "立即丢弃", "内核自己的 cookie", "与我们之比"},
	} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{"handfast", "flood", "--cost", "--count", "2000", "--lang", lang}
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(string(out), "operation not permitted") {
			t.Skip(string(out))
		}
		answered := 2
		if _, err := exec.LookPath("nft"); err == nil {
			answered = 3
		}
		if n := len(regexp.MustCompile(`(?m)[\d,]+ +(\d+\.\d\d ×|–) +100\.0 %$`).FindAll(out, -1)); err != nil || n != answered {
			t.Errorf("%v, %d ways have answered all\n%s", err, n, out)
		}
		for _, text := range texts {
			if !strings.Contains(string(out), text) {
				t.Errorf("no %q in\n%s", text, out)
			}
		}
	}
}
