package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/inspect"
)

// The parts of an answer, INET_DIAG_… of linux/inet_diag.h.
const (
	diagInfo     = 2
	diagVegas    = 3 // asks for what the congestion control tells
	diagCong     = 4
	diagTOS      = 5
	diagTClass   = 6 // asks for diagClass, too
	diagSKMem    = 7
	diagShutdown = 8
	diagV6Only   = 11
	diagMark     = 15
	diagBBR      = 16
	diagClass    = 17
	diagULP      = 19
	diagCgroup   = 21

	diagWanted = 1<<(diagInfo-1) | 1<<(diagVegas-1) | 1<<(diagCong-1) | 1<<(diagTOS-1) | 1<<(diagTClass-1) | 1<<(diagSKMem-1) | 1<<(diagShutdown-1)
)

const diagMessage = 72 // size of struct inet_diag_msg in bytes

// everyState is the set of all states.
const everyState = 0xffff

// dumpRequest asks for the sockets of a family and a protocol that are in some
// states: bits by their numbers in tcp_states.h.
type dumpRequest struct {
	family, protocol uint8
	states           uint32
}

// Len returns the size of struct inet_diag_req_v2 in bytes.
func (dumpRequest) Len() int { return 56 }

// Serialize returns the struct as the kernel reads it.
func (r dumpRequest) Serialize() []byte {
	b := make([]byte, r.Len())
	b[0], b[1], b[2] = r.family, r.protocol, diagWanted
	binary.NativeEndian.PutUint32(b[4:], r.states)
	return b
}

func (r dumpRequest) rows() ([]inspect.Row, error) {
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	req.AddData(r)
	answers, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	rows := make([]inspect.Row, 0, len(answers))
	// A newer kernel may have states that this does not know: what cannot be named is left out.
	for _, b := range answers {
		if len(b) >= diagMessage && int(b[1]) < len(linuxStates) {
			rows = append(rows, r.row(b))
		}
	}
	return rows, nil
}

// diagTimers are the numbers of idiag_timer.
var diagTimers = [...]string{"", "on", "keepalive", "timewait", "persist"}

// row reads a struct inet_diag_msg and what follows it.
func (r dumpRequest) row(b []byte) inspect.Row {
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	count := func(at int) int { return int(min(uint64(u32(at)), math.MaxInt)) }
	row := inspect.Row{Proto: "tcp", State: inspect.State(linuxStates[b[1]]), Device: deviceName(count(40)),
		Local:  end(b[0], b[8:24], b[4:]),
		Remote: end(b[0], b[24:40], b[6:]),
		RecvQ:  count(56), SendQ: count(60), UID: count(64), Inode: u32(68),
		Socket: &inspect.Socket{Cookie: uint64(u32(48))<<32 | uint64(u32(44))}}
	if r.protocol == unix.IPPROTO_UDP {
		row.Proto = "udp"
	}
	if b[0] == unix.AF_INET6 {
		row.Proto += "6"
	}
	if timer := int(b[2]); timer > 0 && timer < len(diagTimers) {
		row.Timer, row.Retrans = diagTimers[timer], int(b[3])
		row.Expires = inspect.Seconds(time.Duration(u32(52)) * time.Millisecond)
	}
	if attrs, err := nl.ParseRouteAttr(b[diagMessage:]); err == nil {
		readAttributes(&row, attrs)
	}
	row.Orphan = row.Inode == 0 && orphanable(tcp.State(row.State))
	everyFamily(&row)
	return row
}

// orphanable reports whether a socket in this state without an inode is one
// whose program has let go of it: not one that has never had one.
func orphanable(s tcp.State) bool {
	return s == tcp.FinWait1 || s == tcp.FinWait2 || s == tcp.Closing || s == tcp.LastAck
}

// everyFamily writes an IPv6 socket on every address that also hears IPv4 as
// ours are: on every address of both families.
func everyFamily(r *inspect.Row) {
	if r.Socket.V6Only != nil && *r.Socket.V6Only || !strings.HasSuffix(r.Proto, "6") {
		return
	}
	for _, e := range []*inspect.Endpoint{&r.Local, &r.Remote} {
		if e.Addr == netip.IPv6Unspecified() {
			e.Addr = netip.Addr{}
		}
	}
}

// end reads one end. Ports and addresses are in the order of the network, all else in the
// machine's.
func end(family uint8, addr, port []byte) inspect.Endpoint {
	e := inspect.Endpoint{Port: binary.BigEndian.Uint16(port)}
	if family == unix.AF_INET {
		e.Addr = netip.AddrFrom4([4]byte(addr))
	} else {
		e.Addr = netip.AddrFrom16([16]byte(addr))
	}
	return e
}

// readAttributes reads the parts that follow.
func readAttributes(r *inspect.Row, attrs []syscall.NetlinkRouteAttr) {
	d := inspect.Details{}
	for _, a := range attrs {
		v := a.Value
		switch {
		case a.Attr.Type == diagInfo:
			readTCPInfo(v, &d)
			r.Details = &d
		case a.Attr.Type == diagCong:
			d.Congestion = strings.TrimRight(string(v), "\x00")
		case a.Attr.Type == diagSKMem:
			d.Memory = readMemory(v)
			r.Details = &d
		case a.Attr.Type == diagBBR && len(v) >= 20:
			d.BBR = readBBR(v)
		case a.Attr.Type == diagULP:
			d.ULP = upperProtocol(v)
		default:
			readSocket(r.Socket, a.Attr.Type, v)
		}
	}
	if r.Details != nil && tcp.State(r.State) == tcp.Listen {
		d.Sacked = 0 // of a listener it is the backlog
	}
}

// readSocket reads a part that tells of the socket itself.
func readSocket(s *inspect.Socket, kind uint16, v []byte) {
	switch {
	case kind == diagTOS && len(v) > 0:
		s.TOS = &v[0]
	case kind == diagTClass && len(v) > 0:
		s.TClass = &v[0]
	case kind == diagClass && len(v) >= 4:
		class := binary.NativeEndian.Uint32(v)
		s.Class = &class
	case kind == diagShutdown && len(v) > 0:
		s.Shutdown = &v[0]
	case kind == diagV6Only && len(v) > 0:
		only := v[0] != 0
		s.V6Only = &only
	case kind == diagMark && len(v) >= 4:
		s.Mark = binary.NativeEndian.Uint32(v)
	case kind == diagCgroup && len(v) >= 8:
		s.Cgroup = cgroupPath(binary.NativeEndian.Uint64(v))
	}
}

// upperProtocol reads the name of what works on top of TCP: tls, mptcp.
func upperProtocol(b []byte) string {
	const name = 1
	attrs, err := nl.ParseRouteAttr(b)
	if err != nil {
		return ""
	}
	for _, a := range attrs {
		if a.Attr.Type == name {
			return strings.TrimRight(string(a.Value), "\x00")
		}
	}
	return ""
}
