package answers

import (
	"bytes"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/internal/testnet"
	"golang.org/x/sys/unix"
)

// How long a question to the kernel and a conversation with it may last. It lives in
// real time, so that later its timers may have spoken. The shortest one delays ACKs,
// by 40 ms, but not where its route says so; the next one repeats a SYN-ACK, after a second.
const (
	patience     = 30 * time.Millisecond
	longPatience = 800 * time.Millisecond
)

// kernel is the kernel's TCP/IP of this network namespace.
type kernel struct {
	t       testing.TB
	device  int // the TUN device
	marks   uint32
	started time.Time
	sockets []int
	room    []byte
}

// settings make the kernel answer everything, at once, and say nothing unasked.
// Those that a kernel does not have yet do not matter to it.
var settings = map[string]string{
	"ipv4/icmp_ratemask":                     "0", // no type of error is limited
	"ipv4/icmp_ratelimit":                    "0",
	"ipv4/icmp_msgs_per_sec":                 "1000000",
	"ipv4/icmp_msgs_burst":                   "1000000",
	"ipv6/icmp/ratemask":                     "\n",
	"ipv6/icmp/ratelimit":                    "0",
	"ipv4/tcp_invalid_ratelimit":             "0", // ACKs for what is out of window
	"ipv4/tcp_challenge_ack_limit":           "2147483647",
	"ipv4/tcp_max_tw_buckets":                "1000000",
	"ipv4/tcp_rto_min_us":                    "10000000",
	"ipv4/tcp_fin_timeout":                   "120", // beyond 60 s an orphan in FIN-WAIT-2 is not yet made small
	"ipv4/tcp_rfc1337":                       "1",   // as we: a RST does not end TIME-WAIT
	"ipv4/ipfrag_time":                       "600",
	"ipv6/ip6frag_time":                      "600",
	"ipv4/tcp_early_retrans":                 "0", // no tail loss probe
	"ipv4/tcp_ecn":                           "2",
	"ipv4/ip_local_port_range":               "1024 1025",
	"ipv4/conf/all/rp_filter":                "0",
	"ipv4/conf/default/rp_filter":            "0",
	"ipv6/conf/all/disable_ipv6":             "0",
	"ipv6/conf/default/disable_ipv6":         "0",
	"ipv6/conf/default/accept_ra":            "0",
	"ipv6/conf/default/autoconf":             "0",
	"ipv6/conf/default/addr_gen_mode":        "1", // no link-local address
	"ipv6/conf/default/router_solicitations": "0",
}

func newKernel(t testing.TB) *kernel {
	t.Helper()
	testnet.Need(t)
	for name, value := range settings {
		err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
		if err != nil && !os.IsNotExist(err) {
			t.Skipf("the kernel cannot be made to answer everything: %v", err)
		}
	}
	k := &kernel{t: t, room: make([]byte, 65536)}
	k.open("kernel")
	testnet.MTU(t, "kernel", mtu)
	testnet.NoOffload(t, "kernel")
	testnet.Up(t, "lo")
	testnet.Up(t, "kernel")
	for _, p := range []netip.Prefix{networkV4, networkV6} {
		testnet.Address(t, "kernel", p)
		testnet.Metrics(t, "kernel", p, map[uint16]uint32{unix.RTAX_QUICKACK: 1})
	}
	k.exchange()
	return k
}

func (k *kernel) open(name string) {
	k.t.Helper()
	var err error
	k.device, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		k.t.Skipf("no TUN device: %v", err)
	}
	k.t.Cleanup(func() { unix.Close(k.device) })
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(k.device, unix.TUNSETIFF, request)
	}
	if err != nil {
		k.t.Fatalf("make the TUN device: %v", err)
	}
}

// exchange gives the kernel packets, and behind them an echo request: when that
// is answered the kernel has said all it has to say.
func (k *kernel) exchange(packets ...[]byte) (answers [][]byte) {
	for _, p := range packets {
		k.write(p)
	}
	k.marks++
	mark := echoMark(k.marks)
	k.write(mark)
	for {
		p := k.read()
		switch {
		case isReplyTo(p, mark):
			return answers
		case !isGroupReport(p):
			answers = append(answers, bytes.Clone(p))
		}
	}
}

// write gives the kernel a packet. The device refuses one that is not IP.
func (k *kernel) write(p []byte) {
	if _, err := unix.Write(k.device, p); err != nil && err != unix.EINVAL {
		k.t.Fatalf("write %x: %v", p, err)
	}
}

func (k *kernel) read() []byte {
	for {
		n, err := unix.Read(k.device, k.room)
		switch err {
		case nil:
			return k.room[:n]
		case unix.EAGAIN:
			unix.Poll([]unix.PollFd{{Fd: int32(k.device), Events: unix.POLLIN}}, -1)
		case unix.EINTR:
		default:
			k.t.Fatalf("read: %v", err)
		}
	}
}

// echoMark is an echo request that is unlike all others.
func echoMark(number uint32) []byte {
	ip := ipHeader{src: peerAddr(false, 250), dst: stackV4, protocol: protoICMP, ttl: 64}
	return ip.packet(icmpMessage(ip, 8, 0, number, nil))
}

func isReplyTo(p, mark []byte) bool {
	return len(p) == len(mark) && bytes.Equal(p[16:20], mark[12:16]) && p[20] == 0 && bytes.Equal(p[24:], mark[24:])
}

// isGroupReport reports whether p is what the kernel says of its multicast
// groups (MLDv2), at times of its own choice.
func isGroupReport(p []byte) bool {
	return p[0]>>4 == 6 && p[24] == 0xff && p[6] == 0
}

func (k *kernel) begin() { k.started = time.Now() }

// late reports whether timers of the kernel may have had their say.
func (k *kernel) late() bool { return time.Since(k.started) > patience }

// end closes what is still open; who still has a peer there resets it.
func (k *kernel) end() {
	for _, s := range k.sockets {
		unix.SetsockoptLinger(s, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		unix.Close(s)
	}
	k.sockets = k.sockets[:0]
	k.exchange()
}

// check ends the test when a system call fails that cannot.
func (k *kernel) check(what string, err error) {
	if err != nil {
		k.t.Helper()
		k.t.Fatalf("%s: %v", what, err)
	}
}

// socket makes a socket that is bound.
func (k *kernel) socket(at netip.AddrPort, kind int) int {
	k.t.Helper()
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	s, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	k.check("socket", err)
	k.sockets = append(k.sockets, s)
	unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 1<<20) // room for what programs write
	k.check("reuse address", unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1))
	k.check("bind", unix.Bind(s, sockaddr(at)))
	return s
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
	}
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// stateNames are the RFC's names of the states of linux/tcp_states.h.
var stateNames = []string{1: "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT",
	"CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "SYN-RECEIVED"}
