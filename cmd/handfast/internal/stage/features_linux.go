package stage

import (
	"bytes"
	"encoding/binary"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// Of linux/ethtool.h, what package unix does not have.
const (
	featureNames = 4  // ETH_SS_FEATURES
	nameSize     = 32 // ETH_GSTRING_LEN
)

// featureRequest is struct ifreq with a command's bytes as its argument.
type featureRequest struct {
	name [unix.IFNAMSIZ]byte
	data *byte
	_    [16]byte
}

// SwitchOff switches a feature of a device off, by the name that ethtool -k has for it. A
// kernel that does not know it has none to switch off.
func SwitchOff(device, feature string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	index, count, err := featureIndex(fd, device, feature)
	if err != nil || index < 0 {
		return err
	}
	// A bit for each feature: which are meant, and of those which are to be on.
	words := (count + 31) / 32
	command := words32(unix.ETHTOOL_SFEATURES, uint32(words))
	for word := range words {
		meant := uint32(0)
		if word == index/32 {
			meant = 1 << (index % 32)
		}
		command = append(command, words32(meant, 0)...)
	}
	return ethtool(fd, device, command)
}

// featureIndex finds a feature among those that the kernel knows; -1: it is none of them.
func featureIndex(fd int, device, feature string) (index, count int, err error) {
	sizes := words32(unix.ETHTOOL_GSSET_INFO, 0, 0, 0, 0) // command, nothing, which sets, how many names
	binary.NativeEndian.PutUint64(sizes[8:], 1<<featureNames)
	if err := ethtool(fd, device, sizes); err != nil {
		return 0, 0, err
	}
	count = int(binary.NativeEndian.Uint32(sizes[16:]))
	names := append(words32(unix.ETHTOOL_GSTRINGS, featureNames, uint32(count)), make([]byte, count*nameSize)...)
	if err := ethtool(fd, device, names); err != nil {
		return 0, 0, err
	}
	for i := range count {
		if name, _, _ := bytes.Cut(names[12+i*nameSize:][:nameSize], []byte{0}); string(name) == feature {
			return i, count, nil
		}
	}
	return -1, count, nil
}

func words32(all ...uint32) (b []byte) {
	for _, w := range all {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

// ethtool gives a device a command, which the kernel answers in place.
func ethtool(fd int, device string, command []byte) error {
	r := featureRequest{data: &command[0]}
	copy(r.name[:unix.IFNAMSIZ-1], device)
	// The positive result of SFEATURES says what else the kernel has changed.
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r))); e != 0 {
		return say.Errorf(say.Text{"features of %s: %w", "%s 的特性：%w"}, device, Explain(e))
	}
	return nil
}
