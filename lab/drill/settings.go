package drill

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/host"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// settings are what a script says of the host and the network, with packetdrill's defaults,
// or where it has none Linux's.
type settings struct {
	version     int // of IP
	mtu         int
	mss         int // what arrives is text in segments so large, at once; 0: in one
	tolerance   time.Duration
	tick        time.Duration // of the host's timestamps; 0: they are not compared
	local       netip.Addr
	remote      netip.Addr
	bindPort    uint16
	connectPort uint16
	config      host.Config
	keepAlive   tcp.KeepAlive // of sockets that switch it on
	alwaysAlive bool          // which all do by themselves
	reuse       bool          // TIME-WAIT gives its ports to others, after
	reuseDelay  time.Duration // 0: a second
	keepInit    time.Duration // how long opening may take: of a BSD
	notes       []script.Phrase
	asked       []script.Setting // sysctls, as the script has them
}

// The buffers of Linux: net.ipv4.tcp_rmem and tcp_wmem.
const (
	linuxReceiveBuffer = 6 << 20
	linuxSendBuffer    = 4 << 20
)

func defaults() settings {
	s := settings{tolerance: 4 * time.Millisecond, bindPort: 8080, connectPort: 8080,
		keepAlive: tcp.KeepAlive{Idle: 2 * time.Hour, Interval: 75 * time.Second, Count: 9}}
	s.config.TCP.ReceiveBuffer, s.config.TCP.SendBuffer = linuxReceiveBuffer, linuxSendBuffer
	copy(s.config.TCP.Secret[:], "a script repeats")
	return s
}

// note keeps what has no effect here, and why.
func (s *settings) note(at script.Pos, format string, args ...any) {
	s.notes = append(s.notes, script.Say("line %d: %s", at.Line, script.Say(format, args...)))
}

// fileOption is an option that stands at the top of a file.
type fileOption struct {
	meaning string
	set     func(p *player, at script.Pos, value string) // nil: it has no effect here
}

var fileOptions = map[string]fileOption{
	"ip_version":        {"ipv4, ipv6 or ipv4-mapped-ipv6", (*player).setVersion},
	"tolerance_usecs":   {"a number of microseconds", (*player).setTolerance},
	"tolerance":         {"a number of microseconds", (*player).setTolerance},
	"mtu":               {"a number of bytes", (*player).setMTU},
	"mss":               {"a number of bytes", func(p *player, at script.Pos, v string) { p.mss = int(p.integer(at, v, 1, 65535)) }},
	"local_ip":          {"an address", func(p *player, at script.Pos, v string) { p.local = p.address(at, v) }},
	"remote_ip":         {"an address", func(p *player, at script.Pos, v string) { p.remote = p.address(at, v) }},
	"bind_port":         {"a port", func(p *player, at script.Pos, v string) { p.bindPort = uint16(p.integer(at, v, 1, 65535)) }},
	"connect_port":      {"a port", func(p *player, at script.Pos, v string) { p.connectPort = uint16(p.integer(at, v, 1, 65535)) }},
	"tcp_ts_tick_usecs": {"a number of microseconds", func(p *player, at script.Pos, v string) { p.tick = p.micros(at, v) }},
	"init_scripts":      {"the name of a file of settings that everybody has", func(p *player, at script.Pos, v string) { p.initScripts(at, v) }},
	"strict":            {"", func(p *player, _ script.Pos, _ string) { p.Strict = true }},
	"gateway_ip":        {}, "netmask_ip": {}, "speed": {}, "verbose": {}, "quiet": {}, "dry_run": {}, "debug": {}, "non_fatal": {},
	"wire_client": {}, "wire_server": {}, "persistent_tun_dev": {}, "code_command": {}, "code_format": {}, "code_sockopt": {},
	"socket_ip_version": {}, "tcp_ts_ecr_scaled": {}, "define": {}, "D": {}, "use_send_omit_free": {}, "send_omit_free": {}, "tun_ip": {}, "fuzz_seed": {}, "fuzz_options": {}, "so_filename": {}, "so_flags": {}, "is_anyip": {}, "tolerance_percent": {}, "strict_segments": {}, "wire_client_device": {}, "flowlabel": {},
}

// fileOptions takes the options at the top of the file.
func (p *player) fileOptions() {
	p.version = p.IPVersion
	if p.version == 0 {
		p.version = 4
	}
	for _, o := range p.script.Options {
		f, ok := fileOptions[o.Name]
		switch {
		case !ok:
			p.wrong(o.Pos, "--%s is no option that is known here%s", o.Name, script.Nearest(o.Name, fileOptions))
		case f.set == nil:
			p.note(o.Pos, "--%s has no effect: there are no devices, processes or seconds here", o.Name)
		case f.meaning != "" && o.Value == "":
			p.wrong(o.Pos, "--%s needs %s, behind =", o.Name, f.meaning)
		default:
			f.set(p, o.Pos, strings.Trim(o.Value, `"`))
		}
	}
}

func (p *player) setVersion(at script.Pos, v string) {
	switch strings.ReplaceAll(v, "_", "-") {
	case "ipv4", "ipv4-mapped-ipv6":
		p.version = 4
	case "ipv6":
		p.version = 6
	default:
		p.wrong(at, "--ip_version is ipv4, ipv6 or ipv4-mapped-ipv6, and not %q", v)
	}
}

func (p *player) setTolerance(at script.Pos, v string) { p.tolerance = p.micros(at, v) }

func (p *player) setMTU(at script.Pos, v string) { p.mtu = int(p.integer(at, v, 68, 65535)) }

func (p *player) micros(at script.Pos, v string) time.Duration {
	return time.Duration(p.integer(at, v, 0, 1e12)) * time.Microsecond
}

// integer reads a number that stands in an option or a command.
func (p *player) integer(at script.Pos, v string, least, most int64) int64 {
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil || n < least || n > most {
		p.wrong(at, "%q should be a number from %d to %d", v, least, most)
	}
	return n
}

func (p *player) address(at script.Pos, v string) netip.Addr {
	a, err := netip.ParseAddr(v)
	if err != nil {
		p.wrong(at, "%q is no address", v)
	}
	return a
}

// newHost makes the host. What the script does not say packetdrill says: with IPv6 the MTU is
// 20 bytes more, so that segments are as large; not in FreeBSD's scripts, which say mss 1440.
func (s *settings) newHost(p *player) (*host.Host, error) {
	local, remote, everything, bits := "192.168.0.1", "192.0.2.1", "0.0.0.0/0", 16
	if s.version == 6 {
		local, remote, everything, bits = "fd3d:0a0b:17d6::1", "fd3d:fa7b:d17d::1", "::/0", 64
	}
	if !s.local.IsValid() {
		s.local = netip.MustParseAddr(local)
	}
	if !s.remote.IsValid() {
		s.remote = netip.MustParseAddr(remote)
	}
	if s.local.Is4() != (s.version == 4) || s.remote.Is4() != (s.version == 4) {
		return nil, fmt.Errorf("--local_ip %v and --remote_ip %v are not of IPv%d", s.local, s.remote, s.version)
	}
	if s.mtu == 0 {
		s.mtu = 1500
		if s.version == 6 && !p.script.BSD {
			s.mtu = 1520
		}
	}
	h := host.New(s.config)
	iface := h.AddLink(host.LinkConfig{Name: "tun0", MTU: s.mtu})
	if err := h.AddAddress(iface, netip.PrefixFrom(s.local, bits)); err != nil {
		return nil, err
	}
	return h, h.AddRoute(netip.MustParsePrefix(everything), netip.Addr{}, iface)
}
