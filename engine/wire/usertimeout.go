package wire

import (
	"fmt"
	"time"
)

// UserTimeout is what the user timeout option says: for how long its sender lets what it
// sent be unacknowledged, in seconds or, with the highest bit, in minutes. Zero means
// nothing.
// https://www.rfc-editor.org/rfc/rfc5482#section-2
type UserTimeout uint16

// inMinutes is the bit that is called granularity, and mostUnits what the others can say.
const (
	inMinutes UserTimeout = 1 << 15
	mostUnits             = 1<<15 - 1
)

// UserTimeoutOf returns the shortest time that can be said and is not below d.
func UserTimeoutOf(d time.Duration) UserTimeout {
	if s := (max(d, 1) + time.Second - 1) / time.Second; s <= mostUnits {
		return UserTimeout(s)
	}
	return inMinutes | UserTimeout(min((d+time.Minute-1)/time.Minute, mostUnits))
}

// Duration returns the time.
func (u UserTimeout) Duration() time.Duration {
	if u&inMinutes != 0 {
		return time.Duration(u&^inMinutes) * time.Minute
	}
	return time.Duration(u) * time.Second
}

// String returns the option as tcpdump prints it, the field and the seconds: "uto 0x12c
// 300". tcpdump takes the lowest bit for the granularity, which RFC 5482 has as the first
// on the wire.
func (u UserTimeout) String() string {
	return fmt.Sprintf("uto %#x %d", uint16(u), u.Duration()/time.Second)
}
