package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// What a connection carried comes out as it was sent, whatever was lost and sent again.
func TestAnalyzeFollow(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sack-recovery", "half-close", "reordering", "urgent-data"} {
		result := resultOf(t, name, lab.Options{})
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, captureOf(t, result), 0o644); err != nil {
			t.Fatal(err)
		}
		c := connsOf(t, captureOf(t, result))[0]
		for side, of := range sideNames {
			raw, _, err := analyzed(t, file, "--follow", "0", "--as", "raw", "--side", of)
			if err != nil || int64(len(raw)) != c.Sides[side].Bytes {
				t.Errorf("%s, %s: %d bytes, %d were sent: %v", name, of, len(raw), c.Sides[side].Bytes, err)
			}
		}
		hex, _, err := analyzed(t, file, "--follow", "0", "--as", "hex")
		if all := c.Sides[0].Bytes + c.Sides[1].Bytes; err != nil || int64(strings.Count(hex, "\n")) < all/16 {
			t.Errorf("%s: %v\n%s", name, err, hex)
		}
	}
	if _, errs, err := analyzed(t, filepath.Join(dir, "half-close"), "--follow", "0", "--lang", "zh"); err != nil || errs != "" {
		t.Errorf("%q %v", errs, err)
	}
}

// What a terminal may obey does not come out, what is cut between two segments is put
// together, and the turns are told.
func TestFollowedText(t *testing.T) {
	var out bytes.Buffer
	f := follower{form: "text", sides: "both", out: terminal{Writer: &out}}
	a := &analysis{follower: &f}
	c := &capture.Conn{}
	word := []byte("héllo 中\x1b[31m\r\n")
	for i := range word {
		a.carried(c, capture.Client, word[i:i+1], 0)
	}
	a.carried(c, capture.Server, []byte("yes"), 0)
	a.carried(c, capture.Server, nil, 1448)
	a.carried(c, capture.Client, []byte("\xff"), 0)
	want := "--- client [::]:0, from byte 0 on\nhéllo 中.[31m\n\n--- server [::]:0, from byte 0 on\nyes\n[1,448 bytes are not in the capture]\n" +
		"\n--- client [::]:0, from byte 17 on\n."
	if out.String() != want {
		t.Errorf("%q\nwant %q", out.String(), want)
	}
}
