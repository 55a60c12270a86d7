package tun

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

// explainOpen says what to do when /dev/net/tun does not open.
func explainOpen(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("tun: no /dev/net/tun here: load the module (modprobe tun), or give the container the device (--device /dev/net/tun): %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("tun: this user may not open /dev/net/tun; root may: %w", err)
	}
	return fmt.Errorf("tun: open /dev/net/tun: %w", err)
}

// explain says what to do when the device name cannot be attached to.
func explain(name string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("tun: making %s needs CAP_NET_ADMIN: run as root, or in a namespace of your own (unshare -Urn): %w", name, err)
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("tun: %s is in use by another program: stop it or choose another name: %w", name, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("tun: %s exists and is not a TUN device, or the name is not valid: choose another name: %w", name, err)
	}
	return fmt.Errorf("tun: attach to %s: %w", name, err)
}
