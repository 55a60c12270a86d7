package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/cc"
	"github.com/handfast-tcp/handfast/engine/fastopen"
)

// Config is what all connections of an endpoint share. The zero value of a
// field means the default. Check refuses what is outside the ranges given here,
// and NewEndpoint takes the nearest value inside.
//
// Times are at least 1 ms and at most MaxTimeout, a day, where no other range is
// given. An endpoint keeps a pointer: do not change it later.
type Config struct {
	// Secret is what the keys are derived from of initial sequence numbers (RFC
	// 6528), timestamp offsets, cookies, tables and all else that nobody may
	// guess. It must be random, secret, and another one with every start.
	Secret [16]byte

	// SendBuffer and ReceiveBuffer are how far the buffers of a connection grow with
	// what its path needs, in bytes, MinBuffer to MaxBuffer; default 16 MiB. What was
	// written and waits to be sent is an eighth of what is out, and 128 KiB at least.
	// What is offered to the peer begins with 256 KiB and grows to twice what the
	// program reads in a round trip, or more; ReceiveBuffer decides the window scale.
	SendBuffer, ReceiveBuffer int
	// BufferMemory is how many bytes the buffers of all connections may hold together,
	// MinBuffer to MaxBufferMemory; default 256 MiB. See memory for what happens below
	// and at it.
	BufferMemory int64
	// ConnMemory is what each connection counts in BufferMemory beside its text, in
	// bytes, at most MaxConnMemory. With it none begins while all hold more than seven
	// eighths: its SYN is dropped, and Connect fails with ErrNoMemory. Those that there
	// are go on. 0, the default: connections are not counted, nor refused.
	ConnMemory int64

	// MSL is half of what TIME-WAIT lasts. RFC 9293 §3.4.2 takes two minutes and calls that an
	// engineering choice; half a minute is Linux's.
	MSL time.Duration // 1 ns to MaxTimeout; default 30 s
	// TimeWaitReuse is after how long in TIME-WAIT Connect may use a four-tuple again, where both
	// ends had timestamps and the program has let go of the old connection: as Linux's
	// tcp_tw_reuse=1 with tcp_tw_reuse_delay, a second there. 0, the default: not before its
	// end. A SYN of the peer may open it again at any time (RFC 6191).
	TimeWaitReuse time.Duration // up to MaxTimeout

	InitialRTO time.Duration // at most MaxRTO; default 1 s (RFC 6298 §2)
	// MinRTO is how far the RTO is above the smoothed round trip at least. RFC 6298 §2.4 asks
	// for an RTO of a second at least, as a guard against timeouts that come too early; here
	// those are found out, by Eifel or F-RTO, and undone.
	MinRTO     time.Duration // at most MaxRTO; default 200 ms, as Linux
	MaxRTO     time.Duration // default 120 s, as Linux; RFC 6298 §2.5 wants 60 at least
	DelayedAck time.Duration // at most MaxDelayedAck, 500 ms; default 40 ms, the least of Linux
	QuickAcks  int           // first segments of a connection that are acknowledged at once: default 16, at most 255; -1: none

	// SynRetries is how often a SYN is repeated. RFC 9293 §3.8.3 asks for three minutes at
	// least (MUST-23), which 7 are; the default is Linux's, as nobody waits for so long.
	SynRetries    int // at most MaxSynRetries, 127; -1: none; default 6: gives up after 127 s
	SynAckRetries int // at most MaxSynAckRetries, 15; -1: none; default 5, as Linux: gives up after 63 s
	// UserTimeout is how long data may stay unacknowledged, from when it was first
	// sent; how long a peer whose window is shut may leave probes unanswered; and
	// how long it has to open that for a program that has closed. Default 15 min.
	UserTimeout time.Duration
	// UserTimeoutOption has connections tell their peers of it, and follow their advice
	// (RFC 5482, which calls it ENABLED): where the program has not asked for a time of its
	// own (SetUserTimeout) that of both which is longer counts, not below MinUserTimeout
	// nor above MaxUserTimeout. A peer can then have us keep what is unacknowledged for so
	// long. Default off.
	UserTimeoutOption bool
	MinUserTimeout    time.Duration // default 100 s, or MaxUserTimeout if that is less
	MaxUserTimeout    time.Duration // default an hour, or UserTimeout if that is more
	// NotSentLowat is how many bytes of a connection may wait to be sent for the first time
	// before its program has to, as Linux's tcp_notsent_lowat: see SetNotSentLowat. Default,
	// and 0: what SendBuffer says.
	NotSentLowat int
	FinWait2     time.Duration // how long FIN-WAIT-2 of a closed program lasts; default 60 s, as Linux

	// The four measures against SYN floods: a larger queue, fewer SYN-ACKs
	// (SynAckRetries), cookies, and the attack mode.
	MaxHalfOpen int        // half-open entries of about 72 bytes, 92 for IPv6; 1 to MaxEntries, 2^24; default 4096
	Cookies     CookieMode // one of the three; default CookiesAuto
	AttackEnter int        // half-open entries that begin the attack mode, less up to a quarter; 1 to 2^31-1; default half of MaxHalfOpen
	AttackLeave int        // below this, less up to a quarter, it is over; 1 to AttackEnter; default a quarter of MaxHalfOpen
	// VerdictTimeout is how long a SYN waits for its verdict; default 30 s.
	VerdictTimeout time.Duration

	// FastOpen says which sides of TCP Fast Open are used, RFC 7413, as Linux's
	// net.ipv4.tcp_fastopen; a listener also needs room for it: Listener.FastOpen. Text that
	// comes on a SYN may come twice, so programs have to be made for it. Default off.
	FastOpen fastopen.Mode
	// FastOpenKeys make and check the cookies of all listeners that have none of their own, as
	// net.ipv4.tcp_fastopen_key of Linux, whose hosts then take them as well. Without a first one
	// they follow from a secret, or from what CookieKeys share, and change about every nine hours.
	FastOpenKeys fastopen.Keys

	// Authenticator knows the peers with which all segments are signed, RFC 5925: see package
	// ao. nil: there are none. SetAuthenticator replaces it.
	Authenticator auth.Authenticator

	// ChallengeInterval is the least time between two ACKs of a connection that answer segments
	// which may be forged (RFC 5961 §7), as tcp_invalid_ratelimit of Linux; up to a minute,
	// default 500 ms.
	ChallengeInterval time.Duration

	MaxTimeWait int // TIME-WAIT entries; the oldest goes first; 1 to MaxEntries, 2^24; default 65536

	NoTimestamps  bool // do not offer RFC 7323 timestamps
	NoSACK        bool // do not offer RFC 2018
	NoWindowScale bool // do not offer RFC 7323 window scaling

	// SynLinear is how many times a SYN that opens a connection is repeated after InitialRTO
	// each, before the time doubles, as tcp_syn_linear_timeouts of Linux, where it is 4; 0 to
	// MaxSynRetries. They do not count for SynRetries, but the attempt takes
	// no longer for them. Default 0: it doubles from the first (RFC 6298 §5.5).
	SynLinear int

	// AsLinux decides as Linux does where RFCs leave it to a host, for who compares with it, or
	// would be taken for it. ACKs of a connection whose program answers wait for its answers, also
	// that of a FIN. After a loss, or a mark of ECN, the threshold of slow start follows from the
	// window, and not from what was in flight (RFC 9438 §4.6 knows both). A shut window is probed
	// by an old number without text. A tail loss probe waits for two round trips and 2 ms,
	// however short they are. What is sent again takes no new text along, and has Nagle's
	// algorithm hold nothing back. A SYN-ACK that echoes a timestamp of no SYN is refused.
	// Of what a super-segment repeats the first is told by D-SACK. Text that was overtaken by a
	// retransmission is dropped by PAWS.
	AsLinux bool

	// CongestionControl is the name of what connections begin with, one of
	// cc.Names(); default cc.Default.
	CongestionControl string
	// NoSlowStartAfterIdle keeps the congestion window of a connection that has sent nothing for
	// a retransmission timeout, as tcp_slow_start_after_idle=0 of Linux. Otherwise it is the
	// initial one again (RFC 5681 §4.1).
	NoSlowStartAfterIdle bool
	// ECN says when connections use explicit congestion notification, and whether AccECN
	// too, one of the modes; default cc.ECNPassive, or cc.ECNOn where CongestionControl is
	// "dctcp".
	ECN cc.ECNMode
	// ECNOption says which segments tell by an option of AccECN how many bytes came with each
	// mark, beside the flags that count segments; one of the four, default cc.ECNOptionChanges.
	ECNOption cc.ECNOption
	// NoECNFallback goes on asking for ECN by SYNs that are repeated, and sends what the network
	// may mark though the handshake has shown that the path changes marks, as tcp_ecn_fallback=0
	// of Linux (RFC 3168 §6.1.1.1, RFC 9768 §3.2.2.3): for paths that are known to carry them.
	NoECNFallback bool
	// ECNControl has also ACKs, FINs and what is sent again leave ECN-capable, where AccECN and
	// SACK are agreed to, as Linux does and draft-ietf-tcpm-generalized-ecn allows: a network
	// that is congested marks them, and does not drop them. Otherwise they leave without
	// (RFC 3168 §6.1.4 and §6.1.5).
	ECNControl bool

	initial *settings // of connections for which nothing is set
	shift   uint8     // the window scale that ReceiveBuffer needs: see withDefaults
	memory  memory    // what all buffers hold, and may
	flights []*flight // to be used again: see takeOff
	stats   *Counters // of all connections

	auth      authSessions
	fastOpens fastOpens // what Fast Open needs of all connections
}

