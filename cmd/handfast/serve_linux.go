package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

// openServeLink makes the TUN device and gives the kernel's side its addresses.
func openServeLink(name string, ours, kernels prefixes) (link.Link, error) {
	for _, p := range append(kernels[:len(kernels):len(kernels)], ours...) {
		if err := overlaps(p); err != nil {
			return nil, err
		}
	}
	d, err := tun.Open(tun.Options{Name: name})
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w\n  serve makes a device, which needs root: sudo handfast serve; try and flood do without", err)
	}
	if err != nil {
		return nil, err
	}
	if err := configureKernel(d.Attributes().Name, kernels); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
