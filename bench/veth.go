package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// kernelVethPeer is the kernel's TCP between two network namespaces.
func kernelVethPeer() *peer {
	return &peer{
		name: "kernel-veth",
		what: "veth between two namespaces; at MTU 1500 all offloads off, checksums computed; else all on",
		attach: map[path]func() (stack, stack, error){
			mem1500: func() (stack, stack, error) { return vethPair(false) },
			mem64k:  func() (stack, stack, error) { return vethPair(true) },
		},
		privileged: map[path]bool{mem1500: true, mem64k: true},
	}
}

const (
	nearVeth = "hfveth0"
	farVeth  = "hfveth1"
)

// vethPair makes a second namespace beside the present one, and a cable
// between the two. The far end listens in the second one.
func vethPair(offload bool) (near, far stack, err error) {
	other := newSpace()
	err = other.do(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		other.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if err := makeVeth(nearVeth, farVeth, other.file); err != nil {
		return nil, nil, err
	}
	if err := plugVeth(nearVeth, nearAddr, offload); err != nil {
		return nil, nil, err
	}
	if err := other.do(func() error { return plugVeth(farVeth, farAddr, offload) }); err != nil {
		return nil, nil, err
	}
	return kernelStack{address: nearAddr}, spaceStack{kernelStack{address: farAddr}, other}, readyKernel()
}

// plugVeth readies one end, in the namespace that it is in.
func plugVeth(name string, a netip.Addr, offload bool) error {
	if !offload {
		if err := disableAll(name); err != nil {
			return err
		}
	}
	if err := setAddress(name, netip.PrefixFrom(a, prefixBits)); err != nil {
		return err
	}
	return setDevice(name, 1500)
}

// space is a thread of its own in another network namespace.
type space struct {
	file *os.File // names the namespace
	jobs chan func()
}

func newSpace() *space {
	s := &space{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

// do calls f in the namespace.
func (s *space) do(f func() error) error {
	done := make(chan error)
	s.jobs <- func() { done <- f() }
	return <-done
}

// spaceStack is a kernelStack whose sockets are made in a namespace.
type spaceStack struct {
	kernelStack
	space *space
}

func (s spaceStack) listen(port uint16) (l net.Listener, err error) {
	err = s.space.do(func() (err error) {
		l, err = s.kernelStack.listen(port)
		return err
	})
	return l, err
}

func (s spaceStack) dial(to netip.AddrPort) (c net.Conn, err error) {
	err = s.space.do(func() (err error) {
		c, err = s.kernelStack.dial(to)
		return err
	})
	return c, err
}

// vethInfoPeer is VETH_INFO_PEER of linux/veth.h.
const vethInfoPeer = 1

// makeVeth asks the kernel for a veth pair, its second end in another
// namespace: RTM_NEWLINK, see rtnetlink(7).
func makeVeth(name, peerName string, space *os.File) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, vethRequest(name, peerName, space.Fd()), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError("sendto", err)
	}
	answer := make([]byte, os.Getpagesize())
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return os.NewSyscallError("recvfrom", err)
	}
	if n < unix.NLMSG_HDRLEN+4 {
		return errors.New("veth: short answer")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.NLMSG_HDRLEN:])); code != 0 {
		return fmt.Errorf("make veth: %w", unix.Errno(-code))
	}
	return nil
}

func vethRequest(name, peerName string, space uintptr) []byte {
	var fd [4]byte
	binary.NativeEndian.PutUint32(fd[:], uint32(space))
	ifinfo := make([]byte, unix.SizeofIfInfomsg)
	peer := appendAttr(ifinfo, unix.IFLA_IFNAME, append([]byte(peerName), 0))
	peer = appendAttr(peer, unix.IFLA_NET_NS_FD, fd[:])
	info := appendAttr(nil, unix.IFLA_INFO_KIND, []byte("veth"))
	info = appendAttr(info, unix.IFLA_INFO_DATA, appendAttr(nil, vethInfoPeer, peer))

	m := make([]byte, unix.NLMSG_HDRLEN+unix.SizeofIfInfomsg)
	m = appendAttr(m, unix.IFLA_IFNAME, append([]byte(name), 0))
	m = appendAttr(m, unix.IFLA_LINKINFO, info)
	ne := binary.NativeEndian
	ne.PutUint32(m[0:], uint32(len(m)))
	ne.PutUint16(m[4:], unix.RTM_NEWLINK)
	ne.PutUint16(m[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	return m
}

// appendAttr appends a netlink attribute, padded to four bytes.
func appendAttr(b []byte, kind uint16, value []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofRtAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.RTA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
