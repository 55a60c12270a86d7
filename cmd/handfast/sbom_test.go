package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The bill of materials has every module that go version -m finds in the program, with version
// and sum, and the Go that has built it.
func TestBillOfMaterials(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	found, err := exec.Command("go", "version", "-m", self).Output()
	if err != nil {
		t.Skip(err)
	}
	var b bom
	if err := json.Unmarshal([]byte(output(t, 80, "version", "--sbom")), &b); err != nil || b.Format != "CycloneDX" || b.Spec != "1.6" {
		t.Fatalf("%+v, %v", b, err)
	}
	has := map[string]bomComponent{}
	for _, c := range b.Components {
		if c.Ref == "" || c.Type != "library" || !strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name) {
			t.Errorf("%+v", c)
		}
		has[c.Name+"@"+c.Version] = c
	}
	modules := 0
	for line := range strings.Lines(string(found)) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "dep" {
			continue
		}
		modules++
		c, ok := has[words[1]+"@"+words[2]]
		if !ok || len(words) > 3 && (len(c.Properties) != 1 || c.Properties[0].Value != words[3]) {
			t.Errorf("%s: %+v", strings.TrimSpace(line), c)
		}
	}
	if modules < 5 || len(b.Components) != modules+1 {
		t.Errorf("%d modules, and %d components", modules, len(b.Components))
	}
}
