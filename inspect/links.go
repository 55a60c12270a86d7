package inspect

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/handfast-tcp/handfast"
)

// Link is one of the host's links, or a kernel's device.
type Link struct {
	Name      string             `json:"name"`
	Gone      string             `json:"gone,omitempty"` // why it no longer works
	MTU       int                `json:"mtu,omitempty"`
	Flags     string             `json:"flags,omitempty"` // one letter each, as netstat -i has them
	Addresses []netip.Prefix     `json:"addresses,omitempty"`
	Routes    []Route            `json:"routes,omitempty"`
	Groups    map[netip.Addr]int `json:"groups,omitempty"`  // multicast, with how many are in each: netstat's RefCnt
	Packets   *Packets           `json:"packets,omitempty"` // nil: not counted for each link
}

// Packets are what a link has received and sent. Errors and so on are not
// known of ours.
type Packets struct {
	Received uint64    `json:"received"`
	Sent     uint64    `json:"sent"`
	Trouble  *[6]int64 `json:"trouble,omitempty"` // received: errors, dropped, overruns; sent: the same
}

// Route is the way to a network, as the routing table has it. An invalid gateway
// is none.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	Gateway     netip.Addr   `json:"gateway"`
	Flags       string       `json:"flags,omitempty"` // as netstat -r
	Metric      int          `json:"metric"`
	Ref         int          `json:"ref"`
	Use         int          `json:"use"`
	MSS         int          `json:"mss"`
	Window      int          `json:"window"`
	IRTT        int          `json:"irtt"`
}

// links returns what is known of a host's links.
func links(h *handfast.Host, c *handfast.Counters) (all []Link) {
	for _, l := range h.Links() {
		n := Link{Name: l.Name, MTU: l.MTU, Flags: "RU", Addresses: l.Addresses, Routes: routes(&l), Groups: l.Groups}
		if l.Err != nil {
			n.Gone, n.Flags = l.Err.Error(), ""
		}
		all = append(all, n)
	}
	if len(all) == 1 { // then what the host counts is this link's
		all[0].Packets = &Packets{Received: c.IpInReceives, Sent: c.IpOutRequests}
	}
	return all
}

// routes are those to the networks on a link, and those that were added.
func routes(l *handfast.LinkInfo) (all []Route) {
	flag := "U"
	if l.Err != nil {
		flag = "!"
	}
	for _, a := range l.Addresses {
		all = append(all, Route{Destination: a.Masked(), Flags: flag})
	}
	for _, r := range l.Routes {
		n := Route{Destination: r.Destination.Masked(), Gateway: r.Gateway, Flags: flag}
		if r.Gateway.IsValid() {
			n.Flags += "G"
		}
		all = append(all, n)
	}
	for i := range all {
		if d := &all[i]; d.Destination.IsSingleIP() {
			d.Flags += "H"
		}
	}
	return all
}

// WriteInterfaces writes links as netstat -i does. What is not known is a dash.
func WriteInterfaces(w io.Writer, links []Link, o LinkOptions) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, ownerOf(o.Kernel), "Interface table")
	const format = "%-15s %5s %8s %6s %6s %-6s %8s %6s %6s %6s %s\n"
	fmt.Fprintf(out, format, "Iface", "MTU", "RX-OK", "RX-ERR", "RX-DRP", "RX-OVR", "TX-OK", "TX-ERR", "TX-DRP", "TX-OVR", "Flg")
	for i := range links {
		l := &links[i]
		if l.Name == nowhere {
			continue
		}
		if !o.All && (l.Gone != "" || l.Flags != "" && l.Flags[len(l.Flags)-1] != 'U') {
			continue
		}
		cells := l.Packets.cells()
		flags := l.Flags
		if flags == "" {
			flags = "[NO FLAGS]"
		}
		fmt.Fprintf(out, format, l.Name, fmt.Sprint(l.MTU), cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7], flags)
	}
	return out.Flush()
}

func (p *Packets) cells() (c [8]string) {
	for i := range c {
		c[i] = "-"
	}
	if p == nil {
		return c
	}
	c[0], c[4] = fmt.Sprint(p.Received), fmt.Sprint(p.Sent)
	if p.Trouble != nil {
		for i, n := range p.Trouble {
			c[1+i+i/3] = fmt.Sprint(n)
		}
	}
	return c
}

