package host

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Datagram is a UDP datagram that arrived. Who receives it owns Payload's
// reference and gives it back with Payload.Release.
type Datagram struct {
	Src, Dst         wire.Addr
	SrcPort, DstPort uint16
	TTL              uint8 // hop limit that it came with
	Payload          buf.View
}

// UDPSocket is a UDP socket. A connected one hears only its remote end and
// gets ICMP errors.
type UDPSocket struct {
	// Owner is the program's; the host only gives it back.
	Owner any

	tuple     wire.Tuple // Local and Remote are zero when not bound or not connected
	connected bool
	wild      []network // has every port of their addresses; none: has one port
	echo      bool      // of OpenAnyEcho: takes echo requests, no datagrams
	ping      bool      // of OpenPing: is in Host.pings
	open      bool
	homeless  bool // its address is no longer ours
	ready     bool // is in sockets.ready
	shared    bool // of OpenSharedUDP

	also  *UDPSocket // the next one that shares its port
	casts *casts     // what it has to do with groups; nil: nothing out of the usual

	queue   fifo[Datagram]
	bytes   int  // memory that the queue holds
	total   *int // what all queues hold: sockets.bytes
	limit   int
	failure tcp.Failure

	// Where an unconnected socket sent last: no forged ICMP error about another address counts.
	lastAddr wire.Addr
	lastPort uint16
}

// hasEveryPortOf reports whether s is a socket of OpenAnyUDP for a network with a.
func (s *UDPSocket) hasEveryPortOf(a wire.Addr) bool {
	for i := range s.wild {
		if n := &s.wild[i]; n.family == family(a) && n.contains(a) {
			return true
		}
	}
	return false
}

// widest is how many bits the widest network of a socket of OpenAnyUDP has.
func (s *UDPSocket) widest() int { return s.wild[len(s.wild)-1].bits }

// bothFamilies are all addresses, the narrower network first.
var bothFamilies = []network{makeNetwork(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), makeNetwork(netip.PrefixFrom(netip.IPv6Unspecified(), 0))}

// Tuple returns the addresses and ports that the socket was opened with.
func (s *UDPSocket) Tuple() wire.Tuple { return s.tuple }

// SetReceiveBuffer sets how many bytes of memory may wait in the socket.
func (s *UDPSocket) SetReceiveBuffer(bytes int) { s.limit = bytes }

// Queued returns how many bytes of memory hold datagrams that wait, and how many
// may.
func (s *UDPSocket) Queued() (bytes, limit int) { return s.bytes, s.limit }

// Receive returns the oldest datagram that waits; ok is false when there is none.
func (s *UDPSocket) Receive() (d Datagram, ok bool) {
	if d, ok = s.queue.pop(); ok {
		s.bytes -= held(d.Payload)
		*s.total -= held(d.Payload)
	}
	return d, ok
}

// TakeFailure returns what an ICMP error said since the last call, once.
func (s *UDPSocket) TakeFailure() tcp.Failure {
	f := s.failure
	s.failure = tcp.NoFailure
	return f
}

// udpKey is what an unconnected socket is found by. The address is zero for
// every address, and anyIPv4 for every IPv4 address.
type udpKey struct {
	addr wire.Addr
	port uint16
}

// sockets are the UDP sockets of a host.
type sockets struct {
	bound     map[udpKey]*UDPSocket
	connected map[wire.Tuple]*UDPSocket
	wild      []*UDPSocket // for every port that no other has, narrowest network first
	echo      []*UDPSocket // for echo requests, in the same order
	ready     []*UDPSocket
	bytes     int // memory that all queues hold
	most      int // that they may
}

func (u *sockets) init(most int) {
	u.most = most
	u.bound = map[udpKey]*UDPSocket{}
	u.connected = map[wire.Tuple]*UDPSocket{}
}

var anyIPv4 = wire.AddrFrom4(0)

