package inspect_test

import (
	"bytes"
	"context"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/inspect/internal/flows"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// Who asks is told the last events of connections, also of those that have ended, by
// either end; and what is no end is refused.
func TestEventsOverTheSocket(t *testing.T) {
	privatePlace(t)
	from, to, l := flows.Pair(t, account.Keep{Connections: 8})
	s, err := inspect.Serve(to, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	flows.Talk(t, from, l, 2)
	i := running(t)
	ask := func(e handfast.EventFilter, json bool) string {
		body, err := i.Events(t.Context(), e, json)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	here := handfast.EventFilter{Local: netip.MustParseAddrPort("10.0.0.2:80")}
	if text := ask(here, false); strings.Count(text, "10.0.0.2:80 > 10.0.0.1:") != 1 || !strings.Contains(text, "state SYN-RECEIVED -> ESTABLISHED (our SYN is acknowledged)") {
		t.Errorf("%s", text)
	}
	if text := ask(here, true); !strings.Contains(text, `"event":"state"`) || !strings.HasPrefix(text, `{"time":1`) {
		t.Errorf("%s", text)
	}
	for _, nobody := range []handfast.EventFilter{{Local: netip.AddrPortFrom(netip.Addr{}, 81)}, {Remote: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.9"), 0)}} {
		if text := ask(nobody, false); text != "" {
			t.Errorf("of nobody: %s", text)
		}
	}
	for _, text := range []string{"x", ":70000", "10.0.0.1:", ""} {
		if _, err := inspect.ParseEnd(text); err == nil {
			t.Errorf("%q is taken for an end", text)
		}
	}
}

// What a capture has is what the connections did, as another reader of captures sees it.
func TestCaptureOverTheSocket(t *testing.T) {
	privatePlace(t)
	from, to, l := flows.Pair(t, account.Keep{Connections: 8})
	s, err := inspect.Serve(to, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	body, err := running(t).Capture(ctx, handfast.EventFilter{Local: netip.AddrPortFrom(netip.Addr{}, 80)})
	if err != nil {
		t.Fatal(err)
	}
	flows.Talk(t, from, l, 3)
	to.Close() // ends the capture, when all is told
	file, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SYN-RECEIVED -> ESTABLISHED (our SYN is acknowledged)", "(FIN arrived)", "CLOSED (RST arrived)"} {
		if !bytes.Contains(file, []byte(want)) {
			t.Errorf("no packet says %q", want)
		}
	}
	packets := 0
	r, err := capture.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err = r.Next(); err != nil {
			break
		}
		packets++
	}
	if err != io.EOF { // of a whole file
		t.Error(err)
	}
	if n := bytes.Count(file, []byte("LISTEN -> SYN-RECEIVED")); n != 3 || packets < 3*8 {
		t.Errorf("%d connections, %d packets", n, packets)
	}
}
