// Package kernel reads what this machine's kernel knows of its sockets, as
// inspect.Reports: the TCP and UDP of the present network namespace, by
// sock_diag(7), /proc and netlink. Elsewhere than on Linux it only says so.
package kernel

import (
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// ErrLinuxOnly is what everything fails with elsewhere.
var ErrLinuxOnly = say.Errorf(say.Text{"the kernel's side is known for Linux only", "只有在 Linux 上才能了解内核一侧"})
