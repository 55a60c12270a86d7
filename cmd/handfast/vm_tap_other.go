//go:build !linux

package main

import "fmt"

func (*machines) openTAP(text, _ string) error {
	return fmt.Errorf("--listen %s: TAP devices are Linux's; unix: and unixgram: are here too", text)
}
