package main

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ownNamespace makes a child process start in a network namespace of its own,
// by way of a user namespace when we are not root.
func ownNamespace(a *syscall.SysProcAttr) {
	a.Cloneflags |= syscall.CLONE_NEWNET
	if os.Geteuid() == 0 {
		return
	}
	a.Cloneflags |= syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
}

// withSocket calls f with a socket that device requests may be made on.
func withSocket(f func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	defer unix.Close(fd)
	return f(fd)
}

// request makes one device request; set fills in its argument.
func request(fd int, device string, req uint, what string, set func(*unix.Ifreq) error) error {
	r, err := unix.NewIfreq(device)
	if err == nil {
		err = set(r)
	}
	if err == nil {
		err = unix.IoctlIfreq(fd, req, r)
	}
	if err != nil {
		return fmt.Errorf("set %s of %s: %w", what, device, err)
	}
	return nil
}

// setDevice sets the MTU of a device and brings it up.
func setDevice(name string, mtu int) error {
	return withSocket(func(fd int) error {
		err := request(fd, name, unix.SIOCSIFMTU, "MTU", func(r *unix.Ifreq) error {
			r.SetUint32(uint32(mtu))
			return nil
		})
		if err != nil {
			return err
		}
		return request(fd, name, unix.SIOCSIFFLAGS, "flags", func(r *unix.Ifreq) error {
			r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
			return nil
		})
	})
}

// setAddress gives a device an IPv4 address.
func setAddress(name string, p netip.Prefix) error {
	var mask [4]byte
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	a := p.Addr().As4()
	return withSocket(func(fd int) error {
		err := request(fd, name, unix.SIOCSIFADDR, "address", func(r *unix.Ifreq) error { return r.SetInet4Addr(a[:]) })
		if err != nil {
			return err
		}
		return request(fd, name, unix.SIOCSIFNETMASK, "mask", func(r *unix.Ifreq) error { return r.SetInet4Addr(mask[:]) })
	})
}

// ethtoolRequest is struct ifreq with a pointer to struct ethtool_value of
// linux/ethtool.h as its argument: a command and a value.
type ethtoolRequest struct {
	name [unix.IFNAMSIZ]byte
	data *[2]uint32
	_    [16]byte
}

// Commands of linux/ethtool.h that package unix does not have.
const (
	ethtoolSetRxCsum = 0x15
	ethtoolSetTxCsum = 0x17
	ethtoolSetSG     = 0x19
	ethtoolSetTSO    = 0x1f
	ethtoolSetGSO    = 0x24
	ethtoolSetGRO    = 0x2c
)

// disableOffloads makes a device carry only packets that fit its MTU.
func disableOffloads(name string) error {
	return switchOff(name, ethtoolSetTSO, ethtoolSetGSO, ethtoolSetGRO)
}

// disableAll also makes the stack compute and verify every checksum.
func disableAll(name string) error {
	return switchOff(name, ethtoolSetTSO, ethtoolSetGSO, ethtoolSetGRO, ethtoolSetTxCsum, ethtoolSetRxCsum, ethtoolSetSG)
}

func switchOff(name string, features ...uint32) error {
	return withSocket(func(fd int) error {
		for _, cmd := range features {
			r := ethtoolRequest{data: &[2]uint32{cmd, 0}}
			copy(r.name[:], name)
			_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r)))
			if e != 0 {
				return fmt.Errorf("ethtool command %#x on %s: %w", cmd, name, e)
			}
		}
		return nil
	})
}

// readyKernel makes the kernel's TCP in this namespace the same on all machines.
// It may dial often: all ports, used again at once. It controls congestion by
// Reno, as we do and as any namespace may choose: a default of BBR keeps some
// megabytes in the send buffer of each socket, out of all caches.
func readyKernel() error {
	for name, value := range map[string]string{
		"ip_local_port_range":    "1024 65535",
		"tcp_tw_reuse":           "1",
		"tcp_congestion_control": "reno",
	} {
		if err := os.WriteFile("/proc/sys/net/ipv4/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("ready the kernel's TCP: %w", err)
		}
	}
	return nil
}

// openTUN makes the TUN device; flags are added to IFF_TUN and IFF_NO_PI.
func openTUN(flags uint16) (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	r, err := unix.NewIfreq(tunName)
	if err == nil {
		r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI | flags)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, r)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("make TUN %s: %w", tunName, err)
	}
	return fd, nil
}

// kernelOnTUN readies the kernel's end of the TUN device.
func kernelOnTUN() (stack, error) {
	if err := setAddress(tunName, netip.PrefixFrom(farAddr, prefixBits)); err != nil {
		return nil, err
	}
	if err := setDevice(tunName, 1500); err != nil {
		return nil, err
	}
	return kernelStack{address: farAddr}, readyKernel()
}
