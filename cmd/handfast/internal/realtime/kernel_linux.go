package realtime

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// Kernel is the kernel's TCP in a network namespace of its own, for one script. The process
// must be allowed to make one.
type Kernel struct {
	space   *stage.Space
	tun     *os.File
	began   time.Time
	machine drill.Machine

	packets chan drill.Happening
	calls   chan drill.Happening

	mu      sync.Mutex
	sockets map[int64]int // descriptors, by what the script calls them
}

// New makes a namespace.
func New() (*Kernel, error) {
	space, err := stage.NewSpace()
	if err != nil {
		return nil, err
	}
	return &Kernel{space: space, sockets: map[int64]int{}, packets: make(chan drill.Happening, 4096), calls: make(chan drill.Happening, 1)}, nil
}

// Close ends all that the script has begun.
func (k *Kernel) Close() {
	k.mu.Lock()
	for _, fd := range k.sockets {
		unix.Shutdown(fd, unix.SHUT_RDWR) // who waits in a call comes back
		unix.Close(fd)
	}
	k.mu.Unlock()
	if k.tun != nil {
		k.tun.Close()
	}
	k.space.Close()
}

// usual are the settings that a script finds: packetdrill's, and Linux's own.
var usual = []script.Setting{
	{Name: "net.ipv4.tcp_congestion_control", Value: "cubic"}, {Name: "net.ipv4.tcp_rmem", Value: "4096 131072 6291456"},
	{Name: "net.ipv4.tcp_wmem", Value: "4096 16384 4194304"}, {Name: "net.ipv4.tcp_no_metrics_save", Value: "1"},
	{Name: "net.ipv4.tcp_fastopen", Value: "0"},
}

// Boot makes the device, with its addresses and routes, and takes the settings.
func (k *Kernel) Boot(m drill.Machine) error {
	k.machine = m
	err := k.space.Do(func() error {
		for _, s := range usual {
			set(s) // a kernel may lack one of them
		}
		for _, s := range m.Sysctls {
			if err := set(s); err != nil {
				return say.Errorf(say.Text{"the kernel does not take %s=%s: %w", "内核不接受 %s=%s：%w"}, s.Name, s.Value, err)
			}
		}
		return k.makeDevice()
	})
	if err != nil {
		return err
	}
	k.began = time.Now()
	go k.read()
	return nil
}

// set writes one sysctl of the namespace.
func set(s script.Setting) error {
	name := s.Name
	if !strings.HasPrefix(name, "net.") {
		name = "net.ipv4." + name
	}
	return os.WriteFile(filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/")), []byte(s.Value), 0o644)
}

const deviceName = "tun0"

func (k *Kernel) makeDevice() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("/dev/net/tun: %w", err)
	}
	r, _ := unix.NewIfreq(deviceName)
	r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		unix.Close(fd)
		return fmt.Errorf("no TUN: %w", err)
	}
	unix.SetNonblock(fd, true)
	k.tun = os.NewFile(uintptr(fd), deviceName)
	l, err := netlink.LinkByName(deviceName)
	if err != nil {
		return err
	}
	// Neither duplicate address detection nor router solicitations: the script's packets are all.
	os.WriteFile("/proc/sys/net/ipv6/conf/"+deviceName+"/accept_dad", []byte("0"), 0o644)
	os.WriteFile("/proc/sys/net/ipv6/conf/"+deviceName+"/router_solicitations", []byte("0"), 0o644)
	bits, everything := 16, "0.0.0.0/0"
	if k.machine.Version == 6 {
		bits, everything = 64, "::/0"
	}
	local := &net.IPNet{IP: k.machine.Local.AsSlice(), Mask: net.CIDRMask(bits, k.machine.Local.BitLen())}
	err = errors.Join(netlink.LinkSetMTU(l, k.machine.MTU), netlink.AddrAdd(l, &netlink.Addr{IPNet: local, Flags: unix.IFA_F_NODAD}),
		netlink.LinkSetUp(l), netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: mustNet(everything)}))
	if err == nil {
		waitForAddress(l)
	}
	return err
}

// waitForAddress waits until the kernel takes what is sent to its address, which for IPv6 is a
// little after the device is up, though nothing is asked of the link.
func waitForAddress(l netlink.Link) {
	for range 100 {
		all, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil || !slices.ContainsFunc(all, func(a netlink.Addr) bool { return a.Flags&unix.IFA_F_TENTATIVE != 0 }) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func mustNet(s string) *net.IPNet {
	p := netip.MustParsePrefix(s)
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// read takes what leaves until the device is closed. More than a script could mean is lost.
func (k *Kernel) read() {
	b := make([]byte, 65536)
	for {
		n, err := k.tun.Read(b)
		if err != nil {
			return
		}
		h := drill.Happening{At: time.Since(k.began), Packet: append([]byte(nil), b[:n]...)}
		select {
		case k.packets <- h:
		default:
		}
	}
}

// Arrive writes a packet to the device.
func (k *Kernel) Arrive(packet []byte) error {
	_, err := k.tun.Write(packet)
	return err
}

// Wait returns what happens next.
func (k *Kernel) Wait(until time.Duration) (drill.Happening, bool) {
	t := time.NewTimer(max(until-time.Since(k.began), 0))
	defer t.Stop()
	select {
	case h := <-k.calls:
		return h, true
	case h := <-k.packets:
		return h, true
	case <-t.C:
	}
	// What was there already comes before the time.
	select {
	case h := <-k.calls:
		return h, true
	case h := <-k.packets:
		return h, true
	default:
		return drill.Happening{}, false
	}
}
