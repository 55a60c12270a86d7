package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// Bytes that differ are a failure, and the report shows both digests.
func TestReportDiffers(t *testing.T) {
	var out bytes.Buffer
	r := report{tryOptions: &tryOptions{stdout: terminal{Writer: &out}}, arena: &arena{client: "x"}, recorder: record(3)}
	r.transfer(&transfer{name: "upload", bytes: 1 << 20, took: time.Second, sent: sum{1}, received: sum{2}})
	if err := r.end(nil); !errors.Is(err, errDiffer) {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "SHA-256 differs: 01000000 sent, 02000000 arrived") {
		t.Error(out.String())
	}
}

func TestReportCloseFails(t *testing.T) {
	var out bytes.Buffer
	r := report{tryOptions: &tryOptions{stdout: terminal{Writer: &out}}, arena: &arena{client: "x"}, recorder: record(3)}
	problem := errors.New("does not close")
	if err := r.end(problem); !errors.Is(err, problem) {
		t.Error(err)
	}
	for _, s := range []string{"TIME-WAIT", "5 segments sent, 4 received, 0 retransmitted"} {
		if !strings.Contains(out.String(), s) {
			t.Errorf("no %q in\n%s", s, &out)
		}
	}
}
