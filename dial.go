package handfast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/internal/nameserver"
	"github.com/handfast-tcp/handfast/internal/setting"
)

// defaultFallbackDelay is Dialer.FallbackDelay, as in package net.
const defaultFallbackDelay = 300 * time.Millisecond

// Dialer has the options of a dial. Its fields mean what those of net.Dialer
// mean, and the zero value of each is the same default. What net.Dialer has
// beyond them is deprecated there, or is Multipath TCP.
type Dialer struct {
	// Host is who dials. It must be set.
	Host *Host

	// Timeout is how long a dial takes at most, the look-up of the name
	// included, and Deadline when it has to be done. Of both, and of the
	// context's deadline, the first one counts. Zero is no limit but that of the
	// engine: tcp.Config.SynRetries. Of a name with several addresses each gets
	// its share of the time that is left, and at least two seconds.
	Timeout  time.Duration
	Deadline time.Time

	// LocalAddr is where the connection comes from: a *net.TCPAddr, a *net.UDPAddr, or for
	// pings a *net.IPAddr. A nil or unspecified address is chosen by the route, and
	// port zero by RFC 6056. Addresses of the other family are not tried.
	// It is the optional argument of OPEN, RFC 9293 §3.9.1.1 (MUST-43).
	LocalAddr net.Addr

	// FallbackDelay is how long the addresses of one family have to themselves,
	// IPv6 where the host has a route for it, before those of the other one are
	// tried beside them, as in RFC 8305: the first connection is taken. Zero is
	// 300 ms. Below zero, and on networks other than "tcp", all addresses are
	// tried one after the other.
	FallbackDelay time.Duration

	// KeepAlive is after how much silence the connection is probed: zero is what
	// Config says, below zero is never. KeepAliveConfig, if its Enable is set,
	// says all about it, and KeepAlive is not looked at.
	KeepAlive       time.Duration
	KeepAliveConfig net.KeepAliveConfig

	// ECN says whether the connection asks for explicit congestion notification, and
	// whether for AccECN: one of the modes. Default Config.TCP.ECN; others are refused.
	ECN cc.ECNMode

	// TOS and TTL are those of all packets, MaxSegment what our MSS option says at most,
	// SynRetries how often the SYN is repeated, NotSentLowat how much may wait to be sent:
	// IP_TOS, IP_TTL, TCP_MAXSEG, TCP_SYNCNT and TCP_NOTSENT_LOWAT of Linux, with its ranges.
	// Zero is the default of each: none, 64, as the path has it, as Config.TCP has them.
	TOS, TTL, MaxSegment, SynRetries, NotSentLowat int

	// FastOpen has TCP connections use Fast Open (RFC 7413) where Config.TCP.FastOpen lets
	// them, as TCP_FASTOPEN_CONNECT does in Linux. To a server whose cookie the host knows
	// a dial returns at once and nothing is sent: the first Write goes on the SYN, as far as
	// that has room, and a Read that comes before it lets the SYN go without. That nobody
	// answers is told by a later call. To any other server the dial waits as always, and
	// asks for a cookie. The server may see what goes on a SYN twice, so it has to be a
	// request that does no harm then.
	FastOpen bool

	// Resolver looks up names. Default Config.Resolver.
	Resolver *net.Resolver

	// Control is called before each address is tried, with "tcp4", "tcp6", "udp4",
	// "udp6", "ip4" or "ip6" and the numeric address; its error ends the attempt. It
	// is the place to refuse addresses. There is no socket: each method of c
	// returns an error that is errors.ErrUnsupported. ControlContext, if set, is
	// called instead.
	Control        func(network, address string, c syscall.RawConn) error
	ControlContext func(ctx context.Context, network, address string, c syscall.RawConn) error
}

// Dial connects to address, "host:port", on one of the networks tcp, tcp4,
// tcp6, udp, udp4 and udp6. The host is a numeric address unless
// Config.Resolver is set; the port may be a service's name. It waits until the
// connection is made or the engine gives up. Errors are those of package net.
// On the networks ip4:icmp and ip6:ipv6-icmp the address is a host alone, and what is
// returned is a *PingConn. There are no other raw IP sockets.
func (h *Host) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

// DialContext is Dial with a context that ends the attempt, not the connection
// once it is made. It is what http.Transport.DialContext wants.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return h.dialer.DialContext(ctx, network, address)
}

