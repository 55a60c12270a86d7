package main

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelStack is the kernel's own TCP by way of package net.
type kernelStack struct {
	address netip.Addr
	control string // congestion control of what is dialled; "" for the namespace's
}

func (k kernelStack) addr() netip.Addr { return k.address }

func (k kernelStack) listen(port uint16) (net.Listener, error) {
	return net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(k.address, port)))
}

func (k kernelStack) dial(to netip.AddrPort) (net.Conn, error) {
	if k.control == "" {
		return net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(to))
	}
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, k.control)
		}), err)
	}}
	return d.Dial("tcp4", to.String())
}

// kernelPeer is the yardstick of the rows in memory: the loopback device, once
// as it is and once without segmentation offload at MTU 1500. It computes no
// checksums in either case.
func kernelPeer() *peer {
	return &peer{
		name: "kernel",
		what: "loopback device; at MTU 1500 without segmentation offload; never checksums; CUBIC over an emulated wire",
		attach: map[path]func() (stack, stack, error){
			mem1500: func() (stack, stack, error) { return loopback(1500, false) },
			mem64k:  func() (stack, stack, error) { return loopback(65536, true) },
		},
		attachWire: kernelWire("cubic"),
		privileged: map[path]bool{mem1500: true, mem64k: true, wirePath: true},
		objects: map[kind][]string{
			idle:     {"TCP", "sock_inode_cache", "filp", "dentry"},
			halfOpen: {"request_sock_TCP"},
			timeWait: {"tw_sock_TCP"},
		},
		program: "kernel",
	}
}

// kernelBBRPeer is the kernel with the other controller that it has.
func kernelBBRPeer() *peer {
	return &peer{
		name: "kernel-bbr", what: "over an emulated wire only, with BBR in place of CUBIC",
		attachWire: kernelWire("bbr"),
		privileged: map[path]bool{wirePath: true},
	}
}

func loopback(mtu int, offload bool) (near, far stack, err error) {
	if err := setDevice("lo", mtu); err != nil {
		return nil, nil, err
	}
	if !offload {
		if err := disableOffloads("lo"); err != nil {
			return nil, nil, err
		}
	}
	k := kernelStack{address: netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	return k, k, readyKernel()
}
