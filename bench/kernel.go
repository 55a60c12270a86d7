package main

import (
	"net"
	"net/netip"
)

// kernelStack is the kernel's own TCP by way of package net.
type kernelStack struct{ address netip.Addr }

func (k kernelStack) addr() netip.Addr { return k.address }

func (k kernelStack) listen(port uint16) (net.Listener, error) {
	return net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(k.address, port)))
}

func (k kernelStack) dial(to netip.AddrPort) (net.Conn, error) {
	return net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(to))
}

// kernelPeer is the yardstick of the rows in memory: the loopback device, once
// as it is and once without segmentation offload at MTU 1500. It computes no
// checksums in either case.
func kernelPeer() *peer {
	return &peer{
		name: "kernel",
		what: "loopback device; at MTU 1500 without segmentation offload; never checksums",
		attach: map[path]func() (stack, stack, error){
			mem1500: func() (stack, stack, error) { return loopback(1500, false) },
			mem64k:  func() (stack, stack, error) { return loopback(65536, true) },
		},
		privileged: map[path]bool{mem1500: true, mem64k: true},
		objects: map[kind][]string{
			idle:     {"TCP", "sock_inode_cache", "filp", "dentry"},
			halfOpen: {"request_sock_TCP"},
			timeWait: {"tw_sock_TCP"},
		},
		program: "kernel",
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
	k := kernelStack{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	return k, k, readyKernel()
}
