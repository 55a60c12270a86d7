package xdp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// rawWire is the far end of a cable, frame by frame.
type rawWire struct {
	t        *testing.T
	fd       int
	hardware net.HardwareAddr
}

func rawAt(t *testing.T, name string) *rawWire {
	t.Helper()
	dev, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	arp := binary.NativeEndian.Uint16([]byte{8, 6})
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(arp))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: arp, Ifindex: dev.Index}); err != nil {
		t.Fatal(err)
	}
	return &rawWire{t, fd, dev.HardwareAddr}
}

// ask asks all who has an address (RFC 826), in the name of a stranger.
func (w *rawWire) ask(target netip.Addr) {
	f := append([]byte{255, 255, 255, 255, 255, 255}, w.hardware...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(append(f, w.hardware...), 10, 77, 0, 77)
	f = append(append(f, 0, 0, 0, 0, 0, 0), target.AsSlice()...)
	if _, err := unix.Write(w.fd, f); err != nil {
		w.t.Fatal(err)
	}
}

// answer returns who answers first.
func (w *rawWire) answer() netip.Addr {
	frame := make([]byte, 1500)
	for {
		n, err := unix.Read(w.fd, frame)
		if err != nil {
			w.t.Fatal(err)
		}
		if n >= 42 && frame[21] == 2 {
			a, _ := netip.AddrFromSlice(frame[28:32])
			return a
		}
	}
}

// arpTarget returns whom an ARP frame asks for.
func arpTarget(frame []byte) (netip.Addr, bool) {
	if len(frame) < 42 || frame[12] != 8 || frame[13] != 6 {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(frame[38:42])
}
