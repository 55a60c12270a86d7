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

// openConnectLink makes a TUN with the kernel at its other end, whose sockets'
// states r is told.
func openConnectLink(r *live.Recorder) (link.Link, error) {
	for _, p := range append(connectKernelAddrs[:2:2], connectAddrs...) {
		if err := stage.Overlaps(p); err != nil {
			return nil, err
		}
	}
	d, err := tun.Open(tun.Options{Name: "hfc%d"})
	if errors.Is(err, fs.ErrPermission) {
		return nil, errors.Join(err, say.Errorf(say.Text{"this needs root: sudo handfast connect; or a network of your own: unshare -Urn", "这需要 root：sudo handfast connect；或使用自己的网络：unshare -Urn"}))
	}
	if err != nil {
		return nil, err
	}
	if err := stage.Configure(d.Attributes().Name, connectKernelAddrs); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	r.Peer = stage.KernelName[r.Lang]
	return &live.Watched{Link: d, Recorder: r, State: kernel.State}, nil
}
