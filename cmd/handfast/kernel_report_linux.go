package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/tcp"
)

// kernelReport looks at the TCP of this network namespace's kernel.
func kernelReport() (*inspect.Report, error) {
	r := &inspect.Report{Header: inspect.Header{Source: "kernel", Time: time.Now(), Counters: kernelCounters()}}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		rows, err := dumpSockets(family, everySocket)
		if err != nil && !(family == unix.AF_INET6 && errors.Is(err, unix.ENOENT)) {
			return nil, err
		}
		r.Rows = append(r.Rows, rows...)
	}
	r.Defence = kernelDefence(r.Rows)
	return r, nil
}

// The parts of an answer that are asked for: bits of 1<<(INET_DIAG_…-1).
const (
	diagInfo     = 2
	diagCong     = 4
	diagSKMem    = 7
	diagWanted   = 1<<(diagInfo-1) | 1<<(diagCong-1) | 1<<(diagSKMem-1)
	diagMessage  = 72 // size of struct inet_diag_msg
	neverReached = 0xffff
)

// everySocket is the set of all states.
const everySocket = 0xffff

// dumpRequest asks for the TCP sockets of a family that are in some states: bits
// by their numbers in tcp_states.h.
type dumpRequest struct {
	family uint8
	states uint32
}

// Len returns the size of struct inet_diag_req_v2 in bytes.
func (dumpRequest) Len() int { return 56 }

// Serialize returns the struct as the kernel reads it.
func (r dumpRequest) Serialize() []byte {
	b := make([]byte, r.Len())
	b[0], b[1], b[2] = r.family, unix.IPPROTO_TCP, diagWanted
	binary.NativeEndian.PutUint32(b[4:], r.states)
	return b
}

func dumpSockets(family uint8, states uint32) ([]inspect.Row, error) {
	req := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	req.AddData(dumpRequest{family, states})
	answers, err := req.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	if err != nil {
		return nil, fmt.Errorf("sock_diag: %w", err)
	}
	rows := make([]inspect.Row, 0, len(answers))
	for _, b := range answers {
		if len(b) >= diagMessage && int(b[1]) < len(linuxStates) {
			rows = append(rows, kernelRow(b))
		}
	}
	return rows, nil
}

// diagTimers are the numbers of idiag_timer.
var diagTimers = [...]string{"", "on", "keepalive", "timewait", "persist"}

// kernelRow reads a struct inet_diag_msg and what follows it.
func kernelRow(b []byte) inspect.Row {
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	count := func(at int) int { return int(min(uint64(u32(at)), math.MaxInt)) }
	r := inspect.Row{Proto: "tcp", State: inspect.State(linuxStates[b[1]]),
		Local:  kernelEnd(b[0], b[8:24], b[4:]),
		Remote: kernelEnd(b[0], b[24:40], b[6:]),
		RecvQ:  count(56), SendQ: count(60), UID: count(64), Inode: u32(68)}
	if b[0] == unix.AF_INET6 {
		r.Proto = "tcp6"
	}
	if timer := int(b[2]); timer > 0 && timer < len(diagTimers) {
		r.Timer, r.Retrans = diagTimers[timer], int(b[3])
		r.Expires = inspect.Seconds(time.Duration(u32(52)) * time.Millisecond)
	}
	attrs, err := nl.ParseRouteAttr(b[diagMessage:])
	if err == nil && tcp.State(r.State) != tcp.TimeWait && tcp.State(r.State) != tcp.SynReceived {
		r.Details = kernelDetails(attrs)
	}
	return r
}

func kernelEnd(family uint8, addr, port []byte) inspect.Endpoint {
	e := inspect.Endpoint{Port: binary.BigEndian.Uint16(port)}
	if family == unix.AF_INET {
		e.Addr = netip.AddrFrom4([4]byte(addr))
	} else {
		e.Addr = netip.AddrFrom16([16]byte(addr)).Unmap()
	}
	return e
}

// kernelDetails reads the parts that follow.
func kernelDetails(attrs []syscall.NetlinkRouteAttr) *inspect.Details {
	d := &inspect.Details{}
	for _, a := range attrs {
		switch a.Attr.Type {
		case diagInfo:
			readTCPInfo(a.Value, d)
		case diagCong:
			d.Congestion = strings.TrimRight(string(a.Value), "\x00")
		case diagSKMem:
			d.Memory = readMemory(a.Value)
		}
	}
	return d
}

