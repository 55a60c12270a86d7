package main

import (
	"errors"
	"io/fs"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/tun"
)

// openServeLink makes the TUN device and gives the kernel's side its addresses. r,
// if any, is told the states of the kernel's sockets.
func openServeLink(name string, ours, kernels prefixes, r *live.Recorder) (link.Link, error) {
	for _, p := range append(kernels[:len(kernels):len(kernels)], ours...) {
		if err := stage.Overlaps(p); err != nil {
			return nil, err
		}
	}
	d, err := tun.Open(tun.Options{Name: name})
	if errors.Is(err, fs.ErrPermission) {
		return nil, say.Errorf(say.Text{"%w\n  serve makes a device, which needs root: sudo handfast serve; serve --link memory, try and flood do without", "%w\n  serve 要建立设备，需要 root：sudo handfast serve；serve --link memory、try 和 flood 不需要"}, err)
	}
	if err != nil {
		return nil, err
	}
	if err := stage.Configure(d.Attributes().Name, kernels); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if r == nil {
		return d, nil
	}
	r.Peer = stage.KernelName[r.Lang]
	return &live.Watched{Link: d, Recorder: r, State: kernel.State}, nil
}
