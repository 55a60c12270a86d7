package tcp

import (
	"time"

	"github.com/handfast-tcp/handfast/cc"
)

// Config is what all connections of an endpoint share. The zero value of a
// field means the default. An endpoint keeps a pointer: do not change it later.
type Config struct {
	// Secret is what the keys are derived from of initial sequence numbers (RFC
	// 6528), timestamp offsets, cookies, tables and all else that nobody may
	// guess. It must be random, secret, and another one with every start.
	Secret [16]byte

	SendBuffer    int // bytes queued before a write waits; default 1 MiB, of which an eighth, at least 128 KiB, not yet sent
	ReceiveBuffer int // bytes offered as window at most; it begins with 256 KiB and grows with need; default 1 MiB

	MSL        time.Duration // TIME-WAIT lasts twice as long; default 30 s, as Linux; at most a day
	InitialRTO time.Duration // default 1 s (RFC 6298 §2)
	MinRTO     time.Duration // the RTO is at least so far above the smoothed round trip; default 200 ms, as Linux
	MaxRTO     time.Duration // default 120 s
	DelayedAck time.Duration // default 40 ms
	QuickAcks  int           // first segments of a connection that are acknowledged at once: default 16, at most 255; less than 0: none

	SynRetries    int           // default 6: gives up after 127 s
	SynAckRetries int           // default 5: gives up after 63 s
	UserTimeout   time.Duration // unacknowledged data: default 15 min
	FinWait2      time.Duration // how long a closed program's FIN-WAIT-2 lasts; default 60 s

	// The four measures against SYN floods: a larger queue, fewer SYN-ACKs
	// (SynAckRetries), cookies, and the attack mode.
	MaxHalfOpen int        // half-open entries of about 72 bytes, 92 for IPv6; default 4096
	Cookies     CookieMode // default CookiesAuto
	AttackEnter int        // half-open entries that mean an attack; default half of MaxHalfOpen
	AttackLeave int        // below this it is over; default a quarter of MaxHalfOpen
	// VerdictTimeout is how long a SYN waits for Decide; default 30 s.
	VerdictTimeout time.Duration

	MaxTimeWait int // TIME-WAIT entries; the oldest goes first; default 65536

	NoTimestamps  bool // do not offer RFC 7323 timestamps
	NoSACK        bool // do not offer RFC 2018
	NoWindowScale bool // do not offer RFC 7323 window scaling

	// NewController makes a connection's congestion control; default NewReno.
	NewController func(mss int) cc.Controller
}

// Path is what TCP must know of the way to a peer.
type Path struct {
	MTU    int // largest IP packet, in bytes
	MaxGSO int // largest super-segment (IP packet) that may leave; 0: none
	// SoftwareGSO says that the host takes super-segments apart, because the
	// link does not: they need not wait until they are large.
	SoftwareGSO bool
}

// KeepAlive is the probing of an idle connection, RFC 9293 §3.8.4. The zero
// value is off.
type KeepAlive struct {
	Idle, Interval time.Duration
	Count          int
}
