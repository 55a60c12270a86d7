package kernel

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/inspect"
)

// Links returns the devices, by name, with their addresses and the routes that
// lead there. Routes that lead nowhere are those of a device "*".
func Links() ([]inspect.Link, error) {
	devices, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list the devices: %w", err)
	}
	routes := map[string][]inspect.Route{}
	readLines("/proc/net/route", 1, func(words []string) { readRoute(words, routes) })
	readLines("/proc/net/ipv6_route", 0, func(words []string) { readRoute6(words, routes) })
	groups := groupsOf()
	var all []inspect.Link
	for _, d := range devices {
		a := d.Attrs()
		l := inspect.Link{Name: a.Name, MTU: a.MTU, Flags: deviceFlags(a.RawFlags), Packets: packets(a.Statistics),
			Addresses: addresses(d), Routes: routes[a.Name], Groups: groups[a.Name]}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b inspect.Link) int { return strings.Compare(a.Name, b.Name) })
	if lost := routes["*"]; len(lost) > 0 {
		all = append(all, inspect.Link{Name: "*", Routes: lost})
	}
	return all, nil
}

// groupsOf returns the groups that somebody is in, by device: /proc/net/igmp has a line for each device and then one for each
// of its groups, in hexadecimal and the machine's byte order; /proc/net/igmp6 has a line for each group.
func groupsOf() map[string]map[netip.Addr]int {
	all, device := map[string]map[netip.Addr]int{}, ""
	add := func(device string, a netip.Addr, members string) {
		if all[device] == nil {
			all[device] = map[netip.Addr]int{}
		}
		all[device][a], _ = strconv.Atoi(members)
	}
	readLines("/proc/net/igmp", 1, func(words []string) {
		if len(words) < 2 {
			return
		}
		n, err := strconv.ParseUint(words[0], 16, 32)
		if len(words[0]) != 8 || err != nil { // a device, with its number
			device = strings.TrimSuffix(words[1], ":")
			return
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(n))
		add(device, netip.AddrFrom4(b), words[1])
	})
	readLines("/proc/net/igmp6", 0, func(words []string) {
		if len(words) < 4 {
			return
		}
		b, err := hex.DecodeString(words[2])
		if a, ok := netip.AddrFromSlice(b); ok && err == nil {
			add(words[1], a, words[3])
		}
	})
	return all
}

func addresses(d netlink.Link) (all []netip.Prefix) {
	list, err := netlink.AddrList(d, netlink.FAMILY_ALL)
	if err != nil {
		return nil // the device has gone meanwhile
	}
	for _, a := range list {
		ip, ok := netip.AddrFromSlice(a.IP)
		ones, _ := a.Mask.Size()
		if ok {
			all = append(all, netip.PrefixFrom(ip.Unmap(), ones))
		}
	}
	return all
}

// packets are the columns of netstat -i, which counts missed frames among those dropped.
func packets(s *netlink.LinkStatistics) *inspect.Packets {
	if s == nil {
		return nil
	}
	return &inspect.Packets{Received: s.RxPackets, Sent: s.TxPackets, Trouble: &[6]int64{
		int64(s.RxErrors), int64(s.RxDropped + s.RxMissedErrors), int64(s.RxFifoErrors),
		int64(s.TxErrors), int64(s.TxDropped), int64(s.TxFifoErrors)}}
}

// deviceFlags writes flags as netstat -i does.
func deviceFlags(flags uint32) string {
	text := ""
	for _, f := range []struct {
		bit    uint32
		letter string
	}{
		{unix.IFF_ALLMULTI, "A"}, {unix.IFF_BROADCAST, "B"}, {unix.IFF_DEBUG, "D"}, {unix.IFF_LOOPBACK, "L"}, {unix.IFF_MULTICAST, "M"},
		{unix.IFF_PROMISC, "P"}, {unix.IFF_NOTRAILERS, "N"}, {unix.IFF_NOARP, "O"}, {unix.IFF_POINTOPOINT, "P"}, {unix.IFF_SLAVE, "s"},
		{unix.IFF_MASTER, "m"}, {unix.IFF_RUNNING, "R"}, {unix.IFF_UP, "U"},
	} {
		if flags&f.bit != 0 {
			text += f.letter
		}
	}
	return text
}

