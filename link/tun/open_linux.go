package tun

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/internal/netdev"
	"github.com/handfast-tcp/handfast/link/offload"
)

// ipv6Header is not counted in the length field of IPv6, so that a packet may
// be this much longer than 65535.
const ipv6Header = 40

// Options say which device Open opens. The zero value lets the kernel choose a
// name and uses one queue with offload.
type Options struct {
	// Name is the device's name, of at most 15 bytes. It is made if it does not
	// exist. "hf%d" takes the first free number; empty is "tun%d".
	Name string
	// Queues is how many queues to open, 1 to 256; default 1. A device that
	// exists already and has only one gives only one.
	Queues int
	// MTU is the largest IP packet in bytes, 68 to 65535; default is what the device has now.
	// Open does not set it.
	MTU int
	// NoOffload asks for plain packets.
	NoOffload bool
	// Ethernet makes it a TAP device, which carries Ethernet frames.
	Ethernet bool
	// HardwareAddr is the address of a host that is attached to a TAP device; the
	// device's own, which the kernel's side has, is another one. Default
	// 02:68:66:00:00:01. A bridge does not need it.
	HardwareAddr link.HardwareAddr
}

// Open opens a TUN device, in the network namespace of the calling thread. An
// error says what to do about it, and wraps the kernel's: fs.ErrNotExist,
// unix.EPERM, unix.EBUSY and so on.
func Open(o Options) (*Device, error) {
	if len(o.Name) >= unix.IFNAMSIZ {
		return nil, fmt.Errorf("tun: name %q is longer than %d bytes", o.Name, unix.IFNAMSIZ-1)
	}
	if err := netdev.CheckOptions("tun", o.Queues, o.MTU); err != nil {
		return nil, err
	}
	o.Queues = max(o.Queues, 1)
	fd, flags, name, err := openFirst(o)
	if err != nil {
		return nil, err
	}
	d := newDevice(flags, o)
	if err := d.setup(o, fd, flags, name); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// FromFile makes a device of an open file that is attached to one already, such as
// another process passes: it may lie in another network namespace. Of o it takes
// MTU, which must be given, because only the device's own namespace knows it. The
// file stays the caller's.
func FromFile(f *os.File, o Options) (*Device, error) {
	if err := netdev.CheckOptions("tun", 0, o.MTU); err != nil {
		return nil, err
	}
	if o.MTU == 0 {
		return nil, errors.New("tun: Options.MTU is 0: say what the device's is, a file does not tell it")
	}
	fd, err := netdev.Duplicate(f)
	if err != nil {
		return nil, fmt.Errorf("tun: %w", err)
	}
	req, err := unix.NewIfreq("")
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.TUNGETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tun: %s is not attached to a TUN device: %w", f.Name(), err)
	}
	d := newDevice(req.Uint16(), o)
	if err := d.addQueue(fd); err != nil {
		return nil, err
	}
	if d.vnet {
		err = acceptOffload(fd)
	}
	netdev.Describe(&d.Device, d.attributes(req.Name(), o.MTU), 0)
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// newDevice describes what was opened. The first byte of the address says that it was
// chosen here, and is no card's: locally administered.
func newDevice(flags uint16, o Options) *Device {
	d := &Device{vnet: flags&unix.IFF_VNET_HDR != 0, address: cmp.Or(o.HardwareAddr, link.HardwareAddr{2, 'h', 'f', 0, 0, 1})}
	if flags&unix.IFF_TAP != 0 {
		d.l3 = wire.EthernetSize
	}
	return d
}

// setup makes the device complete. It owns fd.
func (d *Device) setup(o Options, fd int, flags uint16, name string) error {
	if err := d.addQueue(fd); err != nil {
		return err
	}
	if d.vnet {
		if err := acceptOffload(fd); err != nil {
			return err
		}
	}
	if flags&unix.IFF_MULTI_QUEUE != 0 {
		if err := d.openMore(o.Queues-1, name, flags); err != nil {
			return err
		}
	}
	a := d.attributes(name, o.MTU)
	index, err := ask(&a)
	netdev.Describe(&d.Device, a, index)
	return err
}

func (d *Device) attributes(name string, mtu int) link.Attributes {
	a := link.Attributes{Name: name, Medium: link.IP, MTU: mtu, Queues: len(d.queues)}
	if d.l3 > 0 {
		a.Medium, a.HardwareAddr = link.Ethernet, d.address
	}
	if d.vnet {
		a.MaxGSO, a.ChecksumOffload = offload.MaxSegment, true
	}
	return a
}

// openMore opens further queues of a device that allows several.
func (d *Device) openMore(count int, name string, flags uint16) error {
	for range count {
		fd, err := openControl()
		if err != nil {
			return err
		}
		if _, err := attach(fd, name, flags); err != nil {
			unix.Close(fd)
			return explain(name, err)
		}
		if err := d.addQueue(fd); err != nil {
			return err
		}
	}
	return nil
}

func (d *Device) addQueue(fd int) error {
	q, err := newQueue(d, fd)
	if err != nil {
		return fmt.Errorf("tun: %w", err)
	}
	d.queues = append(d.queues, q)
	return nil
}

// ask asks the kernel for the device's number and, unless it is given, the MTU.
func ask(a *link.Attributes) (index int, err error) {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("tun: %w", err)
	}
	defer unix.Close(s)
	req, err := unix.NewIfreq(a.Name)
	if err == nil {
		err = unix.IoctlIfreq(s, unix.SIOCGIFINDEX, req)
	}
	if err != nil {
		return 0, fmt.Errorf("tun: number of %s: %w", a.Name, err)
	}
	index = int(req.Uint32())
	if a.MTU != 0 {
		return index, nil
	}
	if err := unix.IoctlIfreq(s, unix.SIOCGIFMTU, req); err != nil {
		return 0, fmt.Errorf("tun: MTU of %s: %w", a.Name, err)
	}
	a.MTU = int(req.Uint32())
	return index, nil
}

