package realtime

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// play plays a script against the kernel.
func play(t *testing.T, name, text string) error {
	t.Helper()
	s, err := script.Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	k, err := New()
	if err != nil {
		t.Skip("no network namespace: ", err)
	}
	defer k.Close()
	return drill.Play(s, drill.Options{Kernel: k}).Err
}

// What is true of TCP is true of the kernel: calls that wait and that do not, both openings,
// errors that the network tells, repetitions.
func TestScriptsOfBoth(t *testing.T) {
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"rfc9293/accept-blocking", "rfc9293/active-open", "rfc9293/close-first", "rfc9293/icmp-hard-syn-sent", "rfc9293/half-close", "rfc1191/frag-needed"} {
		text, err := os.ReadFile(filepath.Join("../../../../lab/drill/testdata", name+".pkt"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // a busy machine is late
			if err = play(t, name, string(text)); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is not true of it is told, and what cannot be asked of it is another kind of error.
func TestScriptsOfNobody(t *testing.T) {
	const open = `0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0 bind(3, ..., ...) = 0
+0 listen(3, 1) = 0
+0 < S 0:0(0) win 65535 <mss 1000>
`
	var wrong *drill.Failure
	if err := play(t, "wrong.pkt", open+"+0 > S. 0:0(0) ack 2 <...>\n"); !errors.As(err, &wrong) {
		t.Errorf("an ACK that no TCP sends: %v", err)
	}
	var unknown *script.Error
	if err := play(t, "unknown.pkt", open+"+0 epoll_create(1) = 5\n"); !errors.As(err, &unknown) {
		t.Errorf("a call that is not played: %v", err)
	}
}
