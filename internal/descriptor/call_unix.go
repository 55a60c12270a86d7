//go:build unix

package descriptor

import "syscall"

// Works says that there are Read and Write.
const Works = true

// Read reads from a descriptor that does not block.
func Read(fd uintptr, p []byte) (int, error) { return again(syscall.Read, fd, p) }

// Write writes to a descriptor that does not block.
func Write(fd uintptr, p []byte) (int, error) { return again(syscall.Write, fd, p) }

// again makes a call that a signal may interrupt.
func again(call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		if n, err := call(int(fd), p); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
