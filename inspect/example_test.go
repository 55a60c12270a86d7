package inspect_test

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// The listeners of a host, as ss -lt shows them.
func Example() {
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	end, _ := pipe.New(pipe.Options{})
	err = h.Attach(end, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		panic(err)
	}
	for _, address := range []string{"10.0.0.1:80", "10.0.0.1:443"} {
		if _, err := h.Listen("tcp", address); err != nil {
			panic(err)
		}
	}

	report := inspect.Collect(h, "shop", 0)
	filter, err := inspect.ParseFilter("state listening sport != :443", inspect.ShowConnected)
	if err != nil {
		fmt.Println(err)
	}
	inspect.WriteSS(os.Stdout, filter.Apply(report.Rows), inspect.SSOptions{})
	// Output:
	// State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process
	// LISTEN 0      4096        10.0.0.1:80        0.0.0.0:*
}
