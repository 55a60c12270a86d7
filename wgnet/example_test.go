package wgnet_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"

	"golang.zx2c4.com/wireguard/conn/bindtest"
	"golang.zx2c4.com/wireguard/device"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/wgnet"
)

// Keys of the two ends, which are those of wireguard-go's own examples.
const (
	clientConfig = `private_key=087ec6e14bbed210e7215cdc73468dfa23f080a1bfb8665b2fd809bd99d28379
public_key=c4c8e984c5322c8184c72265b92b250fdb63688705f504ba003c88f03393cf28
allowed_ip=0.0.0.0/0
endpoint=127.0.0.1:1
`
	serverConfig = `private_key=003ed5d73b55806c30de3f8a7bdab38af13539220533055e635690b8b87ad641
public_key=f928d4f6c1b86c12f2562c10b07c555c5c57fd00f59e90c8d8d88767271cbf7c
allowed_ip=10.9.0.1/32
`
)

// A web server behind WireGuard, and a client. Here the two are one program, and
// WireGuard's packets stay in memory; conn.NewDefaultBind sends them by UDP.
func ExampleCreateNetTUN() {
	binds := bindtest.NewChannelBinds()
	start := func(address, config string, end int) *wgnet.Net {
		tun, network, err := wgnet.CreateNetTUN([]netip.Addr{netip.MustParseAddr(address)}, nil, 1420)
		if err != nil {
			panic(err)
		}
		d := device.NewDevice(tun, binds[end], device.NewLogger(device.LogLevelSilent, ""))
		if err := d.IpcSet(config); err != nil {
			panic(err)
		}
		if err := d.Up(); err != nil {
			panic(err)
		}
		return network
	}
	server := start("10.9.0.2", serverConfig, 1)
	client := start("10.9.0.1", clientConfig, 0)

	l, err := server.ListenTCP(&net.TCPAddr{Port: 80})
	if err != nil {
		panic(err)
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", r.URL.Query().Get("name"))
	}))

	web := http.Client{Transport: &http.Transport{DialContext: client.DialContext}}
	r, err := web.Get("http://10.9.0.2/?name=gopher")
	if err != nil {
		panic(err)
	}
	page, err := io.ReadAll(r.Body)
	fmt.Println(string(page), err)
	// Output: hello, gopher <nil>
}

// A host on a device of wireguard-go: on macOS tun.CreateTUN("utun", 1420) opens one. Here it
// is the other end of a network in memory.
func ExampleLink() {
	device, network, err := wgnet.CreateNetTUN([]netip.Addr{netip.MustParseAddr("10.9.0.2")}, nil, 1420)
	if err != nil {
		panic(err)
	}
	l, err := wgnet.Link(device)
	if err != nil {
		panic(err)
	}
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix("10.9.0.1/24")}}); err != nil {
		panic(err)
	}
	server, err := h.Listen("tcp", ":7")
	if err != nil {
		panic(err)
	}
	go func() {
		c, err := server.Accept()
		if err == nil {
			io.WriteString(c, "hello")
			c.Close()
		}
	}()
	c, err := network.DialContext(context.Background(), "tcp", "10.9.0.1:7")
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(c)
	fmt.Println(string(text), err)
	// Output: hello <nil>
}
