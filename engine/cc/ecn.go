package cc

import "strconv"

// ECNMode says when a connection uses explicit congestion notification, RFC 3168: the
// network marks what it would otherwise drop. Each mode has what those before it have.
type ECNMode uint8

// The modes, and what net.ipv4.tcp_ecn calls them.
const (
	ECNDefault ECNMode = iota // what the configuration says; there, what WantsMarks tells
	ECNOff                    // never: 0
	ECNPassive                // when the peer asks for it: 2, Linux's default
	ECNOn                     // and ask for it: 1
)

var ecnModeText = [...]string{"default", "off", "passive", "on"}

func (m ECNMode) String() string {
	if int(m) < len(ecnModeText) {
		return ecnModeText[m]
	}
	return strconv.Itoa(int(m))
}

// WantsMarks reports whether the controller of that name is made for marks of the
// network, and is nothing special without.
func WantsMarks(name string) bool { return name == "dctcp" }
