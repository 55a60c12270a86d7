package drill

import (
	"slices"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// A script that sets net.inet.* was written for a BSD. It is played as such: what an RFC leaves to
// the host (the order and the padding of options, how large buffers and windows are) is not
// compared. All else is.

// ownBuffers is why SO_RCVBUF and SO_SNDBUF of such a script are not compared.
const ownBuffers = "how large its buffers are is the host's own"

// ownWindow reports that a window may be another in a script for a BSD: it is neither shut
// nor was it to be.
// https://www.rfc-editor.org/rfc/rfc9293.html#section-3.8.6
func (p *player) ownWindow(k *script.Packet, s *segment) bool {
	return p.script.BSD && k.Window > 0 && s.tcp.Window > 0
}

// bsdSynRetries is how often FreeBSD repeats a SYN, where TCP_KEEPINIT leaves it the time.
const bsdSynRetries = 12

// setKeepInit bounds how long a connection may take to open, by a user timeout that lasts until it
// has.
func setKeepInit(_ *player, e *tcp.Endpoint, now clock.Time, s *socket, n int64) {
	if s.entry.State() == tcp.SynSent {
		e.SetUserTimeout(now, s.entry, time.Duration(n)*time.Second)
		e.SetSynRetries(now, s.entry, bsdSynRetries)
	}
}

// endKeepInit ends what setKeepInit has begun, of connections that are open.
func (p *player) endKeepInit() {
	for _, s := range p.sockets {
		if s.options[optKeepInit] > 0 && s.entry != nil && s.entry.State().Synchronized() {
			delete(s.options, optKeepInit)
			p.act(s, func(e *tcp.Endpoint, now clock.Time) {
				e.SetUserTimeout(now, s.entry, time.Duration(s.options[optUserTimeout])*time.Millisecond)
			})
		}
	}
}

// sendFastBSD is sendto on a socket with TCP_FASTOPEN that is not connected: FreeBSD takes the text
// at once, and has it follow the handshake where there is no cookie.
func (p *player) sendFastBSD(c *script.Call, s *socket, data []byte, flags int64) (attempt, *waiting) {
	var address *script.Value
	if len(c.Args) > 4 {
		address = &c.Args[4]
	}
	if o, _ := p.openFast(s, address); o.errno != "" {
		return once(o)
	}
	p.queueEarly(s, data, flags)
	return once(ok(int64(len(data))))
}

// bsdDefaults are what a BSD has where a script does not say.
func (p *player) bsdDefaults() {
	if p.script.BSD {
		p.keepAlive.Count, p.keepInit = 8, 75*time.Second
		setSocketMemory(p, 2<<20)
	}
}

// bsdSysctls are settings of FreeBSD and its relatives that are some of our host's: net.inet.tcp.*.
// FreeBSD's times are milliseconds.
var bsdSysctls = map[string]sysctlFunc{
	"rfc1323":                number(0, 3, setRFC1323),
	"timestamps":             flag(func(t *tcp.Config, on bool) { t.NoTimestamps = !on }), // of NetBSD
	"win_scale":              flag(func(t *tcp.Config, on bool) { t.NoWindowScale = !on }),
	"sack.enable":            flag(func(t *tcp.Config, on bool) { t.NoSACK = !on }),
	"sack":                   flag(func(t *tcp.Config, on bool) { t.NoSACK = !on }), // of OpenBSD and macOS
	"ecn.enable":             number(0, 4, setECNOfBSD),
	"ecn":                    number(0, 1, setECNOfBSD),
	"cc.algorithm":           setCongestionOfBSD,
	"rexmit_initial":         span(time.Millisecond, func(p *player, d time.Duration) { p.config.TCP.InitialRTO = d }),
	"rexmit_min":             span(time.Millisecond, func(p *player, d time.Duration) { p.config.TCP.MinRTO = d }),
	"msl":                    span(time.Millisecond, func(p *player, d time.Duration) { p.config.TCP.MSL = d }),
	"finwait2_timeout":       span(time.Millisecond, func(p *player, d time.Duration) { p.config.TCP.FinWait2 = d }),
	"delacktime":             span(time.Millisecond, func(p *player, d time.Duration) { p.config.TCP.DelayedAck = d }),
	"delayed_ack":            number(0, 3, setDelayedAck),
	"keepidle":               span(time.Millisecond, func(p *player, d time.Duration) { p.keepAlive.Idle = d }),
	"keepintvl":              span(time.Millisecond, func(p *player, d time.Duration) { p.keepAlive.Interval = d }),
	"keepinit":               span(time.Millisecond, func(p *player, d time.Duration) { p.keepInit = d }),
	"keepcnt":                number(1, 127, func(p *player, n int) { p.keepAlive.Count = n }),
	"always_keepalive":       number(0, 1, func(p *player, n int) { p.alwaysAlive = n != 0 }),
	"syncookies":             number(0, 1, setCookies),
	"syncookies_only":        number(0, 1, func(p *player, n int) { setCookies(p, 1+n) }),
	"syncache.rexmtlimit":    number(0, 15, func(p *player, n int) { p.config.TCP.SynAckRetries = orNone(n) }),
	"maxtcptw":               number(1, 1<<20, func(p *player, n int) { p.config.TCP.MaxTimeWait = n }),
	"fastopen.client_enable": fastOpenSide(fastopen.Client),
	"fastopen.server_enable": fastOpenSide(fastopen.Server),
}

// setRFC1323 takes FreeBSD's four values: neither, both, window scaling alone, timestamps alone.
func setRFC1323(p *player, n int) {
	p.config.TCP.NoWindowScale, p.config.TCP.NoTimestamps = n == 0 || n == 3, n == 0 || n == 2
}

func setECNOfBSD(p *player, n int) {
	p.config.TCP.ECN = [...]cc.ECNMode{cc.ECNOff, cc.ECNOn, cc.ECNPassive, cc.ECNAccurate, cc.ECNAccuratePassive}[n]
}

func setCongestionOfBSD(p *player, at script.Pos, v string) {
	if v == "newreno" {
		v = "reno"
	}
	setCongestion(p, at, v)
}

// setDelayedAck has every segment acknowledged at once with 0.
func setDelayedAck(p *player, n int) {
	if p.config.TCP.DelayedAck = 0; n == 0 {
		p.config.TCP.DelayedAck = time.Nanosecond
	}
}

func fastOpenSide(side fastopen.Mode) sysctlFunc {
	return number(0, 1, func(p *player, n int) {
		if p.config.TCP.FastOpen &^= side; n != 0 {
			p.config.TCP.FastOpen |= side
		}
	})
}

// setSocketMemory takes how large any buffer may be.
func setSocketMemory(p *player, n int) {
	n = min(max(n, tcp.MinBuffer), tcp.MaxBuffer)
	p.config.TCP.ReceiveBuffer, p.config.TCP.SendBuffer = n, n
}

// bsdWithoutEffect are settings of net.inet.tcp.* that change nothing here, and why.
var bsdWithoutEffect = map[string][]string{
	"RST and SYN are taken as RFC 5961 has it":                          {"insecure_rst", "insecure_syn", "insecure_ack"},
	"a SYN that has FIN is dropped":                                     {"drop_synfin"},
	"an error that may pass ends no connection (RFC 9293 §3.9.2.2)":     {"icmp_may_rst"},
	"what is for nobody is answered with a RST":                         {"blackhole", "blackhole_local", "log_in_vain"},
	"nothing is remembered of a peer":                                   {"hostcache.purgenow", "hostcache.purge", "hostcache.enable", "hostcache.expire", "hostcache.prune"},
	"buffers follow need unless the program sets them":                  {"recvspace", "sendspace", "recvbuf_auto", "sendbuf_auto", "recvbuf_max", "sendbuf_max", "recvbuf_inc", "sendbuf_inc", "sendbuf_auto_lowat", "doautorcvbuf", "doautosndbuf", "autorcvbufmax", "autosndbufmax"},
	"the RTO has no supplement (RFC 6298 §2)":                           {"rexmit_slop"},
	"a SYN that is repeated has the options of the first":               {"rexmit_drop_options"},
	"SYNs are repeated as often as TCP_SYNCNT says":                     {"retries", "rexmit_max"},
	"the SYN that is repeated does not ask for ECN (RFC 3168 §6.1.1.1)": {"ecn.maxretries", "ecn_timeout", "ecn_setup_percentage"},
	"what has no text is not ECN-capable":                               {"ecn.generalized"},
	"the path's MTU is always discovered":                               {"path_mtu_discovery", "pmtud_blackhole_detection", "pmtud_blackhole_mss", "v6pmtud_blackhole_mss"},
	"the initial window is ten segments (RFC 6928)":                     {"initcwnd_segments", "rfc3390", "init_win", "slowstart_flightsize", "local_slowstart_flightsize", "experimental.initcwnd10"},
	"how a window grows is the controller's":                            {"rfc3465", "abc_l_var", "cc.abe", "newcwv"},
	"limited transmit is always on (RFC 3042)":                          {"rfc3042"},
	"how losses are found and repaired is the engine's own":             {"rfc6675_pipe", "do_prr", "do_prr_conservative", "do_lrd", "newreno_sack", "sack.revised", "sack.lrd", "sack.tso", "sack.maxholes", "sack.globalmaxholes", "sack.globalholes"},
	"a segment without its timestamp is taken, as in Linux":             {"tolerate_missing_ts"},
	"each connection has timestamps of its own":                         {"ts_offset_per_conn", "isn_reseed_interval"},
	"every segment leaves by itself here":                               {"tso", "per_cpu_timers", "lro", "udp_tunneling_port"},
	"TIME-WAIT is the same for all":                                     {"nolocaltimewait", "msl_local", "fast_finwait2_recycle", "tw_recycle"},
	"the least segment is the engine's own":                             {"mssdflt", "v6mssdflt", "minmss", "win_scale_factor"},
	"the persist timer has the RTO's bounds (RFC 9293 §3.8.6.1)":        {"persmin", "persmax"},
	"challenge ACKs have the limit of RFC 5961":                         {"ack_war_timewindow", "ack_war_cnt", "challenge_ack_limit"},
	"there is one stack":                                                {"functions_default", "functions_available", "do_tcpdrain", "tcbhashsize", "reass.maxqueuelen", "reass.maxsegments", "syncache.bucketlimit", "syncache.cachelimit", "syncache.hashsize", "syncache.rst_on_sock_fail", "syncache.see_other", "require_unique_port", "log_debug", "soreceive_stream", "bb.log_auto_mode", "rfc1644", "mptcp.enable"},
	"cookies have the host's own key":                                   {"fastopen.acceptany", "fastopen.autokey", "fastopen.keylen", "fastopen.maxkeys", "fastopen.maxpsks", "fastopen.setkey", "fastopen.psk_enable", "fastopen.ccache_bucket_limit", "fastopen.ccache_buckets", "fastopen.path_disable_time"},
}

// addBSD puts what BSDs have to the other settings.
func addBSD() {
	for name, set := range bsdSysctls {
		sysctls["net.inet.tcp."+name] = set
	}
	for why, names := range bsdWithoutEffect {
		for _, name := range names {
			withoutEffect["net.inet.tcp."+name] = why
		}
	}
	sysctls["kern.ipc.maxsockbuf"] = number(1, 1<<32-1, setSocketMemory)
	withoutEffect["kern.ipc.somaxconn"], withoutEffect["kern.ipc.soacceptqueue"] = "a backlog counts as it is", "a backlog counts as it is"
	withoutEffect["net.inet.icmp.icmplim"], withoutEffect["net.inet6.icmp6.errppslimit"] = "errors have the engine's limits", "errors have the engine's limits"
}

// bsdStates are states in the words of sockstat and netstat.
var bsdStates = map[string]tcp.State{
	"CLOSED": tcp.Closed, "LISTEN": tcp.Listen, "SYN_SENT": tcp.SynSent, "SYN_RCVD": tcp.SynReceived, "ESTABLISHED": tcp.Established,
	"CLOSE_WAIT": tcp.CloseWait, "FIN_WAIT_1": tcp.FinWait1, "CLOSING": tcp.Closing, "LAST_ACK": tcp.LastAck, "FIN_WAIT_2": tcp.FinWait2, "TIME_WAIT": tcp.TimeWait,
}

// sockstat reads sockstat … | grep -c STATE | grep N: so many connections must be in that state.
// With | grep packetdrill they are those that the program has not closed.
func (p *player) sockstat(l *script.ShellLine) {
	w := l.Words
	i := slices.Index(w, "-c")
	want, err := strconv.Atoi(w[len(w)-1])
	if i < 0 || i+1 >= len(w) || err != nil || w[len(w)-2] != "grep" {
		p.wrong(l.Pos, "sockstat says how many connections are in a state: sockstat | grep -c TIME_WAIT | grep 1")
	}
	state, known := bsdStates[w[i+1]]
	if !known {
		p.wrong(l.Pos, "%q is no state%s", w[i+1], script.Nearest(w[i+1], bsdStates))
	}
	if got := p.inState(state, slices.ContainsFunc(w, isPlayer)); got != want {
		p.failWith(&Failure{Problem: script.Say("another number of connections is in state %s", w[i+1]), Expected: quoted(strconv.Itoa(want)), Got: quoted(strconv.Itoa(got))})
	}
}

// isPlayer is for the name of packetdrill, of which sockstat shows the first letters.
func isPlayer(word string) bool { return word == "packetdrill" || word == "packetdril" }

// inState counts the connections in a state, with a program or all.
func (p *player) inState(state tcp.State, held bool) (n int) {
	for _, f := range p.flows {
		mine := f.socket != nil && p.sockets[f.socket.fd] == f.socket
		if p.host != nil && p.host.TCP().Look(f.tuple).State == state && (mine || !held) {
			n++
		}
	}
	return n
}
