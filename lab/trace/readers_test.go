package trace

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/internal/sample"
)

// One event a line, every line an object of its own, in one order of fields.
func TestJSON(t *testing.T) {
	var b []byte
	s := sample.Trouble()
	start := s.Events[0].Time
	add := func(e Event, why string) { b = append(AppendJSON(b, &e, start, why), '\n') }
	for i := range s.Events {
		add(Event{Host: "server", Packet: i, Event: s.Events[i]}, "")
	}
	add(Event{Class: Call, Host: "client", Text: "close \"now\"", Event: tcp.Event{Time: start.Add(time.Hour + 1)}}, "Because.")
	add(Event{Class: Wire, Host: "client", Peer: "server", Fate: Lost, Packet: 7, Event: s.Events[0]}, "")
	for line := range bytes.Lines(b) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if _, ok := fields["time"].(float64); !ok {
			t.Errorf("%s: time is no number", line)
		}
	}
	golden(t, "events.jsonl", b)
}

// failing is a writer that takes so many blocks.
type failing struct{ left int }

var errFull = errors.New("full")

func (f *failing) Write(b []byte) (int, error) {
	if f.left == 0 {
		return 0, errFull
	}
	f.left--
	return len(b), nil
}

// A capture is a chain of blocks whose length stands at both ends. What other
// programs make of it is tested with the command.
func TestPcapng(t *testing.T) {
	var file bytes.Buffer
	p := NewPcapng(&file, "of nothing")
	name := p.AddInterface("client")
	for n := range 5 {
		p.Packet(&Captured{Time: 1 << 40, Interface: name, Data: make([]byte, 40+n), Direction: Outbound, Comments: []string{"first", "", "second"}[:n/2]})
	}
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	b, blocks := file.Bytes(), 0
	for len(b) > 0 {
		n := binary.LittleEndian.Uint32(b[4:])
		if n%4 != 0 || int(n) > len(b) || binary.LittleEndian.Uint32(b[n-4:]) != n {
			t.Fatalf("block %d is %d bytes of %d left", blocks, n, len(b))
		}
		b = b[n:]
		blocks++
	}
	if blocks != 2+5 {
		t.Errorf("%d blocks", blocks)
	}
}

func TestPcapngKeepsFirstError(t *testing.T) {
	p := NewPcapng(&failing{left: 1}, "")
	if p.Err() != nil {
		t.Error(p.Err())
	}
	p.AddInterface("client")
	p.Packet(&Captured{Data: []byte{1}})
	if !errors.Is(p.Err(), errFull) {
		t.Errorf("error %v", p.Err())
	}
}
