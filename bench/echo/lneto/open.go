package main

import (
	"os"
	"syscall"
	"unsafe"
)

// open makes the TAP device.
func open(device string) (*os.File, error) {
	fd, err := syscall.Open("/dev/net/tun", syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_TAP | syscall.IFF_NO_PI}
	copy(request.name[:], device)
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request))); e != 0 {
		return nil, e
	}
	return os.NewFile(uintptr(fd), device), nil
}
