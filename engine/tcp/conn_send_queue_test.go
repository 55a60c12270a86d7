package tcp

import (
	"testing"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// queued returns all that a queue holds.
func queued(q *sendQueue) (text string) {
	for _, v := range q.views[q.head:] {
		text += string(v.Bytes())
	}
	return text
}

// Only into a block of its own a queue writes on: what a program has handed over may be
// others' behind its end, too.
func TestForeignBlocksAreNotWrittenTo(t *testing.T) {
	var q sendQueue
	q.copyIn([]byte("own "))
	b := buf.Get(100)
	copy(b.Bytes(), "foreign untouched")
	q.push(buf.MakeView(b, 0, 8))
	q.copyIn([]byte("own again"))
	if text := queued(&q); text != "own foreign own again" || string(b.Bytes()[8:17]) != "untouched" {
		t.Errorf("%q is queued, and the block has %q", text, b.Bytes()[:17])
	}
	q.clear()
}

// A copy of a queue and the original both go on, and neither writes what the other reads.
func TestQueuesThatWereCopiedGoTheirOwnWay(t *testing.T) {
	var q sendQueue
	q.copyIn([]byte("both "))
	r := q.clone()
	q.copyIn([]byte("original"))
	r.copyIn([]byte("the copy"))
	q.copyIn([]byte("!"))
	r.copyIn([]byte("?"))
	if x, y := queued(&q), queued(&r); x != "both original!" || y != "both the copy?" {
		t.Errorf("the original has %q, and the copy %q", x, y)
	}
	q.clear()
	r.clear()
}
