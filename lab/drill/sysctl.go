package drill

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/fastopen"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// sysctl takes one setting of Linux as options of the host.
func (p *player) sysctl(at script.Pos, name, value string) {
	name = strings.ReplaceAll(strings.TrimPrefix(name, "/proc/sys/"), "/", ".")
	if p.Kernel != nil && p.script.BSD {
		p.wrong(at, "%s is a setting of a BSD, which this kernel is not", name)
	}
	if p.host == nil {
		p.asked = append(p.asked, script.Setting{Pos: at, Name: name, Value: value})
	}
	set, ok := sysctls[name]
	reason, ignored := withoutEffect[name]
	switch {
	case ignored:
		p.note(at, "%s has no effect: %s", name, reason)
	case !ok:
		p.wrong(at, "unknown setting %s%s", name, script.Nearest(name, sysctls))
	case p.host != nil && p.lastEvents():
		p.note(at, "%s has no effect: nothing comes behind it", name)
	case p.host != nil && p.Kernel != nil:
		p.wrong(at, "%s is set after the first event, which a kernel is not asked for", name)
	case p.host != nil && !slices.Contains(changeable, strings.TrimPrefix(name, "net.ipv4.")):
		p.wrong(at, "%s is set after the first event: of a host that runs only %s can be changed", name, strings.Join(changeable, ", "))
	case p.host != nil:
		set(p, at, value)
		p.host.TCP().SetOffers(p.config.TCP)
	default:
		set(p, at, value)
	}
}

// changeable are the settings that connections have from their beginning, and the host not.
var changeable = []string{"tcp_timestamps", "tcp_sack", "tcp_ecn", "tcp_ecn_option", "tcp_fastopen", "tcp_syn_retries", "tcp_fastopen_blackhole_timeout_sec",
	"net.inet.tcp.rfc1323", "net.inet.tcp.sack.enable", "net.inet.tcp.ecn.enable", "net.inet.tcp.keepidle", "net.inet.tcp.keepintvl", "net.inet.tcp.keepcnt", "net.inet.tcp.keepinit"}

// lastEvents reports whether nothing but commands follow: scripts put back what they have set.
func (p *player) lastEvents() bool {
	all := p.script.Events
	for i := len(all) - 1; i >= 0 && all[i].Shell != nil; i-- {
		if &all[i] == p.event {
			return true
		}
	}
	return false
}

// publicDefaults are the settings that public scripts begin with (defaults.sh), as far as
// they are not the host's own, and Linux's values of what those leave as it is. packetdrill's
// own scripts, which have the file in a folder above, let each listener do Fast Open, and are of
// a time when the wait for a SYN's answer doubled from the first; Linux's have it beside them.
func (p *player) publicDefaults(file string) {
	p.config.TCP.ECNOption, p.config.TCP.ECNControl = cc.ECNOptionAlways, true
	p.config.TCP.NoSlowStartAfterIdle, p.config.TCP.AsLinux = true, true
	p.config.TCP.ReceiveBuffer, p.config.TCP.SendBuffer = 15728640, 4<<20
	p.config.TCP.ECN, p.config.TCP.SynRetries, p.config.TCP.FastOpen = cc.ECNOff, 5, fastopen.Client|fastopen.Server
	if strings.HasPrefix(file, "../") {
		p.config.TCP.FastOpen |= fastopen.EveryListener
	} else {
		p.config.TCP.SynLinear = 4
	}
	key, _ := fastopen.ParseKey("a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4")
	p.config.TCP.FastOpenKeys = fastopen.Keys{key}
}

type sysctlFunc = func(p *player, at script.Pos, v string)

// number makes a setting of one that is a number.
func number(least, most int64, set func(p *player, n int)) sysctlFunc {
	return func(p *player, at script.Pos, v string) { set(p, int(p.integer(at, v, least, most))) }
}

// flag makes a setting of one that is 0, or more.
func flag(set func(t *tcp.Config, on bool)) sysctlFunc {
	return number(0, 255, func(p *player, n int) { set(&p.config.TCP, n != 0) })
}

