package buf

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// model holds what a user of the package holds, and counts references plainly.
type model struct {
	t       *testing.T
	r       *rand.Rand
	refs    map[*Block]int32  // of live blocks
	stamp   map[*Block]byte   // what every byte of a live block is
	views   []View            // each owns a reference
	packets []*Packet         // each is ours
	ours    map[*Packet]bool  // the same as a set
	stashes [3]Stash          // may owe references to blocks
	holds   map[*Packet]piece // what each packet's bytes are
}

// piece is what a packet says when it is read, and the blocks that it refers to.
type piece struct {
	text   []byte
	blocks []*Block
}

// After any sequence of operations on blocks, views, packets and stashes a block has as many
// references as holders, no holder gets what another still holds, and bytes that
// a holder can see do not change.
func TestReferencesAgainstModel(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		m := &model{t: t, r: rand.New(rand.NewPCG(seed, 1)), refs: map[*Block]int32{}, stamp: map[*Block]byte{},
			ours: map[*Packet]bool{}, holds: map[*Packet]piece{}}
		for range 600 {
			m.step()
			m.check()
		}
		m.end()
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func (m *model) step() {
	operations := []func(){m.get, m.retain, m.slice, m.releaseView, m.newPacket, m.addView, m.addView, m.flatten, m.receive, m.clear, m.releasePacket, m.flush}
	operations[m.r.IntN(len(operations))]()
}

// born notes a block that the package has just handed out.
func (m *model) born(b *Block) {
	if m.refs[b] != 0 || m.due(b) != 0 {
		m.t.Errorf("a block is handed out that %d still hold", m.refs[b])
	}
	m.refs[b] = 1
	m.stamp[b] = byte(m.r.Uint32())
	for i := range b.mem {
		b.mem[i] = m.stamp[b]
	}
}

func (m *model) drop(b *Block) { m.refs[b]-- }

// due is how many references stashes will give back.
func (m *model) due(b *Block) (n int32) {
	for i := range m.stashes {
		if m.stashes[i].block == b {
			n += m.stashes[i].due
		}
	}
	return n
}

func (m *model) get() {
	size := 1 + m.r.IntN(LargeSize)
	if m.r.IntN(4) > 0 {
		size = 1 + m.r.IntN(SmallSize)
	}
	b := Get(size)
	if b.Cap() < size || len(b.Bytes()) != b.Cap() {
		m.t.Errorf("a block of %d bytes for %d", b.Cap(), size)
	}
	m.born(b)
	m.views = append(m.views, MakeView(b, m.r.IntN(size), 0))
	v := &m.views[len(m.views)-1]
	v.Grow(m.r.IntN(len(v.Room()) + 1))
}

func (m *model) anyView() (View, bool) {
	if len(m.views) == 0 {
		return View{}, false
	}
	return m.views[m.r.IntN(len(m.views))], true
}

func (m *model) retain() {
	if v, ok := m.anyView(); ok {
		m.refs[v.Block]++
		m.views = append(m.views, v.Retain())
	}
}

func (m *model) slice() {
	v, ok := m.anyView()
	if !ok {
		return
	}
	at := m.r.IntN(v.Len() + 1)
	first, rest := v.Slice(0, at), v.Slice(at, v.Len())
	if !rest.Follows(first) || first.Len()+rest.Len() != v.Len() || rest.End() != v.End() || first.Start() != v.Start() {
		m.t.Errorf("%d bytes cut at %d are %d and %d", v.Len(), at, first.Len(), rest.Len())
	}
	m.refs[v.Block]++
	m.views = append(m.views, rest.Retain())
}

func (m *model) releaseView() {
	if len(m.views) == 0 {
		return
	}
	i := m.r.IntN(len(m.views))
	v := m.views[i]
	m.views[i] = m.views[len(m.views)-1]
	m.views = m.views[:len(m.views)-1]
	m.drop(v.Block)
	v.Release()
}

func (m *model) anyStash() *Stash { return &m.stashes[m.r.IntN(len(m.stashes))] }

func (m *model) newPacket() {
	p := NewPacket
	if m.r.IntN(3) > 0 {
		p = m.anyStash().Get
	}
	k := p()
	if m.ours[k] {
		m.t.Error("a packet is handed out that is still held")
	}
	if k.Len() != 0 || k.Block != nil || k.N != 0 || cap(k.Data) != headRoom || k.GSOSize|k.L3|k.CsumStart|k.CsumOffset != 0 || k.Checksum != ChecksumFull {
		m.t.Errorf("a new packet is not empty: %d bytes, %d views", k.Len(), k.N)
	}
	header := bytes.Repeat([]byte{byte(m.r.Uint32())}, m.r.IntN(headRoom))
	k.Data = append(k.Data, header...)
	k.GSOSize, k.L3, k.CsumStart, k.CsumOffset, k.Checksum = 1, 14, 2, 3, ChecksumPartial
	m.packets, m.ours[k] = append(m.packets, k), true
	m.holds[k] = piece{text: header}
}

func (m *model) anyPacket() (int, *Packet) {
	if len(m.packets) == 0 {
		return 0, nil
	}
	i := m.r.IntN(len(m.packets))
	return i, m.packets[i]
}

func (m *model) addView() {
	_, k := m.anyPacket()
	v, ok := m.anyView()
	if k == nil || !ok || k.N == MaxViews {
		return
	}
	m.refs[v.Block]++
	k.AddView(v.Retain())
	h := m.holds[k]
	m.holds[k] = piece{append(h.text, v.Bytes()...), append(h.blocks, v.Block)}
}

func (m *model) flatten() {
	_, k := m.anyPacket()
	if k == nil || k.Len() > LargeSize {
		return
	}
	h := m.holds[k]
	before := k.Block
	k.Flatten()
	if k.N != 0 || k.Block == nil {
		m.t.Errorf("a flat packet has %d views, block %v", k.N, k.Block != nil)
	}
	if k.Block == before {
		return
	}
	m.lose(h.blocks)
	// A block that went may come back at once, as the one of the flat packet.
	m.refs[k.Block] = 1
	delete(m.stamp, k.Block)
	m.holds[k] = piece{h.text, []*Block{k.Block}}
}

func (m *model) lose(blocks []*Block) {
	for _, b := range blocks {
		m.drop(b)
	}
}

func (m *model) receive() {
	_, k := m.anyPacket()
	if k == nil {
		return
	}
	m.lose(m.holds[k].blocks)
	size := 1 + m.r.IntN(MediumSize)
	b := k.ReceiveInto(size)
	m.born(k.Block)
	k.Data = b[:size]
	m.holds[k] = piece{bytes.Clone(b[:size]), []*Block{k.Block}}
}

func (m *model) clear() {
	_, k := m.anyPacket()
	if k == nil {
		return
	}
	m.lose(m.holds[k].blocks)
	k.Clear()
	m.holds[k] = piece{}
}

func (m *model) releasePacket() {
	i, k := m.anyPacket()
	if k == nil {
		return
	}
	m.lose(m.holds[k].blocks)
	delete(m.ours, k)
	delete(m.holds, k)
	m.packets[i] = m.packets[len(m.packets)-1]
	m.packets = m.packets[:len(m.packets)-1]
	if m.r.IntN(3) == 0 {
		k.Release()
	} else {
		m.anyStash().Put(k)
	}
}

func (m *model) flush() { m.anyStash().Flush() }

func (m *model) check() {
	for b, n := range m.refs {
		if got, want := b.refs.Load(), n+m.due(b); got != want {
			m.t.Fatalf("a block has %d references and %d holders", got, want)
		}
		if n+m.due(b) == 0 {
			delete(m.refs, b)
			delete(m.stamp, b)
		}
	}
	if v, ok := m.anyView(); ok {
		if stamp, ok := m.stamp[v.Block]; ok && bytes.Count(v.Bytes(), []byte{stamp}) != v.Len() {
			m.t.Error("bytes changed under a view")
		}
	}
	if _, k := m.anyPacket(); k != nil && !bytes.Equal(read(k), m.holds[k].text) {
		m.t.Error("bytes changed in a packet")
	}
}

func read(k *Packet) []byte {
	b := bytes.Clone(k.Data)
	for i := range k.N {
		b = append(b, k.Views[i].Bytes()...)
	}
	return b
}

// end gives everything back, after which no block has a holder.
func (m *model) end() {
	for len(m.packets) > 0 {
		m.releasePacket()
	}
	for len(m.views) > 0 {
		m.releaseView()
	}
	for i := range m.stashes {
		m.stashes[i].Flush()
	}
	m.check()
	if len(m.refs) != 0 {
		m.t.Errorf("%d blocks are still held", len(m.refs))
	}
}
