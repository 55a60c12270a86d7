package offload_test

import (
	"fmt"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link/offload"
)

// A packet whose checksum the device is to compute, on its way through a header of
// virtio-net.
func Example() {
	out := buf.Packet{Data: make([]byte, 60), Checksum: buf.ChecksumPartial, CsumStart: 20, CsumOffset: 16}
	header := make([]byte, offload.HeaderSize)
	offload.Encode(header, &out)

	in := buf.Packet{Data: make([]byte, 60)}
	ok := offload.Decode(header, &in)
	fmt.Println(ok, in.Checksum == buf.ChecksumPartial, in.CsumStart, in.CsumOffset)
	// Output: true true 20 16
}