// Path is what TCP must know of the way to a peer.
type Path struct {
	MTU    int // largest IP packet that it carries, in bytes
	MaxGSO int // largest super-segment (IP packet) that may leave; 0: none
	// SoftwareGSO says that the host takes super-segments apart, because the
	// link does not: they need not wait until they are large.
	SoftwareGSO bool
	// Link is the largest IP packet that the link takes, and so the largest that may
	// arrive; 0: as MTU.
	Link uint16
}

// KeepAlive is the probing of an idle connection, RFC 9293 §3.8.4. The zero
// value is off (MUST-25), and so is one with a field that is not above zero. Each
// connection has its own (MUST-24, MUST-27). There is no default interval, for which the
// RFC has two hours (MUST-28): package handfast has those of package net.
//
// When the peer was not heard of for Idle, a probe is sent (with many idle
// connections up to a 256th of Idle sooner, together), and another after each
// Interval without an answer: one may be lost, so it takes several to give up (MUST-29).
// There is none while anything else is sent or received (MUST-26). Any segment of the
// peer ends the count. The
// connection fails with TimedOut when Count probes have had no answer: that is
// Idle + Count × Interval after the peer was last heard of, where an Interval
// takes at least as long as the RTO, or no answer could come in time. Where the
// program has set a user timeout that has the place of Count, as in Linux: it
// fails at the end of the first Interval by which the peer was silent for so
// long. While data is under way, or waits for the peer's window, there are other
// timers, and no probes of this kind.
type KeepAlive struct {
	Idle, Interval time.Duration // at least a second: shorter ones are taken for one
	Count          int           // at most 255
}

// on reports whether an idle connection is probed.
func (k *KeepAlive) on() bool { return k.Idle > 0 }

// bounded returns k within its bounds, or zero when it is off. Peers answer no more than a
// few probes a second (RFC 5961 §7).
func (k KeepAlive) bounded() KeepAlive {
	if k.Idle <= 0 || k.Interval <= 0 || k.Count <= 0 {
		return KeepAlive{}
	}
	return KeepAlive{max(k.Idle, time.Second), max(k.Interval, time.Second), min(k.Count, 255)}
}
