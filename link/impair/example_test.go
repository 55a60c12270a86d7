package impair_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/lab/netem"
	"github.com/handfast-tcp/handfast/link/impair"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A wire that delivers every packet twice.
func Example() {
	a, b := pipe.New(pipe.Options{})
	defer b.Close()
	bad, err := impair.New(a, impair.Options{Out: netem.Config{Duplicate: 1}, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bad.Close()

	p := buf.NewPacket()
	p.Data = append(p.Data, "an IP packet"...)
	if err := bad.Write(0, []*buf.Packet{p}); err != nil {
		fmt.Println(err)
	}
	batch := make([]*buf.Packet, 1)
	for range 2 {
		if _, err := b.Read(0, batch); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%s\n", batch[0].Data)
		batch[0].Release()
	}
	// Output:
	// an IP packet
	// an IP packet
}
