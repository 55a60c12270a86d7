package testnet

import (
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// message is a netlink request under construction.
// https://docs.kernel.org/userspace-api/netlink/intro.html
type message []byte

func newMessage(kind, flags uint16, body ...byte) message {
	m := make(message, unix.SizeofNlMsghdr, 256)
	binary.NativeEndian.PutUint16(m[4:], kind)
	binary.NativeEndian.PutUint16(m[6:], flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	return append(m, body...)
}

// attribute appends one attribute, padded to 4 bytes.
func (m message) attribute(kind uint16, value []byte) message {
	m = binary.NativeEndian.AppendUint16(m, uint16(4+len(value)))
	m = binary.NativeEndian.AppendUint16(m, kind)
	m = append(m, value...)
	return append(m, make([]byte, -len(value)&3)...)
}

func (m message) text(kind uint16, s string) message { return m.attribute(kind, append([]byte(s), 0)) }

func (m message) number(kind uint16, v uint32) message {
	return m.attribute(kind, binary.NativeEndian.AppendUint32(nil, v))
}

// nest appends an attribute that is made of attributes.
func (m message) nest(kind uint16, inner message) message { return m.attribute(kind, inner) }

// send asks the kernel and fails the test when it refuses.
func (m message) send(t testing.TB) {
	t.Helper()
	answer := m.ask(t)
	if code := int32(binary.NativeEndian.Uint32(answer)); code != 0 {
		t.Fatalf("netlink: %v", unix.Errno(-code))
	}
}

// ask sends the request and returns the body of the first answer.
func (m message) ask(t testing.TB) []byte {
	t.Helper()
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatalf("netlink: %v", err)
	}
	defer unix.Close(s)
	if err := unix.Sendto(s, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatalf("netlink: %v", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(s, answer, 0)
	if err != nil || n < unix.SizeofNlMsghdr+unix.SizeofRtMsg {
		t.Fatalf("netlink: answer of %d bytes, %v", n, err)
	}
	return answer[unix.SizeofNlMsghdr:n]
}

// linkBody is a struct ifinfomsg.
func linkBody(index int, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg)
	binary.NativeEndian.PutUint32(b[4:], uint32(index))
	binary.NativeEndian.PutUint32(b[8:], flags)
	binary.NativeEndian.PutUint32(b[12:], change)
	return b
}

func index(t testing.TB, name string) int {
	t.Helper()
	device, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return device.Index
}

// Veth makes two Ethernet devices that are connected with each other.
func Veth(t testing.TB, a, b string) {
	t.Helper()
	peer := message(linkBody(0, 0, 0)).text(unix.IFLA_IFNAME, b)
	data := message(nil).nest(1 /* VETH_INFO_PEER */, peer)
	info := message(nil).text(unix.IFLA_INFO_KIND, "veth").nest(unix.IFLA_INFO_DATA, data)
	newMessage(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL, linkBody(0, 0, 0)...).
		text(unix.IFLA_IFNAME, a).nest(unix.IFLA_LINKINFO, info).send(t)
}

// Up brings a device up.
func Up(t testing.TB, name string) {
	t.Helper()
	newMessage(unix.RTM_NEWLINK, 0, linkBody(index(t, name), unix.IFF_UP, unix.IFF_UP)...).send(t)
}

// AwaitRunning waits until the devices pass packets. A veth end whose partner
// came up later drops all that is sent until a worker of the kernel has noticed.
func AwaitRunning(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		for !isRunning(t, name) {
			runtime.Gosched()
		}
	}
}

// isRunning asks for the operational state. The flag IFF_RUNNING would not do:
// it is also set while the state is unknown.
func isRunning(t testing.TB, name string) bool {
	t.Helper()
	answer := newMessage(unix.RTM_GETLINK, 0, linkBody(index(t, name), 0, 0)...).ask(t)
	const ifOperUp = 6
	for rest := answer[unix.SizeofIfInfomsg:]; len(rest) > unix.SizeofRtAttr; {
		size, kind := binary.NativeEndian.Uint16(rest), binary.NativeEndian.Uint16(rest[2:])
		if kind == unix.IFLA_OPERSTATE {
			return rest[unix.SizeofRtAttr] == ifOperUp
		}
		rest = rest[min(int(size+3)&^3, len(rest)):]
	}
	return false
}

// Down brings a device down.
func Down(t testing.TB, name string) {
	t.Helper()
	newMessage(unix.RTM_NEWLINK, 0, linkBody(index(t, name), 0, unix.IFF_UP)...).send(t)
}

// MTU sets the MTU of a device, in bytes.
func MTU(t testing.TB, name string, mtu int) {
	t.Helper()
	newMessage(unix.RTM_NEWLINK, 0, linkBody(index(t, name), 0, 0)...).number(unix.IFLA_MTU, uint32(mtu)).send(t)
}

// NoOffload has the kernel hand a device one segment at a time.
func NoOffload(t testing.TB, name string) {
	t.Helper()
	newMessage(unix.RTM_NEWLINK, 0, linkBody(index(t, name), 0, 0)...).number(unix.IFLA_GSO_MAX_SEGS, 1).send(t)
}

// Queue sets how many packets wait for a device at most.
func Queue(t testing.TB, name string, packets int) {
	t.Helper()
	newMessage(unix.RTM_NEWLINK, 0, linkBody(index(t, name), 0, 0)...).number(unix.IFLA_TXQLEN, uint32(packets)).send(t)
}

// Delete removes a device.
func Delete(t testing.TB, name string) {
	t.Helper()
	newMessage(unix.RTM_DELLINK, 0, linkBody(index(t, name), 0, 0)...).send(t)
}

// Address gives a device an address, which is usable at once.
func Address(t testing.TB, name string, p netip.Prefix) {
	t.Helper()
	family := byte(unix.AF_INET)
	if p.Addr().Is6() {
		family = unix.AF_INET6
	}
	body := []byte{family, byte(p.Bits()), unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE}
	body = binary.NativeEndian.AppendUint32(body, uint32(index(t, name)))
	address := p.Addr().AsSlice()
	newMessage(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body...).
		attribute(unix.IFA_LOCAL, address).attribute(unix.IFA_ADDRESS, address).send(t)
	for !isLocal(t, family, address) {
		runtime.Gosched() // the kernel enters an IPv6 address into its routes later, in a worker
	}
}

// isLocal reports whether the kernel takes packets to address for its own.
func isLocal(t testing.TB, family byte, address []byte) bool {
	t.Helper()
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[1] = family, byte(len(address)*8)
	answer := newMessage(unix.RTM_GETROUTE, 0, body...).attribute(unix.RTA_DST, address).ask(t)
	const typeField = 7 // of struct rtmsg
	return answer[typeField] == unix.RTN_LOCAL
}

// Neighbour tells the kernel the hardware address of a, so that it need not ask.
func Neighbour(t testing.TB, name string, a netip.Addr, hardware [6]byte) {
	t.Helper()
	family := byte(unix.AF_INET)
	if a.Is6() {
		family = unix.AF_INET6
	}
	body := binary.NativeEndian.AppendUint32([]byte{family, 0, 0, 0}, uint32(index(t, name)))
	body = binary.NativeEndian.AppendUint16(body, unix.NUD_PERMANENT)
	body = append(body, 0, 0)
	newMessage(unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, body...).
		attribute(unix.NDA_DST, a.AsSlice()).attribute(unix.NDA_LLADDR, hardware[:]).send(t)
}

// Metrics sets metrics of the route to a network of a device's address, by
// number (unix.RTAX_…).
func Metrics(t testing.TB, name string, p netip.Prefix, metrics map[uint16]uint32) {
	t.Helper()
	body := make([]byte, unix.SizeofRtMsg)
	body[0], body[1], body[4] = unix.AF_INET, byte(p.Bits()), unix.RT_TABLE_MAIN
	if p.Addr().Is6() {
		body[0] = unix.AF_INET6
	}
	body[5], body[6], body[7] = unix.RTPROT_KERNEL, unix.RT_SCOPE_LINK, unix.RTN_UNICAST
	var values message
	for number, value := range metrics {
		values = values.number(number, value)
	}
	m := newMessage(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, body...).
		attribute(unix.RTA_DST, p.Masked().Addr().AsSlice()).
		number(unix.RTA_OIF, uint32(index(t, name))).
		nest(unix.RTA_METRICS, values)
	if p.Addr().Is6() {
		m = m.number(unix.RTA_PRIORITY, 256) // as the kernel gives it to the route that it makes
	} else {
		m = m.attribute(unix.RTA_PREFSRC, p.Addr().AsSlice())
	}
	m.send(t)
}
