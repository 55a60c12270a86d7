package host

import (
	"errors"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/setting"
)

// Errors of a Host's methods.
var (
	ErrNoRoute     = errors.New("host: no route to destination")         // ENETUNREACH
	ErrNotLocal    = errors.New("host: address is not ours")             // EADDRNOTAVAIL
	ErrNoLink      = errors.New("host: no such link")                    // the iface number is wrong
	ErrDestination = errors.New("host: destination is not an endpoint")  // unspecified, multicast or of another family (RFC 9293, MUST-46)
	ErrInUse       = errors.New("host: address in use")                  // EADDRINUSE
	ErrMessageSize = errors.New("host: message too long")                // EMSGSIZE
	ErrQueueFull   = errors.New("host: output queue is full")            // ENOBUFS
	ErrNotBound    = errors.New("host: socket has no destination")       // EDESTADDRREQ
	ErrNotMember   = errors.New("host: socket is not in the group")      // EADDRNOTAVAIL
	ErrNoGroup     = errors.New("host: address is not a group")          // EINVAL
	ErrGroups      = errors.New("host: in as many groups as it may be")  // ENOBUFS
	ErrNotEcho     = errors.New("host: not an echo request")             // EINVAL
	ErrClosed      = errors.New("host: socket is closed")                // net.ErrClosed
	ErrConnected   = errors.New("host: connected socket, other address") // EISCONN
)

// Config is what a host is made of. The zero value of a limit means its default.
// Counts are 1 to MaxCount, sizes MinSize to tcp.MaxBuffer, rates 1 to MaxRate.
// Check refuses what is outside, and New takes the nearest value inside.
type Config struct {
	// TCP is what all connections share. Of its Secret, which must be the same for
	// all shards of a host, all keys of the host are derived.
	TCP tcp.Config

	// Shard says which of the Shards hosts that share the same addresses this
	// one is. Shard 0 answers what is given to all of them (ARP, NDP) and puts
	// fragments together. Shards 0 or 1: there is only this one; at most MaxShards.
	Shard, Shards int

	MaxQueued      int // packets that wait for Output; a new one is dropped; default 1024
	MaxQueuedBytes int // memory that they hold; a new one is dropped; default 8 MiB
	MaxPathMTUs    int // destinations whose path MTU is known; the oldest goes first; default 1024
	MaxNeighbour   int // neighbours; the one used longest ago goes first; default 512
	// MaxNeighbourBytes is the memory of the packets that wait for neighbours;
	// those for the neighbour that was asked first go first; default 4 MiB.
	MaxNeighbourBytes int

	MaxFragmentDatagrams int           // datagrams that wait for fragments; the oldest goes first; default 64
	MaxFragmentBytes     int           // memory that they hold; the oldest goes first; default 1 MiB
	FragmentTimeout      time.Duration // 1 ms to tcp.MaxTimeout; default 30 s

	UDPReceiveBuffer int // bytes that wait in a UDP socket; a new datagram is dropped; default 208 KiB
	MaxUDPBytes      int // bytes that wait in all of them; so is one for a socket in which another waits; default 64 MiB

	MaxGroups int // groups that sockets have joined, on all links; the next is refused; default 256

	EchoPerSecond  int // echo replies; default 10000
	ErrorPerSecond int // ICMP errors that we send; default 1000, as Linux
}

// LinkConfig is what a host must know of a link. It does not change.
type LinkConfig struct {
	Name string
	// Ethernet says that the link carries Ethernet frames; otherwise it
	// carries IP packets.
	Ethernet     bool
	HardwareAddr [6]byte // ours, for Ethernet
	// AnswerFor are other hosts' addresses that we tell neighbours on the link are ours, for
	// Ethernet. What is then sent to them concerns us as SetForwarded says.
	AnswerFor []netip.Prefix
	// DetectConflicts says that addresses on the link are checked, for Ethernet:
	// whether another host has them (RFC 4862 §5.4, RFC 5227).
	DetectConflicts bool
	MTU             int // largest IP packet, in bytes
	// MaxGSO is the largest IP packet, in bytes, that the link takes as a
	// super-segment; 0 when it takes none.
	MaxGSO int
	// ChecksumOffload says that the link completes partial checksums.
	ChecksumOffload bool

	path    tcp.Path  // where nothing on the way is narrower
	standIn []network // of AnswerFor
	gone    bool
}

// Host is an IP host. Its methods are for one goroutine at a time.
type Host struct {
	cfg       Config
	links     []*LinkConfig
	addresses []address
	routes    [2][]route // by family
	tcp       *tcp.Endpoint
	counters  Counters

	// cache holds what is known of the destinations used last.
	cache      destinationCache
	generation uint32 // entries of cache with another one are void
	forwarded  forwarded
	speaks     [2]bool // by family: we have an address of it
	ends       uint64  // bit n: an address, or its broadcast address, ends in the six bits n

	neighbours neighbours
	conflicts  conflicts
	groups     groups
	mtus       pathMTUs
	fragments  reassembly
	udp        sockets
	pings      sockets // their identifiers are ports; what is ready is in udp
	echoes     bucket
	errors     bucket
	keys       keys

	queue    packetQueue // leaves next
	handover packetQueue // for other shards

	stash  buf.Stash   // packets that came in, to be sent as others
	desk   *Desk       // of Receive; made with the first packet
	auth   *signatures // nil: no peer signs its segments
	out    tcp.Output
	rest   bool    // a part of out has still to leave
	ip     wire.IP // of what leaves
	traced bool    // an observer wants every single segment
}

