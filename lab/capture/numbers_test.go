package capture_test

import (
	"encoding/binary"
	"testing"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/capture"
)

// What captures of others have shown: how many bytes each side has sent where numbers are
// missing or lead astray, and who has closed first.
func TestWhatNumbersTell(t *testing.T) {
	client := func(seq, ack uint32, f wire.Flags, length int) []byte {
		return sent(bare(1, 2, 1000, 80, seq, ack, f), length)
	}
	server := func(seq, ack uint32, f wire.Flags, length int) []byte {
		return sent(bare(2, 1, 80, 1000, seq, ack, f), length)
	}
	syn, thirdACK, request := client(100, 0, wire.SYN, 0), client(101, 501, wire.ACK, 0), client(101, 501, wire.ACK, 30)
	synAck, another := server(500, 101, wire.SYN|wire.ACK, 0), server(90_500, 101, wire.SYN|wire.ACK, 0)
	answer := server(501, 131, wire.ACK, 70)
	const fin = wire.FIN | wire.ACK
	for name, c := range map[string]struct {
		packets       [][]byte
		bytes, missed [2]int64
		by            int
	}{
		"two SYN-ACKs, the first is taken":    {packets: [][]byte{syn, synAck, another, thirdACK, request, answer}, bytes: [2]int64{30, 70}},
		"another SYN-ACK behind the ACK":      {packets: [][]byte{syn, synAck, thirdACK, another, request, answer}, bytes: [2]int64{30, 70}},
		"two SYN-ACKs, the second is taken":   {packets: [][]byte{syn, another, synAck, thirdACK, request, answer}, bytes: [2]int64{30, 70}},
		"the end of the stream is not there":  {packets: [][]byte{syn, synAck, thirdACK, request, server(501, 1131, wire.ACK, 70)}, bytes: [2]int64{1030, 70}, missed: [2]int64{1000, 0}},
		"a hole in it":                        {packets: [][]byte{syn, synAck, thirdACK, request, client(201, 501, wire.ACK, 10), server(501, 211, wire.ACK, 70)}, bytes: [2]int64{110, 70}, missed: [2]int64{70, 0}},
		"a FIN of nowhere":                    {packets: [][]byte{thirdACK, request, answer, server(2_000_000_000, 131, fin, 0)}, bytes: [2]int64{30, 70}, by: capture.Server},
		"the server has closed first":         {packets: [][]byte{syn, synAck, thirdACK, server(501, 101, fin, 0), client(101, 502, fin, 0), server(502, 102, wire.ACK, 0)}, by: capture.Server},
		"the same, captured in another order": {packets: [][]byte{syn, synAck, thirdACK, client(101, 502, fin, 0), server(501, 101, fin, 0), server(502, 102, wire.ACK, 0)}, by: capture.Server},
	} {
		told := 0
		tr := capture.NewTracker(capture.Options{Ended: func(k *capture.Conn) {
			told++
			for i := range k.Sides {
				e := &k.Sides[i]
				if e.Bytes != c.bytes[i] || e.Missed != c.missed[i] || e.Repeats.All() != 0 {
					t.Errorf("%s: side %d has sent %d bytes, %d were missed, %d came again", name, i, e.Bytes, e.Missed, e.Repeats.All())
				}
			}
			if k.Verdict.By != c.by {
				t.Errorf("%s: %s by side %d", name, k.Verdict.Cause, k.Verdict.By)
			}
		}})
		for i, b := range c.packets {
			tr.Packet(&capture.Packet{Number: i + 1, Time: clock.Time(1e9) + clock.Time(i)*1e6, Link: capture.LinkRaw, Data: b, Size: len(b)})
		}
		tr.Finish()
		if told != 1 {
			t.Errorf("%s: %d connections", name, told)
		}
	}
}

// sent gives a segment text.
func sent(b []byte, length int) []byte {
	b = append(b, make([]byte, length)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}