// readLines calls f with the words of each line of a file but the first ones.
func readLines(file string, skip int, f func(words []string)) {
	b, err := os.ReadFile(file)
	if err != nil {
		return // a kernel may be without IPv6, or without /proc
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		if n++; n > skip {
			f(strings.Fields(line))
		}
	}
}

// The flags of a route, of linux/route.h and linux/ipv6_route.h, and what
// netstat calls them.
var routeFlags = []struct {
	bit    uint64
	letter string
}{{0x0004, "H"}, {0x0008, "R"}, {0x0010, "D"}, {0x0020, "M"}}

const (
	routeUp, routeGateway, routeReject = 0x0001, 0x0002, 0x0200
	route6Default, route6Addrconf      = 0x00010000, 0x00040000
	route6Cache, route6Nonexthop       = 0x01000000, 0x00200000
)

// flagText writes a route's flags in netstat's order, which differs between the families.
func flagText(flags uint64, v6 bool) string {
	text := ""
	switch {
	case flags&routeReject != 0:
		text = "!"
	case flags&routeUp != 0:
		text = "U"
	}
	if flags&routeGateway != 0 {
		text += "G"
	}
	for _, f := range routeFlags {
		if flags&f.bit != 0 {
			text += f.letter
		}
	}
	for _, f := range []struct {
		bit    uint64
		letter string
	}{{route6Default, "D"}, {route6Addrconf, "A"}, {route6Cache, "C"}, {route6Nonexthop, "n"}} {
		if v6 && flags&f.bit != 0 {
			text += f.letter
		}
	}
	return text
}

// readRoute reads a line of /proc/net/route: Iface Destination Gateway Flags
// RefCnt Use Metric Mask MTU Window IRTT; addresses in the machine's order.
func readRoute(w []string, into map[string][]inspect.Route) {
	if len(w) < 11 {
		return
	}
	address := func(s string) netip.Addr {
		n, _ := strconv.ParseUint(s, 16, 32) // the kernel's own: valid
		return netip.AddrFrom4([4]byte(binary.NativeEndian.AppendUint32(nil, uint32(n))))
	}
	mask := address(w[7]).As4()
	flags, _ := strconv.ParseUint(w[3], 16, 32)
	r := inspect.Route{Destination: netip.PrefixFrom(address(w[1]), bits.OnesCount32(binary.BigEndian.Uint32(mask[:]))),
		Flags: flagText(flags, false), Ref: number(w[4]), Use: number(w[5]), Metric: number(w[6]),
		MSS: number(w[8]), Window: number(w[9]), IRTT: number(w[10])}
	if g := address(w[2]); !g.IsUnspecified() {
		r.Gateway = g
	}
	into[w[0]] = append(into[w[0]], r)
}

// readRoute6 reads a line of /proc/net/ipv6_route: destination and its length,
// source and its length, next hop, metric, references, use, flags, device.
func readRoute6(w []string, into map[string][]inspect.Route) {
	if len(w) < 10 {
		return
	}
	address := func(s string) netip.Addr {
		b, _ := hex.DecodeString(s) // the kernel's own: valid
		a, _ := netip.AddrFromSlice(b)
		return a
	}
	hex32 := func(s string) uint64 {
		n, _ := strconv.ParseUint(s, 16, 32)
		return n
	}
	r := inspect.Route{Destination: netip.PrefixFrom(address(w[0]), int(hex32(w[1]))), Flags: flagText(hex32(w[8]), true),
		Metric: int(int32(hex32(w[5]))), Ref: int(hex32(w[6])), Use: int(hex32(w[7]))}
	if g := address(w[4]); g.IsValid() && !g.IsUnspecified() {
		r.Gateway = g
	}
	into[w[9]] = append(into[w[9]], r)
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // the kernel's own: valid
	return n
}