// New returns a host without links and addresses.
func New(cfg Config) *Host {
	setting.Settle(cfg.settings())
	h := &Host{cfg: cfg, cache: newDestinationCache(), generation: 1}
	h.keys = makeKeys(cfg.TCP.Secret, cfg.Shard)
	h.tcp = tcp.NewEndpoint(&h.cfg.TCP)
	if cfg.TCP.Authenticator != nil {
		h.auth = new(signatures)
	}
	h.conflicts.deadline = clock.Never
	h.groups.init()
	h.neighbours.init(cfg.MaxNeighbour, cfg.MaxNeighbourBytes)
	h.mtus.init(cfg.MaxPathMTUs)
	h.fragments.init(&h.cfg)
	h.udp.init(cfg.MaxUDPBytes)
	h.pings.init(0)
	// Errors come one by one, and 50 at once are Linux's burst; pings are answered as fast as
	// they come for a second.
	h.echoes = newBucket(cfg.EchoPerSecond, cfg.EchoPerSecond)
	h.errors = newBucket(cfg.ErrorPerSecond, max(cfg.ErrorPerSecond/20, 1))
	for _, q := range []*packetQueue{&h.queue, &h.handover} {
		q.limit, q.maxBytes = cfg.MaxQueued, cfg.MaxQueuedBytes
	}
	return h
}

// AddLink adds a link and returns the number by which Receive and Output name it.
// MTU and MaxGSO count no further than the largest IP packet, 65535 bytes.
func (h *Host) AddLink(l LinkConfig) (iface int) {
	l.MTU, l.MaxGSO = min(l.MTU, localMTU), min(l.MaxGSO, localMTU)
	l.path, l.standIn = h.pathOf(&l), makeNetworks(l.AnswerFor)
	h.links = append(h.links, &l)
	if len(h.links) == 2 {
		h.neighbours.scopes = make([]scope, maxScopes)
	}
	h.forget()
	return len(h.links) - 1
}

func (h *Host) pathOf(l *LinkConfig) tcp.Path {
	p := tcp.Path{MTU: l.MTU, Link: uint16(l.MTU), MaxGSO: l.MaxGSO}
	if l.MaxGSO == 0 && !h.traced {
		p.MaxGSO, p.SoftwareGSO = softwareGSO, true
	}
	return p
}

// TCP returns the host's TCP endpoint.
func (h *Host) TCP() *tcp.Endpoint { return h.tcp }

// SetTrace makes TCP collect its events in t; nil collects none.
func (h *Host) SetTrace(t *tcp.Trace) {
	h.tcp.SetTrace(t)
	h.traced = t != nil
	for _, l := range h.links {
		l.path = h.pathOf(l)
	}
	h.forget()
}

// Counters returns the host's counters, which go on counting.
func (h *Host) Counters() *Counters { return &h.counters }

// Connect opens a TCP connection. A zero local address is chosen by the route.
// It fails with ErrNoRoute, ErrNotLocal, ErrDestination or tcp.ErrInUse.
func (h *Host) Connect(now clock.Time, local wire.Addr, localPort uint16, remote wire.Addr, remotePort uint16, owner any) (*tcp.Entry, error) {
	if !h.kindOf(remote).isEndpoint() {
		return nil, ErrDestination
	}
	d := h.lookup(remote)
	if d == nil {
		return nil, ErrNoRoute
	}
	path := d.path
	local, err := h.pickLocal(local, d, wire.ProtoTCP)
	if err != nil {
		return nil, err
	}
	// The address is that of the connection from now on (RFC 9293, MUST-44 and MUST-45):
	// a route that changes later changes the link, not who we are.
	return h.tcp.Connect(now, path, wire.Tuple{Local: local, Remote: remote, LocalPort: localPort, RemotePort: remotePort}, owner)
}

// pickLocal returns the address that a flow to d starts from: the one asked for, if
// we may speak from there and it is of the same family, or that of the route.
func (h *Host) pickLocal(asked wire.Addr, d *destination, proto uint8) (wire.Addr, error) {
	if isUnspecified(asked) {
		if src := h.source(d); !isUnspecified(src) {
			return src, nil
		}
		return wire.Addr{}, ErrNoRoute // a forwarder without an address
	}
	if remote := d.addr; asked.Is4() != remote.Is4() || !h.MaySpeakFrom(asked, proto) {
		return wire.Addr{}, ErrNotLocal
	}
	return asked, nil
}

// Deadline returns when Advance is wanted next; clock.Never when it is not. It may be too
// early, never too late: then Advance finds nothing due.
func (h *Host) Deadline() clock.Time {
	return min(h.tcp.Deadline(), h.conflicts.deadline, h.groups.deadline, h.neighbours.deadline, h.mtus.deadline, h.fragments.deadline)
}

// Advance does what time demands. Output may have packets afterwards. TCP comes behind what
// it asks for its ways, and what it has found out about them is taken note of last.
func (h *Host) Advance(now clock.Time) {
	h.advanceChecks(now)
	h.advanceGroups(now)
	h.advanceNeighbours(now)
	h.advanceFragments(now)
	if h.mtus.advance(now) {
		h.forget()
	}
	h.tcp.Advance(now)
	h.takeNarrowed(now)
}

// NextReady returns what became ready since it was last asked: UDP sockets
// first, then TCP connections and listeners. ok is false when there is nothing.
func (h *Host) NextReady() (owner any, r tcp.Ready, ok bool) {
	if s := h.udp.nextReady(); s != nil {
		return s.Owner, tcp.Readable, true
	}
	return h.tcp.NextReady()
}

// NextHandover returns a packet that was put together from fragments here and
// whose flow belongs to another shard; nil when there is none. The caller gives
// it to that shard's Receive.
func (h *Host) NextHandover() (p *buf.Packet, iface, shard int) {
	e, ok := h.handover.pop()
	if !ok {
		return nil, 0, 0
	}
	return e.packet, e.iface, e.shard
}
