package soak

import (
	"encoding/binary"
	"hash/fnv"
	"testing"

	"github.com/handfast-tcp/handfast/lab"
)

// hashOf is a hash of every byte that was sent and arrived, and of when.
func hashOf(r *lab.Result) uint64 {
	h := fnv.New64a()
	for i := range r.Packets {
		p := &r.Packets[i]
		binary.Write(h, binary.BigEndian, int64(p.Time))
		h.Write(p.Data)
		for _, a := range p.Arrivals {
			binary.Write(h, binary.BigEndian, int64(a.Time))
			h.Write(a.Data)
		}
	}
	h.Write([]byte(r.Text()))
	return h.Sum64()
}

// The same seed gives the same bytes at the same times, another one others.
func TestSameSeedSameBytes(t *testing.T) {
	seen := map[uint64]uint64{}
	for seed := uint64(1); seed <= 40; seed++ {
		_, first := Replay(seed)
		_, second := Replay(seed)
		d := hashOf(first)
		if d != hashOf(second) {
			t.Errorf("seed %d gives two different runs", seed)
		}
		if other, twice := seen[d]; twice {
			t.Errorf("seeds %d and %d give the same run", seed, other)
		}
		seen[d] = seed
	}
}

// A life that keeps a record is the life that keeps none.
func TestReplayIsTheLife(t *testing.T) {
	for seed := uint64(1); seed <= 100; seed++ {
		life := newLife(seed, draw(seed)).play()
		replay, _ := Replay(seed)
		life.Coverage, replay.Coverage = nil, nil
		if life.Err == nil && life != replay {
			t.Errorf("seed %d: the life was %+v, its replay %+v", seed, life, replay)
		}
	}
}
