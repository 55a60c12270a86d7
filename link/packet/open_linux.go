package packet

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/internal/netdev"
	"github.com/handfast-tcp/handfast/link/offload"
)

// socketBuffer is how many bytes may wait in the kernel in each direction of a
// socket. A super-segment counts with all its memory, so that the usual 200 KiB
// would be three of them.
const socketBuffer = 16 << 20

// Options say which device Open opens.
type Options struct {
	// Name is the device's name.
	Name string
	// HardwareAddr is the address that frames for us carry, and our address in the host's
	// ARP; the default is the device's own.
	HardwareAddr link.HardwareAddr
	// Queues is how many sockets to open, 1 to 256; default 1. The kernel spreads flows
	// over them.
	Queues int
	// MTU is the largest IP packet in bytes, 68 to 65535; the default is the device's.
	MTU int
}

// Open opens an Ethernet device in the network namespace of the calling
// thread. An error says what to do about it and wraps the kernel's.
func Open(o Options) (*Device, error) {
	if err := netdev.CheckOptions("packet", o.Queues, o.MTU); err != nil {
		return nil, err
	}
	device, err := net.InterfaceByName(o.Name)
	if err != nil {
		return nil, fmt.Errorf("packet: no device %q in this network namespace (ip link shows which there are): %w", o.Name, err)
	}
	if len(device.HardwareAddr) != 6 || device.Flags&net.FlagLoopback != 0 {
		return nil, fmt.Errorf("packet: %s is not an Ethernet device", o.Name)
	}
	d, a := &Device{}, attributes(o, device)
	netdev.Describe(&d.Device, a, device.Index)
	// Frames to any other address the card passes on only when it was asked to.
	ours := a.HardwareAddr != link.HardwareAddr(device.HardwareAddr)
	if err := d.openQueues(a.Queues, ours); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// FromFile makes a device of an open packet socket that Open has set up, such as
// another process passes: it may lie in another network namespace. Name,
// HardwareAddr and MTU of o must be given, because a socket does not tell them. The
// file stays the caller's.
func FromFile(f *os.File, o Options) (*Device, error) {
	if err := netdev.CheckOptions("packet", 0, o.MTU); err != nil {
		return nil, err
	}
	if o.MTU == 0 || o.HardwareAddr == (link.HardwareAddr{}) {
		return nil, errors.New("packet: Options.MTU and HardwareAddr say what the device's are: a file does not tell them")
	}
	fd, err := netdev.Duplicate(f)
	if err != nil {
		return nil, fmt.Errorf("packet: %w", err)
	}
	address, err := unix.Getsockname(fd)
	bound, ok := address.(*unix.SockaddrLinklayer)
	if err != nil || !ok || bound.Ifindex <= 0 {
		unix.Close(fd)
		return nil, fmt.Errorf("packet: %s is not a packet socket that is bound to a device", f.Name())
	}
	d := &Device{}
	netdev.Describe(&d.Device, attributes(o, &net.Interface{}), bound.Ifindex)
	q, err := newQueue(d, fd)
	if err != nil {
		return nil, fmt.Errorf("packet: %w", err)
	}
	d.queues = append(d.queues, q)
	return d, nil
}

func attributes(o Options, device *net.Interface) link.Attributes {
	a := link.Attributes{
		Name:            o.Name,
		Medium:          link.Ethernet,
		MTU:             o.MTU,
		HardwareAddr:    o.HardwareAddr,
		Queues:          max(o.Queues, 1),
		MaxGSO:          offload.MaxSegment,
		ChecksumOffload: true,
	}
	if a.MTU == 0 {
		a.MTU = device.MTU
	}
	if a.HardwareAddr == (link.HardwareAddr{}) {
		a.HardwareAddr = link.HardwareAddr(device.HardwareAddr)
	}
	return a
}

func (d *Device) openQueues(count int, ownAddress bool) error {
	group := 0
	for i := range count {
		fd, err := d.openSocket(ownAddress)
		if err != nil {
			return err
		}
		q, err := newQueue(d, fd)
		if err != nil {
			return fmt.Errorf("packet: %w", err)
		}
		d.queues = append(d.queues, q)
		if count == 1 { // it gets all, without a group
			break
		}
		if group, err = join(fd, group, i == 0); err != nil {
			return fmt.Errorf("packet: spread %s over %d sockets (one works without): %w", d.Name(), count, err)
		}
	}
	return nil
}

// join puts the socket into the fanout group, or first makes one with a number
// that is free.
func join(fd, group int, first bool) (int, error) {
	value := group | unix.PACKET_FANOUT_HASH<<16
	if first {
		value = (unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_UNIQUEID) << 16
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, value); err != nil {
		return 0, err
	}
	value, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
	return value & 0xffff, err
}

// openSocket returns a socket that is bound to the device.
func (d *Device) openSocket(ownAddress bool) (int, error) {
	// Protocol 0: it receives nothing before it is bound.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, fs.ErrPermission) {
		return -1, fmt.Errorf("packet: opening %s needs CAP_NET_RAW: run as root, or in a namespace of your own (unshare -Urn): %w", d.Name(), err)
	}
	if err != nil {
		return -1, fmt.Errorf("packet: this kernel has no packet sockets: %w", err)
	}
	if err := d.setup(fd, ownAddress); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("packet: open %s: %w", d.Name(), err)
	}
	return fd, nil
}

func (d *Device) setup(fd int, ownAddress bool) error {
	setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	setBuffer(fd, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return os.NewSyscallError("PACKET_VNET_HDR", err)
	}
	// The filter refuses our own frames too; this is only cheaper, and new in 4.20.
	unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	// Before bind: no frame of anybody else's comes in between.
	if err := setFilter(fd, d.Attributes().HardwareAddr); err != nil {
		return os.NewSyscallError("SO_ATTACH_FILTER", err)
	}
	all := unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: d.Index()}
	if err := unix.Bind(fd, &all); err != nil {
		return os.NewSyscallError("bind", err)
	}
	return d.joinAddresses(fd, ownAddress)
}

// setBuffer sets a socket buffer as large as the kernel allows. A smaller one is
// slower, nothing worse.
func setBuffer(fd, privileged, ordinary int) {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, privileged, socketBuffer) != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, ordinary, socketBuffer)
	}
}

// joinAddresses makes the device take frames to an address that is not its own,
// and to all multicast addresses, which neighbour discovery needs.
func (d *Device) joinAddresses(fd int, ownAddress bool) error {
	m := unix.PacketMreq{Ifindex: int32(d.Index()), Type: unix.PACKET_MR_ALLMULTI}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
		return os.NewSyscallError("PACKET_MR_ALLMULTI", err)
	}
	if !ownAddress {
		return nil
	}
	m.Type, m.Alen = unix.PACKET_MR_UNICAST, 6
	ours := d.Attributes().HardwareAddr
	copy(m.Address[:], ours[:])
	err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m)
	return os.NewSyscallError("PACKET_MR_UNICAST", err)
}
