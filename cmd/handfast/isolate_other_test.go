//go:build !linux

package main

import (
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
)

func isolateTests() (code int, err error) { return 0, kernel.ErrLinuxOnly }

func raiseLoopback() error { return nil }
