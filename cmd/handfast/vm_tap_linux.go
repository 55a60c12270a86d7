package main

import (
	"errors"
	"io/fs"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link/tun"
)

// openTAP makes a TAP device a machine.
func (m *machines) openTAP(text, name string) error {
	d, err := tun.Open(tun.Options{Name: name, Ethernet: true, NoOffload: true})
	if errors.Is(err, fs.ErrPermission) {
		return say.Errorf(say.Text{"--listen %s: %w\n  the other kinds need no root", "--listen %s：%w\n  其他种类不需要 root"}, text, err)
	}
	if err != nil {
		return say.Errorf(say.All("--listen %s: %w"), text, err)
	}
	if err := stage.Configure(d.Name(), nil); err != nil {
		return errors.Join(say.Errorf(say.All("--listen %s: %w"), text, err), d.Close())
	}
	m.running.Go(func() { m.serve(text, d) })
	return nil
}