// beacon takes how often counts of AccECN are told in a round trip at least.
func beacon(p *player, at script.Pos, v string) {
	n := p.integer(at, v, 0, 255)
	if n == 0 || n > 3 {
		p.wrong(at, "tcp_ecn_option_beacon=%d is not played here: counts of AccECN are told by each ACK where they have changed, which is tcp_ecn_option_beacon=3, or less", n)
	}
	p.note(at, "tcp_ecn_option_beacon has no effect: counts of AccECN are told by each ACK where they have changed (RFC 9768 §3.2.3.3)")
}

// span makes a setting of one that is a time.
func span(unit time.Duration, set func(p *player, d time.Duration)) sysctlFunc {
	return number(0, 1<<31-1, func(p *player, n int) { set(p, time.Duration(n)*unit) })
}

var sysctls map[string]sysctlFunc

func init() {
	sysctls = map[string]sysctlFunc{
		"tcp_timestamps":                     flag(func(t *tcp.Config, on bool) { t.NoTimestamps = !on }),
		"tcp_sack":                           flag(func(t *tcp.Config, on bool) { t.NoSACK = !on }),
		"tcp_window_scaling":                 flag(func(t *tcp.Config, on bool) { t.NoWindowScale = !on }),
		"tcp_ecn":                            number(0, 5, setECN),
		"tcp_congestion_control":             setCongestion,
		"tcp_syn_retries":                    number(0, 127, func(p *player, n int) { p.config.TCP.SynRetries = orNone(n) }),
		"tcp_slow_start_after_idle":          flag(func(t *tcp.Config, on bool) { t.NoSlowStartAfterIdle = !on }),
		"tcp_syn_linear_timeouts":            number(0, tcp.MaxSynRetries, func(p *player, n int) { p.config.TCP.SynLinear = n }),
		"tcp_ecn_option_beacon":              beacon,
		"tcp_ecn_fallback":                   flag(func(t *tcp.Config, on bool) { t.NoECNFallback = !on }),
		"tcp_ecn_option":                     number(0, 3, setECNOption),
		"tcp_synack_retries":                 number(0, 15, func(p *player, n int) { p.config.TCP.SynAckRetries = orNone(n) }),
		"tcp_retries2":                       number(1, 255, func(p *player, n int) { p.config.TCP.UserTimeout = retriesTimeout(n) }),
		"tcp_fin_timeout":                    span(time.Second, func(p *player, d time.Duration) { p.config.TCP.FinWait2 = d }),
		"tcp_keepalive_time":                 span(time.Second, func(p *player, d time.Duration) { p.keepAlive.Idle = d }),
		"tcp_keepalive_intvl":                span(time.Second, func(p *player, d time.Duration) { p.keepAlive.Interval = d }),
		"tcp_keepalive_probes":               number(1, 127, func(p *player, n int) { p.keepAlive.Count = n }),
		"tcp_rto_min_us":                     span(time.Microsecond, func(p *player, d time.Duration) { p.config.TCP.MinRTO = d }),
		"tcp_rto_max_ms":                     span(time.Millisecond, func(p *player, d time.Duration) { p.config.TCP.MaxRTO = d }),
		"tcp_syncookies":                     number(0, 2, setCookies),
		"tcp_max_syn_backlog":                number(1, 1<<20, func(p *player, n int) { p.config.TCP.MaxHalfOpen = n }),
		"tcp_tw_reuse":                       number(0, 2, func(p *player, n int) { p.reuse = n == 1; p.setReuse() }),
		"tcp_tw_reuse_delay":                 span(time.Millisecond, func(p *player, d time.Duration) { p.reuseDelay = d; p.setReuse() }),
		"tcp_max_tw_buckets":                 number(1, 1<<20, func(p *player, n int) { p.config.TCP.MaxTimeWait = n }),
		"tcp_fastopen":                       number(0, 1<<31-1, func(p *player, n int) { p.config.TCP.FastOpen = fastopen.Mode(n) & fastopen.All }),
		"tcp_fastopen_key":                   setFastOpenKey,
		"tcp_invalid_ratelimit":              span(time.Millisecond, func(p *player, d time.Duration) { p.config.TCP.ChallengeInterval = max(d, 1) }),
		"tcp_fastopen_blackhole_timeout_sec": span(time.Second, func(p *player, d time.Duration) { p.setBlackHole(d) }),
		"tcp_notsent_lowat":                  number(0, 1<<32-1, func(p *player, n int) { p.config.TCP.NotSentLowat = lowat(int64(n)) }),
		"tcp_rmem":                           setReceiveMemory,
		"tcp_wmem":                           setSendMemory,
	}
	for name, set := range sysctls {
		sysctls["net.ipv4."+name] = set
	}
	for name, why := range withoutEffect {
		if !strings.HasPrefix(name, "net.") {
			withoutEffect["net.ipv4."+name] = why
		}
	}
	addBSD()
}

