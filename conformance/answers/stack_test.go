package answers

import "net/netip"

// stack is a TCP/IP that is asked: its network side and its program's.
type stack interface {
	// exchange gives it packets, one after the other, and returns all that it
	// sends until it is silent.
	exchange(packets ...[]byte) [][]byte
	listen(at netip.AddrPort) listener
	connect(from, to netip.AddrPort) socket
	openUDP(at netip.AddrPort) datagrams
	// end closes silently what is still open.
	end()
}

type listener interface {
	// accept returns the connection that waits, or nil.
	accept() socket
}

// socket is a TCP connection as its program has it.
type socket interface {
	write(b []byte) bool // reports whether it was taken
	shutdown()           // closes the sending side
	close()
	abort()              // closes with a RST
	state() string       // as the RFC spells it
	read(n int) received // n bytes at most
}

// received is what a program gets when it reads.
type received struct {
	text []byte
	end  string // "open", "EOF", or the error
}

// datagrams is a UDP socket, as far as it matters here.
type datagrams interface {
	received() []datagramFrom // what waits
}

type datagramFrom struct {
	from    netip.AddrPort
	payload []byte
}

// The addresses. The stack that is asked has the first of each pair; who asks
// has many.
var (
	stackV4, stackV6 = netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("fd77::1")
	networkV4        = netip.MustParsePrefix("10.77.0.1/16")
	networkV6        = netip.MustParsePrefix("fd77::1/64")
)

func stackAddr(v6 bool) netip.Addr {
	if v6 {
		return stackV6
	}
	return stackV4
}

// peerAddr returns the address of peer number n, of 250.
func peerAddr(v6 bool, n int) netip.Addr {
	if v6 {
		a := networkV6.Addr().As16()
		a[14], a[15] = 1, byte(n+2)
		return netip.AddrFrom16(a)
	}
	a := networkV4.Addr().As4()
	a[2], a[3] = 1, byte(n+2)
	return netip.AddrFrom4(a)
}