// Dial connects like Host.Dial.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

var errNoHost = errors.New("handfast: Dialer.Host is not set; it is the host to dial from")

// DialContext connects like Host.DialContext.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	way, err := d.plan(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: contextError(err)}
	}
	return way.dial(ctx)
}

// limit returns ctx with the deadline that Timeout and Deadline make.
func (d *Dialer) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	end := d.Deadline
	if d.Timeout != 0 {
		if t := time.Now().Add(d.Timeout); end.IsZero() || t.Before(end) {
			end = t
		}
	}
	if end.IsZero() {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, end)
}

// plan finds out which addresses to dial.
func (d *Dialer) plan(ctx context.Context, network, address string) (w dialling, err error) {
	if d.Host == nil {
		return w, errNoHost
	}
	w = dialling{Dialer: d}
	if err = d.check(); err != nil {
		return w, err
	}
	if w.network, err = parsePacketNetwork(network, netTCP); err != nil {
		return w, err
	}
	if w.local, err = d.local(w.network); err != nil {
		return w, err
	}
	resolver := d.Resolver
	if resolver == nil {
		resolver = d.Host.Resolver()
	}
	w.remotes, w.port, err = d.Host.resolve(ctx, resolver, w.network, address, w.local)
	return w, err
}

// check refuses settings outside their ranges. Most programs set none of them, and then no
// table is made for each dial.
func (d *Dialer) check() error {
	if d.ECN == cc.ECNDefault && d.beforehand() == (beforehand{}) {
		return nil
	}
	return cmp.Or(d.beforehand().check("Dialer", tcp.MaxSynRetries),
		setting.Of("Dialer.ECN", &d.ECN, cc.ECNDefault, cc.ECNOff, cc.ECNAccurate).Check())
}

// local returns LocalAddr as we write it.
func (d *Dialer) local(n network) (endpoint, error) {
	var ip net.IP
	var port int
	switch a := d.LocalAddr.(type) {
	case nil:
		return endpoint{}, nil
	case *net.TCPAddr:
		ip, port = a.IP, a.Port
	case *net.UDPAddr:
		ip, port = a.IP, a.Port
	case *net.IPAddr:
		ip = a.IP
	}
	if d.LocalAddr.Network() != n.protocol() {
		return endpoint{}, addrError("mismatched local address type", d.LocalAddr.String())
	}
	if len(ip) == 0 || ip.IsUnspecified() {
		return endpoint{port: uint16(port)}, nil
	}
	a, err := parseIP(n, ip.String())
	return endpoint{a, uint16(port)}, err
}

// opening returns what a new connection is to be like.
func (d *Dialer) opening() opening { return opening{d.probes(), d.ECN, d.beforehand(), d.FastOpen} }

func (d *Dialer) beforehand() beforehand {
	return beforehand{d.TOS, d.TTL, d.MaxSegment, d.SynRetries, d.NotSentLowat}
}

// probes returns how a new connection is probed.
func (d *Dialer) probes() probes {
	p := d.Host.cfg.probes()
	switch {
	case d.KeepAliveConfig.Enable:
		p.set(d.KeepAliveConfig)
	case d.KeepAlive != 0:
		p.set(net.KeepAliveConfig{Enable: d.KeepAlive > 0, Idle: d.KeepAlive})
	}
	return p
}

// control asks the program about an address, unless the dial is over: UDP and pings, which
// wait for nothing, would not see that otherwise.
func (d *Dialer) control(ctx context.Context, n network, remote endpoint) error {
	if err := ctx.Err(); err != nil {
		return contextError(err)
	}
	if d.ControlContext == nil && d.Control == nil {
		return nil
	}
	network, address := n.protocol()+"6", tcpAddr(remote.addr, remote.port).String()
	if remote.addr.Is4() {
		network = n.protocol() + "4"
	}
	if n.isPing() {
		address = ipAddr(remote.addr).String()
	}
	if d.ControlContext != nil {
		return d.ControlContext(ctx, network, address, noSocket{})
	}
	return d.Control(network, address, noSocket{})
}