// readMemory reads SK_MEMINFO_…, whose order is that of ss.
func readMemory(b []byte) *[9]uint32 {
	if len(b) < 36 {
		return nil
	}
	var m [9]uint32
	for i := range m {
		m[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return &m
}

// readTCPInfo reads a struct tcp_info, of which older kernels know less.
func readTCPInfo(b []byte, d *inspect.Details) {
	full := make([]byte, max(len(b), 240))
	copy(full, b)
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(full[at:]) }
	n := func(at int) int { return int(min(uint64(u32(at)), math.MaxInt)) }
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(full[at:]) }
	micro := func(at int) inspect.Seconds { return inspect.Seconds(time.Duration(u32(at)) * time.Microsecond) }
	milli := func(at int) inspect.Seconds { return inspect.Seconds(time.Duration(u32(at)) * time.Millisecond) }
	for i, name := range [...]string{0: "ts", 1: "sack", 3: "ecn"} {
		if name != "" && full[5]&(1<<i) != 0 {
			d.Options = append(d.Options, name)
		}
	}
	if full[5]&(1<<2) != 0 {
		d.Wscale = &[2]int{int(full[6] & 15), int(full[6] >> 4)}
	}
	d.Backoff, d.RTO, d.ATO, d.MSS, d.RcvMSS = int(full[4]), micro(8), micro(12), n(16), n(20)
	d.Unacked, d.Retrans, d.LastSnd, d.LastRcv, d.LastAck = n(24), n(36), milli(44), milli(52), milli(56)
	d.PMTU, d.RTT, d.RTTVar, d.Cwnd, d.AdvMSS = n(60), micro(68), micro(72), n(80), n(84)
	if s := n(76); s < neverReached {
		d.Ssthresh = s
	}
	d.RcvSpace, d.TotalRetrans, d.BytesAcked, d.BytesReceived = n(96), u32(100), u64(120), u64(128)
	d.SegsOut, d.SegsIn, d.NotSent, d.MinRTT = u32(136), u32(140), n(144), micro(148)
	d.DataSegsIn, d.DataSegsOut, d.BytesSent, d.BytesRetrans = u32(152), u32(156), u64(200), u64(208)
	d.SndWnd, d.RcvWnd, d.AppLimited = n(228), n(232), full[7]&1 != 0
}

// kernelCounters reads the counters, by group and name.
func kernelCounters() map[string]map[string]uint64 {
	groups := map[string]map[string]uint64{}
	for _, file := range []string{"/proc/net/snmp", "/proc/net/netstat"} {
		readCounters(file, groups)
	}
	return groups
}

// readCounters reads pairs of lines: names, and numbers.
func readCounters(file string, groups map[string]map[string]uint64) {
	f, err := os.Open(file)
	if err != nil {
		return // without /proc there are no counters
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		names := strings.Fields(lines.Text())
		if !lines.Scan() {
			return
		}
		numbers := strings.Fields(lines.Text())
		if len(names) != len(numbers) || len(names) == 0 {
			continue
		}
		group := map[string]uint64{}
		for i, name := range names[1:] {
			n, err := strconv.ParseInt(numbers[i+1], 10, 64) // MaxConn is -1
			if err == nil && n >= 0 {
				group[name] = uint64(n)
			}
		}
		groups[strings.TrimSuffix(names[0], ":")] = group
	}
}

// kernelDefence is what the kernel's settings say.
func kernelDefence(rows []inspect.Row) *inspect.Defence {
	d := &inspect.Defence{MaxHalfOpen: sysctl("tcp_max_syn_backlog"), SynAckRetries: sysctl("tcp_synack_retries")}
	d.Cookies = map[int]string{0: "off", 1: "auto", 2: "always"}[sysctl("tcp_syncookies")]
	d.SendingCookies = d.Cookies == "always"
	for i := range rows {
		if tcp.State(rows[i].State) == tcp.SynReceived {
			d.HalfOpen++
		}
	}
	return d
}

func sysctl(name string) int {
	b, err := os.ReadFile("/proc/sys/net/ipv4/" + name)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	return n
}
