//go:build !linux

package main

import (
	"context"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/link"
)

func (*guardOptions) openTUN() (link.Link, error) { return nil, kernel.ErrLinuxOnly }

func (*guardOptions) openEthernet() (link.Link, []handfast.Route, error) {
	return nil, nil, kernel.ErrLinuxOnly
}

func (*guardOptions) runKernel(context.Context) error { return kernel.ErrLinuxOnly }

func forwards() bool { return true }
