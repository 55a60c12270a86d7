//go:build !linux

package sandbox

import (
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/link"
)

// Sandbox exists on Linux only.
type Sandbox struct {
	Device link.Link
	Kind   string
}

// Enter does nothing.
func Enter() {}

// Start fails.
func Start([]string, Options) (*Sandbox, error) {
	return nil, say.Errorf(say.Text{"network namespaces are Linux's: run this on Linux, or in a virtual machine with it", "网络命名空间是 Linux 的功能：请在 Linux 上运行，或在装有 Linux 的虚拟机里运行"})
}

// Release does nothing.
func (*Sandbox) Release() error { return nil }

// Wait does nothing.
func (*Sandbox) Wait() (int, error) { return 0, nil }
