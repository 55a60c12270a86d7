package inspect

import (
	"bytes"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

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
		if m := sampleLine.FindStringSubmatch(quoted); m == nil || !utf8.ValidString(line) || m[1] != family || families[family] == "" || samples[key] {
			t.Errorf("in %s: %s", family, line)
		}
		samples[key] = true
	}
	if m := Metrics(h); len(m) != len(samples) {
		t.Errorf("%d figures by name, %d in the text", len(m), len(samples))
	}
}
