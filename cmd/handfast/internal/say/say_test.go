package say

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/handfast-tcp/handfast/lab/story"
)

// An error is told in each language down to what is not ours, and is what it wraps.
func TestError(t *testing.T) {
	inner := Errorf(Text{"%s is closed: %w", "%s 已关闭：%w"}, Text{"the door", "门"}, fs.ErrPermission)
	for _, c := range []struct {
		err    error
		en, zh string
	}{
		{inner, "the door is closed: permission denied", "门 已关闭：permission denied"},
		{Errorf(Text{"no way: %w", "没有路：%w"}, inner), "no way: the door is closed: permission denied", "没有路：门 已关闭：permission denied"},
		{errors.Join(inner, fs.ErrExist), "the door is closed: permission denied\nfile already exists", "门 已关闭：permission denied\nfile already exists"},
		{Errorf(Text{"%d of %d", "%[2]d 之中 %[1]d"}, 1, 2), "1 of 2", "2 之中 1"},
		{fmt.Errorf("a: %w, %w", fs.ErrExist, fs.ErrClosed), "a: file already exists, file already closed", "a: file already exists, file already closed"},
	} {
		if en, zh := Error(c.err, story.English), Error(c.err, story.Chinese); en != c.en || zh != c.zh || c.err.Error() != c.en {
			t.Errorf("%q, %q, %q", c.err, en, zh)
		}
	}
	if !errors.Is(Errorf(Text{"%w", "%w"}, inner), fs.ErrPermission) {
		t.Error("what an error wraps is lost")
	}
}

// Columns are those of a terminal.
func TestColumns(t *testing.T) {
	if l, r := Left("窗口", 6), Right("窗口", 6); l != "窗口  " || r != "  窗口" || Left("window", 3) != "window" {
		t.Errorf("%q %q", l, r)
	}
}