// resolve returns the addresses that a dial to address tries, in order: those
// of local's family, if it has one.
func (h *Host) resolve(ctx context.Context, r *net.Resolver, n network, address string, local endpoint) (all []wire.Addr, port uint16, err error) {
	if address == "" {
		return nil, 0, addrError("missing address", "")
	}
	host, port, err := splitAddress(ctx, n, address)
	if err != nil {
		return nil, 0, err
	}
	if _, err = netip.ParseAddr(host); err == nil || host == "" || r == nil {
		all, err = h.parseRemote(n, host)
	} else {
		all, err = h.lookUp(ctx, r, n, host)
	}
	if err != nil {
		return nil, 0, err
	}
	all = slices.DeleteFunc(all, func(a wire.Addr) bool { return !n.allows(a) })
	if len(all) == 0 {
		return nil, 0, addrError("no suitable address found", host)
	}
	// From an address of one family none of the other can be dialled; package net fails in
	// these words.
	if !isAny(local.addr) {
		all = slices.DeleteFunc(all, func(a wire.Addr) bool { return a.Is4() != local.addr.Is4() })
	}
	if len(all) == 0 {
		return nil, 0, addrError("no suitable address found", tcpAddr(local.addr, local.port).String())
	}
	return all, port, nil
}

// parseRemote parses a numeric address. None at all, 0.0.0.0 and [::] stand for
// the host itself, as in package net.
func (h *Host) parseRemote(n network, host string) (all []wire.Addr, err error) {
	var a wire.Addr
	if host != "" {
		if a, err = parseIP(n, host); err != nil || !isAny(a) {
			if ip, _ := netip.ParseAddr(host); err == nil {
				err = h.useZone(ip)
			}
			return []wire.Addr{a}, err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, own := range h.addresses {
		if a != any4 || own.Is4() {
			all = append(all, own)
		}
	}
	if all == nil {
		return nil, addrError("the host has no address of its own", host)
	}
	return all, nil
}

// lookUp asks a name service, and orders what it says: first what there is a
// route to, of that IPv6 before IPv4. The order that package net gives is by the
// routes of the kernel, which are not ours.
// https://www.rfc-editor.org/rfc/rfc8305#section-4
func (h *Host) lookUp(ctx context.Context, r *net.Resolver, n network, host string) (all []wire.Addr, err error) {
	ips, err := r.LookupNetIP(ctx, n.ip(), h.rooted(r, host))
	if err != nil {
		return nil, err
	}
	rank := map[wire.Addr]int{}
	for _, ip := range ips {
		a := wire.AddrFrom(ip)
		all = append(all, a)
		switch _, err := h.source(wire.Addr{}, a); {
		case err != nil:
			rank[a] = 2
		case a.Is4():
			rank[a] = 1
		}
	}
	slices.SortStableFunc(all, func(a, b wire.Addr) int { return rank[a] - rank[b] })
	return all, nil
}

// dnsPort is where a name server listens when its address has port 0.
const dnsPort = 53

// Resolver returns who looks up the names that are dialled: Config.Resolver, or a
// client of Config.NameServers, which also answers for other kinds of records. It is
// nil when there is neither.
func (h *Host) Resolver() *net.Resolver {
	if len(h.cfg.NameServers) == 0 {
		return h.cfg.Resolver
	}
	// Made here and not in New, so that a program which dials nothing has no client of
	// name servers linked into it: half a megabyte.
	h.names.once.Do(func() { h.names.client = nameserver.Resolver(h.DialContext, h.cfg.NameServers) })
	return h.names.client
}

// setNameServers checks Config.NameServers, and gives those a port that have none.
func (h *Host) setNameServers() error {
	if h.cfg.Resolver != nil && len(h.cfg.NameServers) > 0 {
		return errors.New("handfast: Config.NameServers and Config.Resolver both say who looks up names; set one")
	}
	h.cfg.NameServers = slices.Clone(h.cfg.NameServers)
	for i, a := range h.cfg.NameServers {
		if !a.Addr().IsValid() || a.Addr().IsUnspecified() {
			return fmt.Errorf("handfast: Config.NameServers: %v is not an address of a server", a)
		}
		if a.Port() == 0 {
			h.cfg.NameServers[i] = netip.AddrPortFrom(a.Addr(), dnsPort)
		}
	}
	return nil
}

// rooted returns a name as it is asked for: our own client must not go on to the
// domains that the system searches.
func (h *Host) rooted(r *net.Resolver, name string) string {
	if len(h.cfg.NameServers) > 0 && r == h.Resolver() && name[len(name)-1] != '.' {
		return name + "."
	}
	return name
}
