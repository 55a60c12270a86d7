//go:build !linux

package main

import (
	"context"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/link"
)

func openServeLink(string, prefixes, prefixes, *live.Recorder) (link.Link, error) {
	return nil, kernel.ErrLinuxOnly
}

func (o *runOptions) openTUN() (link.Link, error) { return nil, kernel.ErrLinuxOnly }

func openConnectLink(*live.Recorder) (link.Link, error) { return nil, kernel.ErrLinuxOnly }

func newKernelFlood(string, handfast.Config) (*floodArena, error) { return nil, kernel.ErrLinuxOnly }

func newKernelServer(*floodOptions, string) (*floodArena, error) { return nil, kernel.ErrLinuxOnly }

func guardArena(*floodOptions, handfast.Config) (*floodArena, error) { return nil, kernel.ErrLinuxOnly }

func (*floodOptions) cost(context.Context) error { return kernel.ErrLinuxOnly }

func kernelCounters() map[string]uint64 { return nil }