// orNone is a count of retries as the engine has it, where 0 is the default.
func orNone(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// retriesTimeout is how long Linux repeats with tcp_retries2: a number of RTOs, each twice as
// long as the one before, from 200 ms up to 120 s.
func retriesTimeout(n int) (d time.Duration) {
	rto := 200 * time.Millisecond
	for range n + 1 {
		d += rto
		rto = min(2*rto, 2*time.Minute)
	}
	return d
}

// setBlackHole sets for how long nobody uses Fast Open behind a path that drops it; 0: they do.
func (p *player) setBlackHole(d time.Duration) {
	if p.known.BlackHole = d; d == 0 {
		p.known.BlackHole = -1
	}
}

// setReuse sets when connections may take the ports of others that are in TIME-WAIT.
func (p *player) setReuse() {
	if p.config.TCP.TimeWaitReuse = 0; p.reuse {
		p.config.TCP.TimeWaitReuse = cmp.Or(p.reuseDelay, time.Second)
	}
}

func setECN(p *player, n int) {
	p.config.TCP.ECN = [...]cc.ECNMode{cc.ECNOff, cc.ECNOn, cc.ECNPassive, cc.ECNAccurate, cc.ECNAccurateClassic, cc.ECNAccuratePassive}[n]
}

func setECNOption(p *player, n int) {
	p.config.TCP.ECNOption = [...]cc.ECNOption{cc.ECNOptionOff, cc.ECNOptionChanges, cc.ECNOptionAlways, cc.ECNOptionPersistent}[n]
}

// setFastOpenKey takes one key, or two with a comma between them.
func setFastOpenKey(p *player, at script.Pos, v string) {
	keys := fastopen.Keys{}
	for i, text := range strings.SplitN(v, ",", len(keys)) {
		k, err := fastopen.ParseKey(text)
		if err != nil {
			p.wrong(at, "%v", err)
		}
		keys[i] = k
	}
	p.config.TCP.FastOpenKeys = keys
}

func setCookies(p *player, n int) {
	p.config.TCP.Cookies = [...]tcp.CookieMode{tcp.CookiesOff, tcp.CookiesAuto, tcp.CookiesAlways}[n]
}

func setCongestion(p *player, at script.Pos, v string) {
	if err := cc.Check(v); err != nil {
		p.wrong(at, "%v", err)
	}
	p.config.TCP.CongestionControl = v
}

// largest reads the last of three numbers.
func (p *player) largest(at script.Pos, v string) int {
	words := strings.Fields(v)
	if len(words) == 0 {
		p.wrong(at, "three numbers are missing: least, default, most")
	}
	return int(p.integer(at, words[len(words)-1], tcp.MinBuffer, tcp.MaxBuffer))
}

func setReceiveMemory(p *player, at script.Pos, v string) {
	p.config.TCP.ReceiveBuffer = p.largest(at, v)
}
func setSendMemory(p *player, at script.Pos, v string) { p.config.TCP.SendBuffer = p.largest(at, v) }

// Reasons returns why settings and commands have no effect: all of them, for who tells them in
// another language.
func Reasons() (all []string) {
	for _, m := range []map[string]string{withoutEffect, harmless} {
		for _, why := range m {
			all = append(all, why)
		}
	}
	for _, f := range fileOptions {
		if f.meaning != "" {
			all = append(all, f.meaning)
		}
	}
	all = append(all, ownBuffers)
	slices.Sort(all)
	return slices.Compact(all)
}

// withoutEffect are settings that change nothing here, and why.
var withoutEffect = map[string]string{
	"tcp_fack": "it is long gone", "tcp_low_latency": "it is long gone", "tcp_tw_recycle": "it is long gone",
	"tcp_early_retrans":   "loss probes are always on (RFC 8985)",
	"tcp_recovery":        "RACK is always on (RFC 8985)",
	"tcp_dsack":           "D-SACK is always on (RFC 2883)",
	"tcp_frto":            "a loss that was none is always undone (RFC 5682)",
	"tcp_no_metrics_save": "nothing is remembered of a peer", "tcp_no_ssthresh_metrics_save": "nothing is remembered of a peer",
	"tcp_moderate_rcvbuf":            "buffers follow need unless the program sets them",
	"tcp_adv_win_scale":              "a byte of the buffer is a byte of the window",
	"tcp_app_win":                    "a byte of the buffer is a byte of the window",
	"tcp_shrink_window":              "a window that was offered stays offered",
	"tcp_mem":                        "the budget of buffers is the engine's own",
	"tcp_min_tso_segs":               "every segment leaves by itself here",
	"tcp_tso_win_divisor":            "every segment leaves by itself here",
	"tcp_tso_rtt_log":                "every segment leaves by itself here",
	"tcp_limit_output_bytes":         "there is no queue below the host",
	"tcp_autocorking":                "there is no queue below the host",
	"tcp_challenge_ack_limit":        "challenge ACKs have the limit of RFC 5961",
	"tcp_reordering":                 "it is measured",
	"tcp_max_reordering":             "it is measured",
	"tcp_pacing_ss_ratio":            "the pace is the controller's",
	"tcp_pacing_ca_ratio":            "the pace is the controller's",
	"tcp_comp_sack_delay_ns":         "ACKs with SACK blocks leave at once",
	"tcp_comp_sack_nr":               "ACKs with SACK blocks leave at once",
	"tcp_comp_sack_slack_ns":         "ACKs with SACK blocks leave at once",
	"tcp_comp_sack_rtt_percent":      "ACKs with SACK blocks leave at once",
	"tcp_thin_linear_timeouts":       "thin streams are as others",
	"tcp_retries1":                   "there is no other way to ask for",
	"tcp_orphan_retries":             "an orphan has the user timeout",
	"tcp_abort_on_overflow":          "a full accept queue keeps silent",
	"tcp_stdurg":                     "the urgent pointer is that of RFC 6093",
	"tcp_rfc1337":                    "a RST does not end TIME-WAIT (RFC 1337)",
	"tcp_migrate_req":                "there is one host",
	"tcp_backlog_ack_defer":          "segments arrive one by one",
	"tcp_plb_enabled":                "there is one path",
	"ip_no_pmtu_disc":                "the path's MTU is always discovered",
	"ip_forward":                     "there is one link",
	"ip_local_port_range":            "ports are not compared",
	"tcp_probe_interval":             "how a black hole is probed is the engine's own",
	"tcp_probe_threshold":            "how a black hole is probed is the engine's own",
	"tcp_min_snd_mss":                "the least segment is the engine's own",
	"tcp_base_mss":                   "how a black hole is probed is the engine's own",
	"tcp_mtu_probe_floor":            "how a black hole is probed is the engine's own",
	"tcp_mtu_probing":                "a black hole is always looked for (RFC 8899)",
	"tcp_tfo_blackhole_detect":       "there is no black hole here",
	"tcp_reflect_tos":                "the SYN-ACK has the listener's TOS",
	"tcp_rx_skb_cache":               "there is no such cache",
	"tcp_workaround_signed_windows":  "windows are never signed",
	"tcp_allowed_congestion_control": "all are allowed", "tcp_available_congestion_control": "all are allowed",
	"net.core.rmem_max": "buffers have the engine's bounds", "net.core.wmem_max": "buffers have the engine's bounds", "net.core.optmem_max": "buffers have the engine's bounds",
	"net.core.rmem_default": "buffers have the engine's bounds", "net.core.wmem_default": "buffers have the engine's bounds", "net.core.somaxconn": "a backlog counts as it is", "net.core.default_qdisc": "there is no queue below the host",
	"net.ipv4.icmp_ratelimit": "errors have the engine's limits", "net.ipv4.icmp_ratemask": "errors have the engine's limits", "net.ipv4.icmp_msgs_per_sec": "errors have the engine's limits",
	"net.ipv6.conf.all.disable_ipv6": "IPv6 is always there", "net.ipv6.conf.default.disable_ipv6": "IPv6 is always there", "net.ipv6.auto_flowlabels": "flow labels are not set", "net.ipv6.flowlabel_reflect": "flow labels are not set",
	"net.ipv4.conf.all.rp_filter": "there is one link", "net.ipv4.route.min_pmtu": "the least MTU is the engine's own",
}
