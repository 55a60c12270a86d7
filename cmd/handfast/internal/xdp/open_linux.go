package xdp

import (
	"bytes"
	_ "embed"
	"errors"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/link"
)

//go:embed bpf/steer.o
var object []byte

// maxQueues is how many queues a host serves, and the program's map has.
const maxQueues = 256

// Options say which device Open opens, and what for.
type Options struct {
	Name string
	// Addresses are ours: frames for them the kernel does not see. At most 1024.
	Addresses []netip.Addr
	// Generic has the kernel pass frames on behind the driver, also where the driver could.
	Generic bool
}

var (
	needsRights = say.Text{"%s: %w: AF_XDP needs root, outside of any user namespace, or CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW",
		"%s：%w：AF_XDP 需要 root（不在用户命名空间内），或 CAP_BPF、CAP_NET_ADMIN 与 CAP_NET_RAW"}
	noDevice    = say.Text{"%s: %w (ip link shows which there are)", "%s：%w（ip link 列出所有设备）"}
	notEthernet = say.Text{"%s is not an Ethernet device", "%s 不是以太网设备"}
	tooLarge    = say.Text{"%s has an MTU of %d; AF_XDP takes a page for a frame, so %d at most (ip link set %s mtu 1500)",
		"%s 的 MTU 为 %d；AF_XDP 每帧一页，最多 %d（ip link set %s mtu 1500）"}
	hasProgram = say.Text{"%s has an XDP program already (ip link shows it): %w", "%s 已挂有 XDP 程序（ip link 可见）：%w"}
	noXDP      = say.Text{"%s: this kernel has no AF_XDP, which Linux has from 5.9 on with CONFIG_XDP_SOCKETS: %w; --link packet works without",
		"%s：此内核没有 AF_XDP（Linux 5.9 起，CONFIG_XDP_SOCKETS）：%w；可改用 --link packet"}
	queueTaken = say.Text{"%s, queue %d is another program's, with AF_XDP of its own: %w; --link packet works beside it",
		"%s，队列 %d 正被另一个使用 AF_XDP 的程序占用：%w；可改用 --link packet"}
	noSocket = say.Text{"%s, queue %d: %w; --link packet works without AF_XDP", "%s，队列 %d：%w；可改用 --link packet"}
)

// Open opens an Ethernet device in the network namespace of the calling thread: a socket for each of
// its receive queues. An error says what to do about it.
func Open(o Options) (*Device, error) {
	dev, err := netlink.LinkByName(o.Name)
	if err != nil {
		return nil, say.Errorf(noDevice, o.Name, err)
	}
	size, err := frameSize(dev.Attrs())
	if err != nil {
		return nil, err
	}
	d := &Device{watched: make(chan struct{}), attributes: link.Attributes{Name: o.Name, Medium: link.Ethernet, MTU: dev.Attrs().MTU,
		HardwareAddr: link.HardwareAddr(dev.Attrs().HardwareAddr)}}
	if err := d.open(o, dev.Attrs(), size); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// frameSize is how much memory a frame of the device has.
func frameSize(dev *netlink.LinkAttrs) (int, error) {
	if len(dev.HardwareAddr) != 6 || dev.EncapType == "loopback" {
		return 0, say.Errorf(notEthernet, dev.Name)
	}
	for _, size := range []int{2048, 4096} {
		if dev.MTU+l3Start <= size-headroom {
			return size, nil
		}
	}
	return 0, say.Errorf(tooLarge, dev.Name, dev.MTU, 4096-headroom-l3Start, dev.Name)
}

func (d *Device) open(o Options, dev *netlink.LinkAttrs, size int) error {
	if err := d.load(o.Addresses); err != nil {
		return explain(o.Name, err)
	}
	if err := d.attach(o, dev.Index); err != nil {
		return err
	}
	for queue := range min(max(dev.NumRxQueues, 1), maxQueues) {
		err := d.addSocket(queue, dev.Index, size)
		if queue > 0 && errors.Is(err, unix.EINVAL) { // it has made fewer queues than there may be
			break
		}
		switch {
		case errors.Is(err, unix.EBUSY):
			return say.Errorf(queueTaken, o.Name, queue, err)
		case err != nil:
			return say.Errorf(noSocket, o.Name, queue, err)
		}
	}
	d.attributes.Queues = len(d.sockets)
	return d.watch(dev.Index)
}

// load loads the program, and tells it which addresses are ours.
func (d *Device) load(ours []netip.Addr) error {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return err
	}
	if d.program, err = ebpf.NewCollection(spec); err != nil {
		return err
	}
	for _, a := range ours {
		if err := d.program.Maps["ours"].Put(a.As16(), uint8(1)); err != nil {
			return err
		}
	}
	return nil
}

// attach has the driver run the program, or else the kernel behind it. Frames pass to the kernel as
// before until there is a socket.
func (d *Device) attach(o Options, index int) (err error) {
	modes := []bpflink.XDPAttachFlags{bpflink.XDPDriverMode, bpflink.XDPGenericMode}
	if o.Generic {
		modes = modes[1:]
	}
	for _, mode := range modes {
		d.attached, err = bpflink.AttachXDP(bpflink.XDPOptions{Program: d.program.Programs["steer"], Interface: index, Flags: mode})
		switch {
		case err == nil:
			d.native = mode == bpflink.XDPDriverMode
			return nil
		case errors.Is(err, unix.EBUSY), errors.Is(err, unix.EEXIST):
			return say.Errorf(hasProgram, o.Name, err)
		}
	}
	return explain(o.Name, err)
}

// addSocket opens the socket of a queue, and has the program pass frames to it.
func (d *Device) addSocket(queue, index, size int) error {
	s, err := newSocket(d.attributes.Name, size, &d.drops)
	if err != nil {
		return err
	}
	bind := func(fd uintptr) {
		a := unix.SockaddrXDP{Flags: unix.XDP_USE_NEED_WAKEUP, Ifindex: uint32(index), QueueID: uint32(queue)}
		if !d.native {
			a.Flags |= unix.XDP_COPY
		}
		if err = bindWhenFree(int(fd), &a); err == nil {
			err = d.program.Maps["sockets"].Put(uint32(queue), uint32(fd))
		}
	}
	if err = errors.Join(s.conn.Control(bind), err); err != nil {
		return errors.Join(err, s.close())
	}
	d.sockets = append(d.sockets, s)
	return nil
}

// bindWhenFree binds a socket, and waits for up to two seconds for the queue of one that was closed: the kernel gives it back
// a while after close has returned.
func bindWhenFree(fd int, a *unix.SockaddrXDP) (err error) {
	for wait := time.Millisecond; wait <= time.Second; wait *= 2 {
		if err = unix.Bind(fd, a); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(wait)
	}
	return err
}

// explain says what the kernel or the rights do not allow.
func explain(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return say.Errorf(needsRights, name, err)
	}
	return say.Errorf(noXDP, name, err)
}