// find returns the socket for a datagram: the most specific one, by up to four lookups and
// not by a walk over all sockets. An unconnected flow has its own address as Local.
func (u *sockets) find(t wire.Tuple) *UDPSocket {
	if s := u.connected[t]; s != nil {
		return s
	}
	if s := u.bound[udpKey{t.Local, t.LocalPort}]; s != nil {
		return s
	}
	if t.Local.Is4() {
		if s := u.bound[udpKey{anyIPv4, t.LocalPort}]; s != nil {
			return s
		}
	}
	if s := u.bound[udpKey{port: t.LocalPort}]; s != nil {
		return s
	}
	return findWild(u.wild, t.Local)
}

func findWild(all []*UDPSocket, a wire.Addr) *UDPSocket {
	for _, s := range all {
		if s.hasEveryPortOf(a) {
			return s
		}
	}
	return nil
}

// wildLike returns the list of those that s, which has every port, is among.
func (u *sockets) wildLike(s *UDPSocket) *[]*UDPSocket {
	if s.echo {
		return &u.echo
	}
	return &u.wild
}

func (u *sockets) add(s *UDPSocket) {
	switch {
	case s.wild != nil:
		// The narrowest first: so the first that has an address is the one to get it.
		all := u.wildLike(s)
		*all = append(*all, s)
		slices.SortStableFunc(*all, func(a, b *UDPSocket) int { return cmp.Or(b.widest()-a.widest(), len(a.wild)-len(b.wild)) })
	case s.connected:
		u.connected[s.tuple] = s
	default:
		key := udpKey{s.tuple.Local, s.tuple.LocalPort}
		s.also, u.bound[key] = u.bound[key], s
	}
}

func (u *sockets) remove(s *UDPSocket) {
	switch {
	case s.wild != nil:
		all := u.wildLike(s)
		*all = slices.DeleteFunc(*all, func(o *UDPSocket) bool { return o == s })
	case s.connected:
		delete(u.connected, s.tuple)
	default:
		u.unbind(s)
	}
}

// unbind takes s from those that share its port, which are few.
func (u *sockets) unbind(s *UDPSocket) {
	key := udpKey{s.tuple.Local, s.tuple.LocalPort}
	first := u.bound[key]
	switch {
	case first != s:
		for first.also != s {
			first = first.also
		}
		first.also = s.also
	case s.also == nil:
		delete(u.bound, key)
	default:
		u.bound[key] = s.also
	}
}

func (u *sockets) markReady(s *UDPSocket) {
	if !s.ready {
		s.ready = true
		u.ready = append(u.ready, s)
	}
}

// nextReady takes the latest: the order is nobody's, as all are taken before anybody waits.
// One that was closed meanwhile is passed over.
func (u *sockets) nextReady() *UDPSocket {
	for len(u.ready) > 0 {
		s := u.ready[len(u.ready)-1]
		u.ready[len(u.ready)-1] = nil
		u.ready = u.ready[:len(u.ready)-1]
		s.ready = false
		if s.open {
			return s
		}
	}
	return nil
}

// OpenUDP opens a socket on a port that the caller chose. A zero local address
// is every address (0.0.0.0 is every IPv4 address), or for a connected socket the one that the route gives. A
// zero remote address makes an unconnected socket. It fails with ErrInUse,
// ErrNotLocal, ErrNoRoute or ErrDestination.
func (h *Host) OpenUDP(local wire.Addr, port uint16, remote wire.Addr, remotePort uint16, owner any) (*UDPSocket, error) {
	return h.open(&h.udp, &UDPSocket{Owner: owner}, wire.Tuple{Local: local, LocalPort: port, Remote: remote, RemotePort: remotePort})
}

