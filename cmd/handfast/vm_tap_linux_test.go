package main

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"testing"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link/tun"
)

// By a TAP the kernel itself is a machine of the network.
func TestVMOnTAP(t *testing.T) {
	d, err := tun.Open(tun.Options{Name: "hfvm0", Ethernet: true})
	if err != nil {
		t.Skip(err)
	}
	d.Close()
	file := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	url := "http://192.168.127.1:" + oneFile(t, file) + "/"
	v := startVM(t, "--listen", "tap:hfvm0")
	if err := stage.Configure("hfvm0", []netip.Prefix{netip.MustParsePrefix("192.168.127.50/24")}); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(answer.Body); err != nil || !bytes.Equal(got, file) {
		t.Errorf("%d bytes of %d came, %v", len(got), len(file), err)
	}
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	v.interrupt()
}
