package kernelcookie

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

//go:embed bpf/cookie.o
var object []byte

// Options say what is guarded, and how.
type Options struct {
	Device string
	Listen []netip.AddrPort // addresses of this machine
	Always bool             // cookies always, and not in an attack alone
	Shared bool             // other hosts have the same keys
	Hold   time.Duration    // how long an attack lasts at least; 0 is usualHold
}

// usualHold is how long an attack lasts at least: as that of a host of ours.
const usualHold = 15 * time.Second

// Counters are what the programs have counted.
type Counters struct {
	SYNs     uint64 // for what is guarded
	Sent     uint64 // cookies
	Left     uint64 // SYNs for the kernel: there was no attack
	MPTCP    uint64 // SYNs for the kernel: their listener is one of MPTCP
	Received uint64 // cookies that opened a connection
	Failed   uint64 // ACKs for a listener without a good cookie, in an attack: dropped
	Refused  uint64 // good cookies that the kernel did not take
}

// Armed are programs that are attached. They go with the process.
type Armed struct {
	maps     *ebpf.Collection
	links    []link.Link
	settings settings
	slot     uint32
}

// settings are what struct settings of the programs is.
type settings struct {
	Base, Previous, Current, Next [16]byte
	Hold                          uint64
	Epoch                         uint32
	MSS                           [2]uint16
	LinkHeader, Shift             uint8
	SACK, Timestamps, ECN         uint8
	Always, Shared, _             uint8
	First                         place
	_                             uint32
}

// state is what struct state of the programs is: times are of the kernel's monotonic clock.
type state struct{ Sent, Until, Hold, Attacks uint64 }

// place is what struct place of the programs is. Port is in host order.
type place struct {
	Addr [16]byte
	Port uint32
}

func placeOf(a netip.AddrPort) place { return place{Addr: a.Addr().As16(), Port: uint32(a.Port())} }

// Arm loads the programs and attaches them to a device. It says what the kernel or the rights do
// not allow.
func Arm(o Options, keys tcp.CookieKeys) (*Armed, error) {
	dev, err := net.InterfaceByName(o.Device)
	if err != nil {
		return nil, say.Errorf(say.All("%s: %w"), o.Device, err)
	}
	a := &Armed{}
	if a.settings, err = settingsOf(dev, o); err != nil {
		return nil, err
	}
	spec, err := readObject(binary.NativeEndian)
	if err != nil {
		return nil, err
	}
	if a.maps, err = ebpf.NewCollection(spec); err != nil {
		return nil, explain(err)
	}
	if err = a.guard(o.Listen); err == nil {
		err = a.SetKeys(keys)
	}
	for _, program := range []string{"ack", "syn"} { // no cookie is sent that nobody takes
		var l link.Link
		if err == nil {
			l, err = link.AttachTCX(link.TCXOptions{Interface: dev.Index, Program: a.maps.Programs[program], Attach: ebpf.AttachTCXIngress})
		}
		if err == nil {
			a.links = append(a.links, l)
		}
	}
	if err != nil {
		return nil, errors.Join(explain(err), a.Close())
	}
	return a, nil
}

// readObject reads the programs for a machine of this byte order.
func readObject(machine binary.ByteOrder) (*ebpf.CollectionSpec, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err == nil && machine.Uint16([]byte{1, 2}) != spec.ByteOrder.Uint16([]byte{1, 2}) {
		return nil, say.Errorf(needsByteOrder)
	}
	return spec, err
}

// guard names the addresses and ports.
func (a *Armed) guard(listen []netip.AddrPort) error {
	words := map[uint32]uint64{}
	for _, l := range listen {
		if err := a.maps.Maps["places"].Put(placeOf(l), uint8(1)); err != nil {
			return err
		}
		words[uint32(l.Port()/64)] |= 1 << (l.Port() % 64)
	}
	for at, word := range words {
		if err := a.maps.Maps["ports"].Put(at, word); err != nil {
			return err
		}
	}
	return nil
}

// SetKeys sets the keys of cookies, to be called again in each epoch. They change at once: the
// programs never see half of them.
func (a *Armed) SetKeys(k tcp.CookieKeys) error {
	s, next := a.settings, 1-a.slot
	s.Epoch, s.Base, s.Previous, s.Current, s.Next = k.Epoch, k.Base, k.Previous, k.Current, k.Next
	var b bytes.Buffer
	if err := binary.Write(&b, binary.NativeEndian, s); err != nil {
		return err
	}
	if err := a.maps.Maps["slots"].Put(next, b.Bytes()); err != nil {
		return err
	}
	a.slot = next
	return a.maps.Maps["turn"].Put(uint32(0), next)
}

// Counters returns the sum of all processors'.
func (a *Armed) Counters() (sum Counters, err error) {
	var each []Counters
	err = a.maps.Maps["counted"].Lookup(uint32(0), &each)
	for _, c := range each {
		sum.SYNs += c.SYNs
		sum.Sent += c.Sent
		sum.Left += c.Left
		sum.MPTCP += c.MPTCP
		sum.Received += c.Received
		sum.Failed += c.Failed
		sum.Refused += c.Refused
	}
	return sum, err
}

// Attack says whether cookies are sent because of an attack, and how many attacks there were.
func (a *Armed) Attack() (on bool, attacks uint64, err error) {
	s, err := a.state()
	var now unix.Timespec
	if err == nil {
		err = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	}
	return uint64(now.Nano()) < s.Until, s.Attacks, err
}

func (a *Armed) state() (s state, err error) {
	return s, a.maps.Maps["states"].Lookup(uint32(0), &s)
}

// Close detaches the programs: the server is what it was before.
func (a *Armed) Close() error {
	var errs []error
	for _, l := range a.links {
		errs = append(errs, l.Close())
	}
	a.maps.Close()
	return errors.Join(errs...)
}
