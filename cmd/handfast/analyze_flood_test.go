package main

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
)

// floodFile is a capture of a SYN flood of port 443 from random sources, for ten seconds.
func floodFile(t *testing.T) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, 0, 2<<20)
	for _, v := range []uint32{0xa1b2c3d4, 4<<16 | 2, 0, 0, 65535, 101} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	for i := range 20_000 {
		for _, v := range []uint32{1_700_000_000 + uint32(i/2000), uint32(i%2000) * 500, 40, 40} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		b = append(b, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0)
		b = binary.BigEndian.AppendUint32(b, r.Uint32())
		b = binary.BigEndian.AppendUint64(b, 0xc0000201<<32|uint64(1024+r.Uint32N(60000))<<16|443)
		b = binary.BigEndian.AppendUint64(b, uint64(r.Uint32())<<32)
		b = append(b, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0)
	}
	name := filepath.Join(t.TempDir(), "flood.pcap")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// A flood is told at the head of the table, and as an object; of a calm capture no word
// is said of floods.
func TestAnalyzeFlood(t *testing.T) {
	file := floodFile(t)
	told := regexp.MustCompile(`^a SYN flood against port 443 from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d: (19|20|21)k SYNs, up to (1\.9|2\.0|2\.1)k a second, from about (18|19|20|21|22)k sources, (9\d|100) % unanswered\n`)
	if _, errs, err := analyzed(t, file, "--limit", "3", "--explain"); err != nil || !told.MatchString(errs) || !strings.Contains(errs, "came to nothing without a trace") {
		t.Errorf("%v\n%s", err, errs)
	}
	if _, errs, err := analyzed(t, file, "--limit", "3", "--lang", "zh"); err != nil || !strings.HasPrefix(errs, "SYN 泛洪（端口 443）") {
		t.Errorf("%v\n%s", err, errs)
	}
	out, _, err := analyzed(t, file, "--json", "--where", "dport = :80")
	var o struct{ Flood floodJSON }
	if err != nil || json.Unmarshal([]byte(out), &o) != nil || o.Flood.Port != 443 || o.Flood.Unanswered < 0.9 {
		t.Errorf("%v\n%s", err, out)
	}
	calm := filepath.Join(t.TempDir(), "calm.pcapng")
	for _, name := range []string{"four-way-close", "slow-start-exit", "connection-refused"} {
		if err := os.WriteFile(calm, captureOf(t, resultOf(t, name, lab.Options{})), 0o644); err != nil {
			t.Fatal(err)
		}
		out, errs, err := analyzed(t, calm, "--explain")
		if err != nil || strings.Contains(out+errs, "flood") {
			t.Errorf("%s: %v\n%s%s", name, err, out, errs)
		}
	}
}
