package buf_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// A packet carries a part of a block that another reader still uses. The block is
// used again when both have let go of it.
func Example() {
	b := buf.Get(100)
	n := copy(b.Bytes(), "hello, world")
	whole := buf.MakeView(b, 0, n) // owns the reference that Get gave

	p := buf.NewPacket()
	p.Data = append(p.Data, "header|"...)
	p.AddView(whole.Slice(7, n).Retain())
	p.Flatten() // a copy; the packet's reference to b is given back
	fmt.Printf("%s\n%s\n", p.Data, whole.Bytes())
	p.Release()
	whole.Release()
	// Output:
	// header|world
	// hello, world
}
