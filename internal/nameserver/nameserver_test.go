package nameserver

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// asked is a question as package net writes it, its length first.
func asked(name string) []byte {
	b := []byte{0, 0, 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1}
	for _, label := range strings.Split(name, ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0, 0, 1, 0, 1)
	b = append(b, 0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0) // EDNS(0)
	b[1] = byte(len(b) - 2)
	return b
}

// answerTo is the least that answers a question.
func answerTo(q *question) []byte {
	b := append([]byte(nil), q.text[2:]...)
	b[2] |= 0x80
	return b
}

// Of what anybody can send, that alone is an answer which has the ID and the question, is
// marked as one, and is whole; with any bit of these changed, or cut off, it is none.
func TestOnlyAnswersAreTaken(t *testing.T) {
	q := &question{text: asked("host.example.com")}
	good := answerTo(q)
	if !q.isAnswer(good) {
		t.Fatal("an answer is none")
	}
	end := dnsHeader + len("host.example.com") + 2 + 4
	for n := range end {
		if q.isAnswer(good[:n]) {
			t.Errorf("%d bytes of it are an answer", n)
		}
	}
	for at := range end {
		for bit := range 8 {
			b := append([]byte(nil), good...)
			b[at] ^= 1 << bit
			inFlags := at == 2 && bit < 7 || at == 3
			inCounts := at >= 4 && at < dnsHeader // package net reads these
			ofCase := bit == 5 && at > dnsHeader && at < end-5 && b[at]|0x20 >= 'a' && b[at]|0x20 <= 'z'
			if got := q.isAnswer(b); got != (inFlags || inCounts || ofCase) {
				t.Errorf("byte %d, bit %d changed: an answer: %v", at, bit, got)
			}
		}
	}
	if q.isAnswer(q.text[2:]) {
		t.Error("the question that is sent back is an answer")
	}
}

// What is no question, and answers of any bytes, harm nobody.
func TestAnswersOfAnyBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for range 200_000 {
		q := &question{text: asked(strings.Repeat("a", 1+r.IntN(63)) + ".example")}
		b := answerTo(q)
		for range r.IntN(6) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		b = b[:r.IntN(len(b)+1)]
		if q.isAnswer(b) {
			isTrouble(b)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	q := &question{text: asked("host.example.com")}
	f.Add(q.text, answerTo(q))
	f.Add([]byte{0, 1, 63}, []byte{1})
	f.Add([]byte{0, 0}, []byte{})
	f.Fuzz(func(t *testing.T, text, answer []byte) {
		if len(text) < 2 {
			return
		}
		q := &question{text: text}
		if q.isAnswer(answer) {
			isTrouble(answer)
			if len(answer) < dnsHeader {
				t.Fatalf("an answer of %d bytes", len(answer))
			}
		}
	})
}
