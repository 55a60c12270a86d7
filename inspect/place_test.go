package inspect

import (
	"os"
	"testing"
)

// In a user namespace root is somebody else outside.
func TestOuterID(t *testing.T) {
	for _, c := range []struct {
		uid   int64
		table string
		want  int64
	}{
		{0, "         0          0 4294967295\n", 0},
		{1000, "         0          0 4294967295\n", 1000},
		{0, "         0      65534          1\n", 65534},
		{5, "0 1000 1\n1 100000 65536\n", 100004},
		{70000, "0 1000 1\n1 100000 65536\n", 70000},
		{7, "", 7},
		{7, "what is this\n", 7},
	} {
		if got := outerID(c.uid, c.table); got != c.want {
			t.Errorf("%d in %q is %d, want %d", c.uid, c.table, got, c.want)
		}
	}
}

// Somebody else's folder in our place hides nothing, and is no error, unless it
// was asked for.
func TestForeignPlace(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv(PlaceVariable, "")
	all := places()
	foreign := all[len(all)-1]
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(foreign, 65534, 65534); err != nil {
		t.Skip("only root can make a folder somebody else's:", err)
	}
	if _, err := Running(); err != nil {
		t.Error(err)
	}
	t.Setenv(PlaceVariable, foreign)
	if _, err := Running(); err == nil {
		t.Error("no error")
	}
}
