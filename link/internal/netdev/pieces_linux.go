package netdev

import (
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// Pieces are where the parts of a packet lie, for a system call that gathers
// them: a header, Data and views.
type Pieces [2 + buf.MaxViews]unix.Iovec

// Gather makes v the pieces of p, with header in front unless that is empty, and
// returns how many they are.
func (v *Pieces) Gather(header []byte, p *buf.Packet) (n int) {
	n = v.add(0, header)
	n = v.add(n, p.Data)
	for i := range p.N {
		n = v.add(n, p.Views[i].Bytes())
	}
	return n
}

func (v *Pieces) add(n int, b []byte) int {
	if len(b) == 0 {
		return n
	}
	v[n].Base = &b[0]
	v[n].SetLen(len(b))
	return n + 1
}
