package inspect

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// belongs reports whether a sample is one of a family's.
func belongs(sample, family, kind string) bool {
	rest, ok := strings.CutPrefix(sample, family)
	return ok && (rest == "" && kind != "histogram" || kind == "histogram" && slices.Contains([]string{"_bucket", "_sum", "_count"}, rest))
}

var sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{[a-z_]+="[^"\\\n]*"\})? [-+0-9.e]+$`)

// What a host exposes is what Prometheus reads: each family begins with its help
// and its type, comes once, has no sample twice, and ends in _total exactly when
// it only grows. Metrics says the same.
// https://prometheus.io/docs/instrumenting/exposition_formats/
func TestExposition(t *testing.T) {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	end, _ := pipe.New(pipe.Options{Name: "a \"b\" \\ \t\nü\xff"})
	if err := h.Attach(end, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{":80", "10.0.0.1:443"} {
		if _, err := h.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := WriteMetrics(&b, h); err != nil {
		t.Fatal(err)
	}
	families, samples, family := map[string]string{}, map[string]bool{}, ""
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		words := strings.Fields(line)
		if strings.HasPrefix(line, "# HELP ") {
			if family = words[2]; families[family] != "" {
				t.Errorf("%s comes twice", family)
			}
			continue
		}
		if strings.HasPrefix(line, "# TYPE ") {
			families[family] = words[3]
			if words[2] != family || (words[3] == "counter") != strings.HasSuffix(family, "_total") {
				t.Errorf("in %s: %s", family, line)
			}
			continue
		}
		key := line[:strings.LastIndexByte(line, ' ')]
		quoted := strings.NewReplacer(`\\`, "", `\"`, "", `\n`, "").Replace(line)
		if m := sampleLine.FindStringSubmatch(quoted); m == nil || !utf8.ValidString(line) || !belongs(m[1], family, families[family]) || families[family] == "" || samples[key] {
			t.Errorf("in %s: %s", family, line)
		}
		samples[key] = true
	}
	if m := Metrics(h); len(m) != len(samples) {
		t.Errorf("%d figures by name, %d in the text", len(m), len(samples))
	}
}

// promtool, which Prometheus comes with, has nothing to say about our metrics, nor about
// our alerts, which ask for what there is.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool (Debian: prometheus) is not here")
	}
	h, err := handfast.New(handfast.Config{Account: true})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if _, err := h.Listen("tcp", ":80"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteMetrics(&b, h); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %s%v", out, err)
	}
	if out, err := exec.Command(promtool, "check", "rules", rulesFile).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %s%v", out, err)
	}
}

const (
	rulesFile     = "../docs/monitoring/handfast.rules.yml"
	dashboardFile = "../docs/monitoring/handfast.dashboard.json"
)

// ofTheCommand is the source of the command, which exposes what only it has: of the stores of
// seeds, of verdicts, of flows.
func ofTheCommand(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("../cmd/handfast", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// Alerts and the dashboard ask for metrics that there are.
func TestMonitoringAsksForWhatThereIs(t *testing.T) {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var b bytes.Buffer
	if err := WriteMetrics(&b, h); err != nil {
		t.Fatal(err)
	}
	command := ofTheCommand(t)
	for _, file := range []string{rulesFile, dashboardFile} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is no JSON", file)
		}
		names := regexp.MustCompile(`\bhandfast_[a-zA-Z0-9_]+`).FindAllString(string(text), -1)
		for _, name := range names {
			family := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				family = strings.TrimSuffix(family, suffix)
			}
			if !strings.Contains(b.String(), "\n# TYPE "+family+" ") && !strings.HasPrefix(b.String(), "# HELP "+family+" ") && !strings.Contains(command, family) {
				t.Errorf("%s asks for %s, which is not exposed", file, name)
			}
		}
		for _, m := range regexp.MustCompile(`counter=\\?"(\w+)`).FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(b.String(), `{counter="`+m[1]+`"}`) {
				t.Errorf("%s asks for the counter %s, which is not exposed", file, m[1])
			}
		}
		if len(names) < 4 {
			t.Errorf("%s asks for %d metrics only", file, len(names))
		}
	}
}
