package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// cgroupMount is where cgroups are seen as files, "" when nowhere.
var cgroupMount = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1]
		}
	}
	return ""
})

// handleKernfs is the type of handle that a cgroup's number is.
const handleKernfs = 0xfe

// cgroupPath returns the path of a cgroup below the mount, as ss does; one that
// cannot be found out is unreachable, and has its number.
func cgroupPath(id uint64) string {
	unreachable := fmt.Sprintf("unreachable:%x", id)
	mount := cgroupMount()
	if mount == "" {
		return unreachable
	}
	dir, err := unix.Open(mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return unreachable
	}
	defer unix.Close(dir)
	handle := unix.NewFileHandle(handleKernfs, binary.NativeEndian.AppendUint64(nil, id))
	fd, err := unix.OpenByHandleAt(dir, handle, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return unreachable
	}
	defer unix.Close(fd)
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return unreachable
	}
	if path = strings.TrimPrefix(path, mount); path == "" {
		return "/"
	}
	return path
}
