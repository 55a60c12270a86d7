package trace

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/internal/sample"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares got with a file of testdata, which -rewrite writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-rewrite accepts it); got:\n%s", name, got)
	}
}

func TestText(t *testing.T) {
	s := sample.Trouble()
	text := Text{Start: s.Events[0].Time}
	var b []byte
	for i := range s.Events {
		b = append(text.Append(b, &s.Events[i]), '\n')
	}
	text.Absolute = true
	b = append(text.Append(b, &s.Events[2]), '\n')
	s.Tuple.Local, s.Tuple.Remote = wire.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: 2}), wire.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 15: 1})
	b = append(text.Append(b, s.Sent(wire.ACK, 1, 1, 0).Last()), '\n')
	golden(t, "text.txt", b)
}