// OpenSharedUDP opens an unconnected socket as OpenUDP does, on a port that any number of others
// that are opened by it may have too, as SO_REUSEADDR allows. A datagram for a group comes to all
// of them that hear it, one for a single host to the last that was opened.
func (h *Host) OpenSharedUDP(local wire.Addr, port uint16, owner any) (*UDPSocket, error) {
	return h.open(&h.udp, &UDPSocket{Owner: owner, shared: true}, wire.Tuple{Local: local, LocalPort: port})
}

// open makes s a socket for t, in the table u.
func (h *Host) open(u *sockets, s *UDPSocket, t wire.Tuple) (*UDPSocket, error) {
	s.limit, s.open, s.total = h.cfg.UDPReceiveBuffer, true, &h.udp.bytes
	s.tuple = wire.Tuple{LocalPort: t.LocalPort}
	switch {
	case !isUnspecified(t.Remote):
		if err := h.connectUDP(s, t.Local, t.Remote, t.RemotePort); err != nil {
			return nil, err
		}
	case isUnspecified(t.Local), h.MaySpeakFrom(t.Local, wire.ProtoUDP):
		s.tuple.Local = t.Local
	default:
		return nil, ErrNotLocal
	}
	if u.inUse(s.tuple, h.addresses, s.shared) {
		return nil, ErrInUse
	}
	u.add(s)
	return s, nil
}

// OpenAnyUDP opens a socket for the datagrams to every port of a network's
// addresses that no other socket has. SetForwarded says whether those for foreign
// addresses come in; SendUDPFlow answers them. It fails with ErrInUse.
func (h *Host) OpenAnyUDP(p netip.Prefix, owner any) (*UDPSocket, error) {
	return h.openAny(&UDPSocket{Owner: owner}, p)
}

// openAny opens s for every address of a prefix; the zero prefix has all.
func (h *Host) openAny(s *UDPSocket, p netip.Prefix) (*UDPSocket, error) {
	s.wild = bothFamilies
	if p.IsValid() {
		s.wild = []network{makeNetwork(unmapPrefix(p))}
	}
	for _, o := range *h.udp.wildLike(s) {
		if slices.Equal(o.wild, s.wild) {
			return nil, ErrInUse
		}
	}
	s.limit, s.open, s.total = h.cfg.UDPReceiveBuffer, true, &h.udp.bytes
	h.udp.add(s)
	return s, nil
}

// SendUDPFlow sends payload, which is copied, over the flow t, for a socket of
// OpenAnyUDP. It fails as SendUDP does.
func (h *Host) SendUDPFlow(now clock.Time, s *UDPSocket, t wire.Tuple, payload []byte) error {
	switch {
	case !s.open:
		return ErrClosed
	case !s.hasEveryPortOf(t.Local) || !h.MaySpeakFrom(t.Local, wire.ProtoUDP):
		return ErrNotLocal
	case isUnspecified(t.Remote) || t.RemotePort == 0:
		return ErrNotBound
	}
	return h.sendUDP(now, t, payload)
}

func (h *Host) connectUDP(s *UDPSocket, local, remote wire.Addr, remotePort uint16) error {
	d := h.lookup(remote)
	if d == nil {
		return ErrNoRoute
	}
	local, err := h.pickLocal(local, d, wire.ProtoUDP)
	if err != nil {
		return err
	}
	s.connected = true
	s.tuple.Local, s.tuple.Remote, s.tuple.RemotePort = local, remote, remotePort
	return nil
}

// UDPInUse reports whether a socket opened for t would get another one's
// datagrams: one for the same flow when t has a remote end, otherwise an
// unconnected one on this port whose address is the same or covers it.
func (h *Host) UDPInUse(t wire.Tuple) bool { return h.udp.inUse(t, h.addresses, false) }

func (u *sockets) inUse(t wire.Tuple, addresses []address, shared bool) bool {
	if t.RemotePort != 0 || !isUnspecified(t.Remote) {
		return u.connected[t] != nil
	}
	for s := range u.onPort(t.LocalPort, addresses) {
		if !(shared && s.shared) && (covers(s.tuple.Local, t.Local) || covers(t.Local, s.tuple.Local)) {
			return true
		}
	}
	return false
}