// openFirst opens the first queue in the best way that the kernel allows.
func openFirst(o Options) (fd int, flags uint16, name string, err error) {
	fd, err = openControl()
	if err != nil {
		return -1, 0, "", err
	}
	for _, flags = range modes(fd, o) {
		name, err = attach(fd, o.Name, flags)
		if err == nil {
			return fd, flags, name, nil
		}
		if !errors.Is(err, unix.EINVAL) {
			break
		}
	}
	unix.Close(fd)
	return -1, 0, "", explain(o.Name, err)
}

// modes lists the flags to try, best first. Whether a device has several queues
// was settled when it was made, so both are tried.
func modes(fd int, o Options) []uint16 {
	features, _ := unix.IoctlGetUint32(fd, unix.TUNGETFEATURES) // 0 when not known
	plain := unix.IFF_TUN | unix.IFF_NO_PI
	if o.Ethernet {
		plain = unix.IFF_TAP | unix.IFF_NO_PI
	}
	single, several := uint16(plain), uint16(plain|unix.IFF_MULTI_QUEUE)
	order := []uint16{single, several}
	if o.Queues > 1 {
		order = []uint16{several, single}
	}
	if o.NoOffload || features&unix.IFF_VNET_HDR == 0 {
		return order
	}
	return []uint16{order[0] | unix.IFF_VNET_HDR, order[1] | unix.IFF_VNET_HDR, order[0], order[1]}
}

// openControl opens /dev/net/tun, not blocking.
func openControl() (int, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, explainOpen(err)
	}
	return fd, nil
}

// attach makes fd a queue of the device called name, which it makes if need be.
func attach(fd int, name string, flags uint16) (string, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return "", err
	}
	req.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return "", err
	}
	return req.Name(), nil
}

// acceptOffload tells the kernel how long the header is that we speak, and what
// we take: the most that it knows. A kernel that knows none of it gives us
// small packets with full checksums, in the same format.
func acceptOffload(fd int) error {
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, offload.HeaderSize); err != nil {
		return fmt.Errorf("tun: set the length of the virtio-net header (NoOffload does without): %w", err)
	}
	// Without TSO_ECN the kernel cuts up itself what has CWR.
	const tso = unix.TUN_F_CSUM | unix.TUN_F_TSO4 | unix.TUN_F_TSO6
	for _, wanted := range []int{tso | unix.TUN_F_TSO_ECN, tso, unix.TUN_F_CSUM} {
		if unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, wanted) == nil {
			break
		}
	}
	return nil
}