// WriteGroups writes what groups somebody is in on links, as netstat -gn does: those of IPv4, and then those of IPv6; of one
// family, 4 or 6, alone, unless that is 0.
func WriteGroups(w io.Writer, links []Link, family int) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "IPv6/IPv4 Group Memberships\nInterface       RefCnt Group\n--------------- ------ ---------------------")
	for _, bits := range []int{32, 128} {
		if family == 4 && bits != 32 || family == 6 && bits != 128 {
			continue
		}
		for _, l := range links {
			for _, a := range slices.SortedFunc(maps.Keys(l.Groups), netip.Addr.Compare) {
				if a.BitLen() == bits {
					fmt.Fprintf(out, "%-15s %-6d %v\n", l.Name, l.Groups[a], a)
				}
			}
		}
	}
	return out.Flush()
}

// LinkOptions say what WriteRoutes and WriteInterfaces show.
type LinkOptions struct {
	All      bool // -a, of interfaces: what is down, too
	IPv6     bool // the other table
	Extended bool // -e: metric, references and use instead of MSS, window and round trip
	Numeric  bool // -n: 0.0.0.0 instead of default
	Kernel   bool // these are the kernel's
}

// WriteRoutes writes the routing table as netstat -r does.
func WriteRoutes(w io.Writer, links []Link, o LinkOptions) error {
	type row struct {
		Route
		link string
	}
	var all []row
	for _, l := range links {
		for _, r := range l.Routes {
			if r.Destination.Addr().Is6() == o.IPv6 {
				all = append(all, row{r, l.Name})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b row) int { return a.Destination.Bits() - b.Destination.Bits() })
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, o.head())
	for i := range all {
		fmt.Fprintln(out, o.line(&all[i].Route, all[i].link))
	}
	return out.Flush()
}

// ownerOf begins the first line of a table: netstat's says Kernel, which is not true
// of ours. Scripts skip the line.
func ownerOf(kernel bool) string {
	if kernel {
		return "Kernel"
	}
	return "Handfast"
}

func (o *LinkOptions) head() string {
	owner := ownerOf(o.Kernel)
	switch {
	case o.IPv6:
		return owner + " IPv6 routing table\nDestination                    Next Hop                   Flag Met Ref  Use If"
	case o.Extended:
		return owner + " IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface"
	}
	return owner + " IP routing table\nDestination     Gateway         Genmask         Flags   MSS Window  irtt Iface"
}

// nowhere stands for a device where there is none.
const nowhere = "*"

func (o *LinkOptions) line(r *Route, link string) string {
	gateway := r.Gateway
	if o.IPv6 {
		if !gateway.IsValid() {
			gateway = netip.IPv6Unspecified()
		}
		return fmt.Sprintf("%-30s %-26s %-4s %-3d %-1d %6d %s", r.Destination, gateway, r.Flags, r.Metric, r.Ref, r.Use, link)
	}
	if !gateway.IsValid() {
		gateway = netip.IPv4Unspecified()
	}
	destination := r.Destination.Addr().String()
	if r.Destination.Bits() == 0 && !o.Numeric {
		destination = "default"
	}
	by, refused := gateway.String(), strings.HasPrefix(r.Flags, "!")
	if refused { // it goes nowhere, and nothing else is known of it
		by, link = "-", "-"
	}
	cell := func(n int) string {
		if refused {
			return "-"
		}
		return strconv.Itoa(n)
	}
	head := fmt.Sprintf("%-15s %-15s %-15s %-5s", destination, by, netmask(r.Destination.Bits()), r.Flags)
	if o.Extended {
		return fmt.Sprintf("%s %-6d %-2s %7d %s", head, r.Metric, cell(r.Ref), r.Use, link)
	}
	return fmt.Sprintf("%s %5s %-5s %6s %s", head, cell(r.MSS), cell(r.Window), cell(r.IRTT), link)
}

// netmask writes a prefix length as IPv4 once did: 255.255.255.0.
func netmask(bits int) netip.Addr {
	m := ^uint32(0) << (32 - bits)
	return netip.AddrFrom4([4]byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)})
}
