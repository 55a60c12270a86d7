// Package kernel reads what this machine's kernel knows of its sockets, as
// inspect.Reports: the TCP and UDP of the present network namespace, by
// sock_diag(7), /proc and netlink. Elsewhere than on Linux it only says so.
package kernel

import "errors"

// ErrLinuxOnly is what everything fails with elsewhere.
var ErrLinuxOnly = errors.New("the kernel's side is known for Linux only")
