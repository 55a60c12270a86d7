package kernelcookie

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// noScaling is in the place of a window scale: the server has none.
const noScaling = 15

// settingsOf reads what the server's kernel agrees to: the programs offer no more than that.
func settingsOf(dev *net.Interface, o Options) (settings, error) {
	var failed error
	read := func(name string) int {
		n, err := sysctl(name)
		failed = errors.Join(failed, err)
		return n
	}
	s := settings{Shift: noScaling, SACK: one(read("ipv4/tcp_sack") != 0), Timestamps: one(read("ipv4/tcp_timestamps") != 0),
		ECN: one(read("ipv4/tcp_ecn") != 0), Always: one(o.Always), Shared: one(o.Shared), Hold: uint64(cmp.Or(o.Hold, usualHold))}
	if len(o.Listen) > 0 {
		s.First = placeOf(o.Listen[0])
	}
	if read("ipv4/tcp_window_scaling") != 0 {
		// As tcp_select_initial_window has it.
		space := max(read("ipv4/tcp_rmem"), read("core/rmem_max"))
		s.Shift = uint8(min(max(bits.Len(uint(space))-16, 0), 14))
	}
	if read("ipv4/tcp_syncookies") == 0 && failed == nil {
		return s, say.Errorf(say.Text{"net.ipv4.tcp_syncookies is 0: the kernel then takes no connection from a cookie, ours neither; set it to 1",
			"net.ipv4.tcp_syncookies 为 0：此时内核不接受任何 cookie 建立的连接，包括我们的；请设为 1"})
	}
	s.MSS = [2]uint16{uint16(min(max(dev.MTU-40, 88), 65495)), uint16(min(max(dev.MTU-60, 1220), 65475))}
	if len(dev.HardwareAddr) > 0 || dev.Flags&net.FlagLoopback != 0 {
		s.LinkHeader = 14
	}
	return s, failed
}

// sysctl returns the last number of a setting of this network namespace.
func sysctl(name string) (int, error) {
	b, err := os.ReadFile("/proc/sys/net/" + name)
	if errors.Is(err, os.ErrNotExist) && strings.HasPrefix(name, "core/") {
		return 0, nil // only the first namespace has it
	}
	words := strings.Fields(string(b))
	if err != nil || len(words) == 0 {
		return 0, errors.Join(err, fmt.Errorf("/proc/sys/net/%s is empty or cannot be read", name))
	}
	return strconv.Atoi(words[len(words)-1])
}

func one(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
