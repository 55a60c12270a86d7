package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/handfast-tcp/handfast/lab"
)

// A packed capture says what it says unpacked, and one that is cut as far as it goes.
func TestAnalyzePacked(t *testing.T) {
	whole := captureOf(t, resultOf(t, "slow-start-exit", lab.Options{}))
	dir := t.TempDir()
	tell := func(name string, file []byte) (string, string) {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, file, 0o644); err != nil {
			t.Fatal(err)
		}
		out, errs, err := analyzed(t, name, "--explain")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out, errs
	}
	want, _ := tell("plain", whole)
	var gz, zst bytes.Buffer
	g := gzip.NewWriter(&gz)
	z, err := zstd.NewWriter(&zst)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []interface {
		Write([]byte) (int, error)
		Close() error
	}{g, z} {
		if _, err := w.Write(whole); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, packed := range map[string][]byte{"gzip": gz.Bytes(), "zstd": zst.Bytes()} {
		if got, _ := tell(name, packed); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	if _, _, err := analyzed(t, filepath.Join(dir, "zstd"), "--ladder", "9"); err == nil {
		t.Error("there is no connection 9")
	}
	broken := bytes.Clone(zst.Bytes())
	broken[len(broken)/2] ^= 0xff
	name := filepath.Join(dir, "broken")
	if err := os.WriteFile(name, broken, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := analyzed(t, name); err == nil {
		t.Error("a broken file was read to its end")
	}
}
