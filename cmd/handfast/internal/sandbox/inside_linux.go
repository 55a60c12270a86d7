package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/packet"
	"github.com/handfast-tcp/handfast/link/tun"
)

// channelFD is where the inside finds its socket.
const channelFD = 3

// Enter makes this process the first one inside, if Start has started it; then it
// does not return.
func Enter() {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	os.Unsetenv(variable)
	runtime.LockOSThread() // capabilities, and who ends with whom, are the thread's
	unix.CloseOnExec(channelFD)
	// What Start has asked for was the first thread's, and this may be another one. If
	// handfast has ended before, the channel tells.
	err := os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0))
	var o orders
	if err == nil {
		err = json.Unmarshal([]byte(text), &o)
	}
	if err == nil {
		err = o.begin()
	}
	reply, _ := json.Marshal(found{Error: err.Error()})
	unix.Write(channelFD, reply)
	os.Exit(1)
}

// begin makes the device, passes it, and starts the program when it may.
func (o *orders) begin() error {
	f, what, err := o.device()
	if err != nil {
		return err
	}
	if err = o.configure(what.Kind); err == nil {
		err = o.mounts()
	}
	if err != nil {
		return err
	}
	allowPing()
	allowPorts()
	text, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if err := unix.Sendmsg(channelFD, text, unix.UnixRights(int(f.Fd())), nil, 0); err != nil {
		return os.NewSyscallError("sendmsg", err)
	}
	if n, err := unix.Read(channelFD, make([]byte, 1)); n != 1 {
		os.Exit(1) // who waits for us has gone: it says why, err is nothing
	} else if err != nil {
		return os.NewSyscallError("read", err)
	}
	if err := giveUpRights(); err != nil {
		return err
	}
	os.Exit(o.runProgram())
	return nil
}

// giveUpRights makes the program what it would be outside: an ordinary user's has no
// capabilities, and inherits none.
func giveUpRights() error {
	if os.Geteuid() == 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	var none [2]unix.CapUserData
	return os.NewSyscallError("capset", unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0]))
}

// device makes the first device that works.
func (o *Options) device() (f *os.File, what found, err error) {
	var failed []error
	if o.Link != "packet" {
		d, err := tun.Open(tun.Options{Name: deviceName, MTU: o.MTU, NoOffload: o.Plain})
		if err == nil {
			f, err = d.File(0)
			return f, found{Kind: "tun", Name: deviceName}, err
		}
		failed = append(failed, err)
	}
	if o.Link != "tun" {
		d, err := o.veth()
		if err == nil {
			f, err = d.File(0)
			return f, found{Kind: "packet", Name: behindName, HardwareAddr: d.Attributes().HardwareAddr}, err
		}
		failed = append(failed, err)
	}
	return nil, what, errors.Join(failed...)
}

// gatewayHardware is where our host is on the veth pair.
var gatewayHardware = link.HardwareAddr{0x02, 'h', 'f', 'g', 'w', 1}

// veth makes a veth pair, of which the program has one end. The other one carries an
// address of its own, since the kernel must not answer for it.
func (o *Options) veth() (*packet.Device, error) {
	attributes := netlink.NewLinkAttrs()
	attributes.Name, attributes.MTU = deviceName, o.MTU
	pair := &netlink.Veth{LinkAttrs: attributes, PeerName: behindName}
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, say.Errorf(say.Text{"make a veth pair: %w", "建立 veth 对：%w"}, stage.Explain(err))
	}
	// Without this the kernel would ask for routers behind its own back.
	os.WriteFile("/proc/sys/net/ipv6/conf/"+behindName+"/disable_ipv6", []byte("1"), 0)
	behind, err := netlink.LinkByName(behindName)
	if err == nil {
		// What stands for several datagrams, as QUIC sends it, does not come through a packet
		// socket: the kernel shall take it apart. One that cannot switch this off works without.
		stage.SwitchOff(deviceName, "tx-udp-segmentation")
		err = netlink.LinkSetMTU(behind, o.MTU)
	}
	if err == nil {
		err = netlink.LinkSetUp(behind)
	}
	if err != nil {
		return nil, say.Errorf(say.All("%s: %w"), behindName, stage.Explain(err))
	}
	return packet.Open(packet.Options{Name: behindName, HardwareAddr: gatewayHardware})
}

