package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestServiceNames(t *testing.T) {
	file := filepath.Join(t.TempDir(), "services")
	text := "# names\nssh 22/tcp # a shell\ndomain 53/udp\nhttp\t80/tcp www\nother 80/tcp\nbad x/tcp\nshort\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	names := serviceNames(file)
	if len(names) != 3 || names["tcp22"] != "ssh" || names["tcp80"] != "http" || names["udp53"] != "domain" {
		t.Error(names)
	}
	if names := serviceNames(file + "x"); len(names) != 0 {
		t.Error(names)
	}
}
