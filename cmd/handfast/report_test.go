package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// recorded has seen a client connect, get three segments and close.
func recorded() *live.Recorder {
	r := live.New(live.Options{Host: stage.OurName, Port: tryPort, Connections: 1, Head: 10, Tail: 64})
	t := wire.Tuple{Local: wire.AddrFrom(stage.OurAddrs[0].Addr()), LocalPort: tryPort, Remote: wire.AddrFrom(stage.KernelAddrs[0].Addr()), RemotePort: 40000}
	segment := func(k tcp.EventKind, f wire.Flags) {
		r.Events([]tcp.Event{{Kind: k, Tuple: t, Segment: wire.TCP{Flags: f}}})
	}
	peer := func(s tcp.State) { r.PeerEvents([]tcp.Event{{Kind: tcp.StateChanged, Tuple: t.Reverse(), State: s}}) }
	segment(tcp.SegmentReceived, wire.SYN)
	segment(tcp.SegmentSent, wire.SYN|wire.ACK)
	segment(tcp.SegmentReceived, wire.ACK)
	for range 3 {
		segment(tcp.SegmentSent, wire.ACK)
	}
	segment(tcp.SegmentReceived, wire.FIN|wire.ACK)
	segment(tcp.SegmentSent, wire.FIN|wire.ACK)
	peer(tcp.TimeWait)
	segment(tcp.SegmentReceived, wire.ACK)
	return r
}

// Bytes that differ are a failure, and the report shows both digests.
func TestReportDiffers(t *testing.T) {
	var out bytes.Buffer
	r := report{tryOptions: &tryOptions{streams: streams{stdout: terminal{Writer: &out}}}, arena: &stage.Stage{Client: say.All("x")}, recorder: recorded()}
	r.transfer(&transfer{name: say.All("upload"), bytes: 1 << 20, took: time.Second, sent: sum{1}, received: sum{2}})
	if err := r.end(nil); !errors.Is(err, errDiffer) {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "SHA-256 differs: 01000000 sent, 02000000 arrived") {
		t.Error(out.String())
	}
}

func TestReportCloseFails(t *testing.T) {
	var out bytes.Buffer
	r := report{tryOptions: &tryOptions{streams: streams{stdout: terminal{Writer: &out}}}, arena: &stage.Stage{Client: say.All("x")}, recorder: recorded()}
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