// configure gives the device its addresses and routes. All that the program sends comes
// to us, by a veth pair as by a TUN: no other address is on its link.
func (o *Options) configure(kind string) error {
	if lo, err := netlink.LinkByName("lo"); err == nil {
		netlink.LinkSetUp(lo)
	}
	dev, err := netlink.LinkByName(deviceName)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMTU(dev, o.MTU); err != nil {
		return say.Errorf(say.Text{"MTU %d: %w", "MTU %d：%w"}, o.MTU, stage.Explain(err))
	}
	// On a bad network each packet has a fate of its own, so that the kernel may give us none
	// that stands for several.
	if o.Plain && kind == "packet" {
		if err := netlink.LinkSetGSOMaxSegs(dev, 1); err != nil {
			return say.Errorf(say.Text{"plain packets: %w", "普通报文：%w"}, stage.Explain(err))
		}
	}
	for i, p := range o.Addrs {
		err := stage.Configure(deviceName, []netip.Prefix{netip.PrefixFrom(p.Addr(), p.Addr().BitLen())})
		if err == nil {
			err = o.route(dev, o.Gateways[i], kind)
		}
		if err != nil && p.Addr().Is4() { // a kernel without IPv6 is no reason to give up
			return err
		}
	}
	return nil
}

// route sends everything to us. A TUN has no neighbours, and so no gateway.
func (o *Options) route(dev netlink.Link, gateway netip.Addr, kind string) error {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gateway.Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	_, dst, err := net.ParseCIDR(all.String())
	if err != nil {
		return err
	}
	r := &netlink.Route{LinkIndex: dev.Attrs().Index, Dst: dst}
	if kind == "packet" {
		r.Gw, r.Flags = gateway.AsSlice(), int(netlink.FLAG_ONLINK)
		err = knowGateway(dev, r.Gw)
	}
	if err == nil {
		err = netlink.RouteAdd(r)
	}
	if err != nil {
		return say.Errorf(say.Text{"default route: %w", "默认路由：%w"}, stage.Explain(err))
	}
	return nil
}

// knowGateway tells the kernel where the gateway is. If it had to ask, a connection would
// fail when we do not get our turn within three seconds, on a busy machine.
func knowGateway(dev netlink.Link, gateway net.IP) error {
	return netlink.NeighSet(&netlink.Neigh{
		LinkIndex: dev.Attrs().Index, IP: gateway, HardwareAddr: gatewayHardware[:], State: netlink.NUD_PERMANENT,
	})
}

// mounts are what the program sees elsewhere than outside. As a slave first: what is mounted
// here must not appear outside.
func (o *Options) mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return say.Errorf(say.Text{"mounts of its own: %w", "独立的挂载：%w"}, err)
	}
	// Where this is not allowed, in some containers, the old one is still there, which
	// knows the program by other numbers.
	unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	return o.nameServer()
}

// nameServer lays a file over /etc/resolv.conf. The settings of the system's that are
// not about servers stay.
func (o *Options) nameServer() error {
	if !o.DNS.IsValid() {
		return nil
	}
	path, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil {
		return nil // programs look for a server on this machine then, where none is
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	f, err := os.CreateTemp("", "handfast-resolv")
	if err != nil {
		return err
	}
	// Its name may go at once: the mount holds the file. Anybody may read it, as the one below,
	// and not its maker alone, as CreateTemp has it.
	defer os.Remove(f.Name())
	defer f.Close()
	f.Chmod(0o644)
	fmt.Fprintf(f, "nameserver %v\n", o.DNS)
	for line := range strings.Lines(string(old)) {
		if word, _, _ := strings.Cut(strings.TrimSpace(line), " "); word == "search" || word == "domain" || word == "options" {
			fmt.Fprintf(f, "%s\n", strings.TrimSpace(line))
		}
	}
	if err := unix.Mount(f.Name(), path, "", unix.MS_BIND, ""); err != nil {
		return say.Errorf(say.Text{"%s of its own: %w", "独立的 %s：%w"}, path, err)
	}
	return nil
}

// allowPing lets the program's group open ping sockets, where the kernel has them.
func allowPing() {
	os.WriteFile("/proc/sys/net/ipv4/ping_group_range", fmt.Appendf(nil, "%d %[1]d", os.Getegid()), 0)
}

// allowPorts lets the program listen on any port of this network, which is its own: what
// comes to port 8080 outside may be for port 80 here.
func allowPorts() {
	os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
}