// onPort yields the unconnected sockets on a port: each is bound to one of our addresses, or
// to all of a family, or to all. So these are few lookups, however many sockets there are.
func (u *sockets) onPort(port uint16, addresses []address) iter.Seq[*UDPSocket] {
	return func(yield func(*UDPSocket) bool) {
		for i := -2; i < len(addresses); i++ {
			key := udpKey{port: port}
			switch {
			case i == -1:
				key.addr = anyIPv4
			case i >= 0:
				key.addr = addresses[i].addr
			}
			if s := u.bound[key]; s != nil && !yield(s) {
				return
			}
		}
	}
}

// covers reports whether a socket bound to a hears what is sent to b.
func covers(a, b wire.Addr) bool {
	return a == b || a == wire.Addr{} || a == anyIPv4 && b.Is4()
}

// CloseUDP closes s and gives back what waits in it. It may be called twice.
func (h *Host) CloseUDP(s *UDPSocket) {
	if !s.open {
		return
	}
	s.open = false
	h.leaveAll(s)
	if s.ping {
		h.pings.remove(s)
	} else {
		h.udp.remove(s)
	}
	for d, ok := s.Receive(); ok; d, ok = s.Receive() {
		d.Payload.Release()
	}
}

// SendUDP sends payload, which is copied, from s to dst and port; for a
// connected socket both may be zero. A datagram larger than the path's MTU
// leaves in fragments. It fails with ErrClosed, ErrNotBound, ErrConnected,
// ErrNoRoute, ErrMessageSize or ErrQueueFull.
func (h *Host) SendUDP(now clock.Time, s *UDPSocket, dst wire.Addr, port uint16, payload []byte) error {
	return h.SendUDPFrom(now, s, wire.Addr{}, dst, port, payload)
}

// SendUDPFrom is SendUDP from the address src of the host's, for a socket that
// has every address: a zero src leaves the choice to the route. It fails also
// with ErrNotLocal.
func (h *Host) SendUDPFrom(now clock.Time, s *UDPSocket, src, dst wire.Addr, port uint16, payload []byte) error {
	t := s.tuple
	switch {
	case !s.open:
		return ErrClosed
	case s.homeless:
		return ErrNotLocal
	case s.wild != nil:
		return ErrNotBound
	case !s.connected && (isUnspecified(dst) || port == 0):
		return ErrNotBound
	case !s.connected:
		t.Remote, t.RemotePort = dst, port
		s.lastAddr, s.lastPort = dst, port
	case !isUnspecified(dst) && (dst != t.Remote || port != t.RemotePort):
		return ErrConnected
	}
	if !isUnspecified(src) {
		if !covers(t.Local, src) || !h.MaySpeakFrom(src, wire.ProtoUDP) {
			return ErrNotLocal
		}
		t.Local = src
	}
	if t.Remote.IsMulticast() {
		return h.sendToGroup(now, s, t, payload)
	}
	return h.sendUDP(now, t, payload)
}

// loseSockets makes the sockets of a table that are bound to an address fail.
func (h *Host) loseSockets(u *sockets, a wire.Addr) {
	lose := func(s *UDPSocket) {
		if s.tuple.Local == a {
			s.homeless, s.failure = true, tcp.NetworkUnreachable
			h.udp.markReady(s)
		}
	}
	for _, s := range u.bound {
		lose(s)
	}
	for _, s := range u.connected {
		lose(s)
	}
}

// mayHaveSent reports whether a datagram of this flow can be ours: a connected
// socket's, or one to where an unconnected socket sent last.
func (u *sockets) mayHaveSent(t wire.Tuple) bool {
	s := u.find(t)
	return s != nil && (s.connected || s.lastAddr == t.Remote && s.lastPort == t.RemotePort)
}
