package pipe_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// What goes in at one end comes out at the other.
func Example() {
	a, b := pipe.New(pipe.Options{Name: "wire", MTU: 9000})
	defer a.Close()
	defer b.Close()
	fmt.Println(a.Attributes().Name, a.Attributes().MTU)

	p := buf.NewPacket()
	p.Data = append(p.Data, "an IP packet"...)
	if err := a.Write(0, []*buf.Packet{p}); err != nil {
		fmt.Println(err)
	}
	batch := make([]*buf.Packet, 8)
	n, err := b.Read(0, batch)
	for _, p := range batch[:n] {
		fmt.Printf("%s\n", p.Data)
		p.Release()
	}
	fmt.Println(err)
	// Output:
	// wire-a 9000
	// an IP packet
	// <nil>
}
