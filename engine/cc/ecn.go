package cc

import "strconv"

// ECNMode says when a connection uses explicit congestion notification: the network marks
// what it would otherwise drop, and the receiver tells the sender. There are two ways to
// tell: that there was a mark (ECN, RFC 3168), and how many (AccECN, RFC 9768). Who asks
// for AccECN takes ECN from a peer that knows no more.
type ECNMode uint8

// The modes, and what net.ipv4.tcp_ecn of Linux calls them.
const (
	ECNDefault         ECNMode = iota // what the configuration says; there, what WantsMarks tells
	ECNOff                            // never: 0
	ECNPassive                        // ECN when the peer asks for it: 2, Linux's default
	ECNOn                             // and ask for it: 1
	ECNAccuratePassive                // AccECN or ECN, whichever the peer asks for: 5
	ECNAccurateClassic                // and ask for ECN: 4
	ECNAccurate                       // and ask for AccECN: 3
)

var ecnModeText = [...]string{"default", "off", "passive", "on", "accurate-passive", "accurate-classic", "accurate"}

func (m ECNMode) String() string {
	if int(m) < len(ecnModeText) {
		return ecnModeText[m]
	}
	return strconv.Itoa(int(m))
}

// Takes reports whether a peer that asks for ECN gets it, and TakesAccurate whether one
// that asks for AccECN does.
func (m ECNMode) Takes() bool         { return m >= ECNPassive }
func (m ECNMode) TakesAccurate() bool { return m >= ECNAccuratePassive }

// Asks reports whether our SYN asks for ECN or more, and AsksAccurate whether for AccECN.
func (m ECNMode) Asks() bool         { return m == ECNOn || m >= ECNAccurateClassic }
func (m ECNMode) AsksAccurate() bool { return m == ECNAccurate }

// ECNOption says which segments have the option of AccECN.
type ECNOption uint8

// The four, and what net.ipv4.tcp_ecn_option of Linux calls them.
const (
	// ECNOptionChanges is where counts change, and while one grows after each 16 KiB: 1.
	ECNOptionChanges ECNOption = iota
	// ECNOptionAlways is wherever there is room, with all counts, once the peer's own options
	// arrive: 2, Linux's default. Segments carry 12 bytes less.
	ECNOptionAlways
	// ECNOptionPersistent is the same, also where segments that have it seem to be dropped: 3.
	ECNOptionPersistent
	// ECNOptionOff is nowhere; the flags count all the same: 0.
	ECNOptionOff
)

var ecnOptionText = [...]string{"changes", "always", "persistent", "off"}

func (o ECNOption) String() string {
	if int(o) < len(ecnOptionText) {
		return ecnOptionText[o]
	}
	return strconv.Itoa(int(o))
}

// Always reports whether it is wherever there is room.
func (o ECNOption) Always() bool { return o == ECNOptionAlways || o == ECNOptionPersistent }

// WantsMarks reports whether the controller of that name is made for marks of the
// network, and is nothing special without.
func WantsMarks(name string) bool { return name == "dctcp" }
