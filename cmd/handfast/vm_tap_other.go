//go:build !linux

package main

import (
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

func (*machines) openTAP(text, _ string) error {
	return say.Errorf(say.Text{"--listen %s: TAP devices are Linux's; unix: and unixgram: are here too", "--listen %s：只有 Linux 有 TAP 设备；这里可以用 unix: 和 unixgram:"}, text)
}
