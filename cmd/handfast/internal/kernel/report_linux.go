package kernel

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
)

// Report looks at the TCP and UDP of this network namespace's kernel. owners
// says whether to look for the processes that hold each socket, which means to
// read the open files of all that there are.
func Report(owners bool) (*inspect.Report, error) {
	r := &inspect.Report{Header: inspect.Header{Source: "kernel", Time: time.Now(), Counters: Counters()}}
	for _, d := range []dumpRequest{
		{family: unix.AF_INET, protocol: unix.IPPROTO_UDP}, {family: unix.AF_INET6, protocol: unix.IPPROTO_UDP},
		{family: unix.AF_INET, protocol: unix.IPPROTO_TCP}, {family: unix.AF_INET6, protocol: unix.IPPROTO_TCP},
	} {
		d.states = everyState
		rows, err := d.rows()
		// A kernel may be without IPv6, or without udp_diag.
		if err != nil && (d.family == unix.AF_INET && d.protocol == unix.IPPROTO_TCP || !errors.Is(err, unix.ENOENT)) {
			return nil, err
		}
		r.Rows = append(r.Rows, rows...)
	}
	markAutobound(r.Rows)
	fillQueues(r.Rows)
	r.Defence = defence(r.Rows)
	if owners {
		findOwners(r.Rows)
	}
	return r, nil
}

// Guarded looks at the listeners alone that hear one of these addresses, and at how full their queues
// of handshakes are.
func Guarded(at []netip.AddrPort) (*inspect.Report, error) {
	const listen, waiting = 1 << 10, 1<<3 | 1<<12 // SYN_RECV, and NEW_SYN_RECV
	var rows []inspect.Row
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		some, err := dumpRequest{family, unix.IPPROTO_TCP, listen | waiting}.rows()
		if err != nil && family == unix.AF_INET {
			return nil, err
		}
		rows = append(rows, some...)
	}
	fillQueues(rows)
	r := &inspect.Report{Header: inspect.Header{Source: "kernel", Time: time.Now(), Defence: &inspect.Defence{SynAckRetries: sysctl("tcp_synack_retries")}}}
	for i := range rows {
		l := &rows[i]
		if l.Queue == nil || !slices.ContainsFunc(at, func(a netip.AddrPort) bool { return hears(l, a.Addr(), a.Port()) }) {
			continue
		}
		r.Rows = append(r.Rows, *l)
		r.Defence.HalfOpen += l.Queue.Length
		r.Defence.MaxHalfOpen += l.Queue.Limit
	}
	return r, nil
}

// markAutobound marks the rows whose local port the kernel chooses from when a
// program names none.
func markAutobound(rows []inspect.Row) {
	first, last, ok := EphemeralPorts()
	for i := range rows {
		rows[i].Autobound = ok && rows[i].Local.Port >= first && rows[i].Local.Port <= last
	}
}

// EphemeralPorts returns the ports that the kernel chooses from.
func EphemeralPorts() (first, last uint16, ok bool) {
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	words := strings.Fields(string(b))
	if err != nil || len(words) != 2 {
		return 0, 0, false
	}
	from, err := strconv.ParseUint(words[0], 10, 16)
	if err != nil {
		return 0, 0, false
	}
	to, err := strconv.ParseUint(words[1], 10, 16)
	return uint16(from), uint16(to), err == nil
}

// defence is what the kernel's settings say. Its half-open connections wait in
// queues of their listeners, so the limit is that of all of these together.
func defence(rows []inspect.Row) *inspect.Defence {
	d := &inspect.Defence{SynAckRetries: sysctl("tcp_synack_retries")}
	d.Cookies = map[int]string{0: "off", 1: "auto", 2: "always"}[sysctl("tcp_syncookies")]
	d.SendingCookies = d.Cookies == "always"
	for i := range rows {
		switch q := rows[i].Queue; {
		case q != nil:
			d.MaxHalfOpen += q.Limit
		case tcp.State(rows[i].State) == tcp.SynReceived:
			d.HalfOpen++
		}
	}
	return d
}

// fillQueues counts the half-open connections of each listener. A listener's
// backlog is also the limit of these; without cookies no more than three
// quarters of tcp_max_syn_backlog are left to clients that have not proved to be real.
func fillQueues(rows []inspect.Row) {
	limit := int(^uint(0) >> 1)
	if sysctl("tcp_syncookies") == 0 {
		limit = sysctl("tcp_max_syn_backlog") * 3 / 4
	}
	var listeners []*inspect.Row
	for i := range rows {
		if r := &rows[i]; tcp.State(r.State) == tcp.Listen {
			r.Queue = &inspect.Fill{Limit: min(r.SendQ, limit)}
			listeners = append(listeners, r)
		}
	}
	for i := range rows {
		if tcp.State(rows[i].State) != tcp.SynReceived {
			continue
		}
		if l := listenerOf(listeners, &rows[i]); l != nil {
			l.Queue.Length++
		}
	}
}

// listenerOf returns the most specific listener that a half-open connection can
// be of, nil when it has gone.
func listenerOf(listeners []*inspect.Row, r *inspect.Row) (best *inspect.Row) {
	for _, l := range listeners {
		if !hears(l, r.Local.Addr, r.Local.Port) {
			continue
		}
		if best == nil || l.Local.Addr == r.Local.Addr || !best.Local.Addr.IsValid() {
			best = l
		}
	}
	return best
}

// hears reports whether a listener is for an address and a port.
func hears(l *inspect.Row, a netip.Addr, port uint16) bool {
	return l.Local.Port == port && (l.Local.Addr == a || !l.Local.Addr.IsValid() || l.Local.Addr.IsUnspecified() && l.Local.Addr.Is4() == a.Is4())
}

// deviceName returns the name of a device that a socket is bound to.
func deviceName(index int) string {
	if index == 0 {
		return ""
	}
	d, err := net.InterfaceByIndex(index)
	if err != nil {
		return "if" + strconv.Itoa(index) // as iproute2 calls one that is gone
	}
	return d.Name
}
