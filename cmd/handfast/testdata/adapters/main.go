// Adapters is a program of others with the modules beside the library: a host on a device of wireguard-go, whose figures
// a registry of Prometheus has.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/metrics"
	"github.com/handfast-tcp/handfast/wgnet"
)

func main() {
	device, network, err := wgnet.CreateNetTUN([]netip.Addr{netip.MustParseAddr("10.9.0.2")}, nil, 1420)
	check(err)
	far, err := wgnet.Link(device)
	check(err)
	server, err := handfast.New(handfast.Config{})
	check(err)
	defer server.Close()
	check(server.Attach(far, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}}))
	registry := prometheus.NewRegistry()
	check(registry.Register(metrics.NewCollector(server)))

	l, err := server.Listen("tcp", ":80")
	check(err)
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") }))
	visitor := http.Client{Transport: &http.Transport{DialContext: network.DialContext}}
	answer, err := visitor.Get("http://10.9.0.1/")
	check(err)
	page, err := io.ReadAll(answer.Body)
	check(err)
	families, err := registry.Gather()
	check(err)
	for _, f := range families {
		if f.GetName() == "handfast_listen_handshakes_total" {
			fmt.Printf("%s, and %v handshake\n", page, f.Metric[0].Counter.GetValue())
		}
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
