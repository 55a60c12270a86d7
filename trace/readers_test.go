package trace

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"
	"time"
)

// One event a line, every line an object of its own, in one order of fields.
func TestJSON(t *testing.T) {
	var b []byte
	s := trouble()
	for i := range s.events {
		e := &s.events[i]
		b = AppendJSON(b, &Record{Host: "server", Packet: i, Since: e.Time.Sub(s.events[0].Time), Event: e})
		b = append(b, '\n')
	}
	b = append(AppendJSON(b, &Record{Class: "call", Host: "client", Text: "close \"now\"", Since: time.Hour + 1, Why: "Because."}), '\n')
	b = append(AppendJSON(b, &Record{Class: "wire", Host: "client", Peer: "server", Fate: "lost", Packet: 7, Event: &s.events[0]}), '\n')
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
