//go:build !linux

package main

import (
	"context"
	"errors"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/link"
)

var errLinuxOnly = errors.New("the kernel's side is known for Linux only")

func inside() bool { return false }

func inNamespace() (code int, err error) { return 0, errLinuxOnly }

func newKernelArena(string, *recorder) (*arena, error) { return nil, errLinuxOnly }

func openServeLink(string, prefixes, prefixes) (link.Link, error) { return nil, errLinuxOnly }

func kernelReport() (*inspect.Report, error) { return nil, errLinuxOnly }

func newKernelFlood(string, handfast.Config) (*floodArena, error) { return nil, errLinuxOnly }

func kernelFlood(context.Context, time.Duration) (*inspect.Flood, error) { return nil, errLinuxOnly }
