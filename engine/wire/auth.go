package wire

import (
	"encoding/hex"
	"fmt"

	"github.com/handfast-tcp/handfast/engine/seq"
)

// AuthSize is the length of the TCP Authentication Option with a MAC of 96 bits, which is
// that of all algorithms of RFC 5926, and AuthMACSize the MAC's, in bytes.
const (
	AuthSize    = 4 + AuthMACSize
	AuthMACSize = 12
)

// AuthOption is the value of a TCP Authentication Option.
// https://www.rfc-editor.org/rfc/rfc5925#section-2.2
type AuthOption struct {
	KeyID     uint8 // names the key that signed the segment
	NextKeyID uint8 // names the key that the peer should sign with: RNextKeyID
	MAC       [AuthMACSize]byte
}

// String returns the option as tcpdump prints it.
func (a AuthOption) String() string {
	return fmt.Sprintf("tcp-ao keyid %d rnextkeyid %d mac 0x%s", a.KeyID, a.NextKeyID, hex.EncodeToString(a.MAC[:]))
}

// The option and more than two SACK blocks do not fit into one header, so it lies where the
// last two would: what every segment has need not grow for what few have.

// SetAuth puts the option into o. A segment that has it has room for two SACK blocks.
func (o *Options) SetAuth(a AuthOption) {
	o.Set |= OptAuth
	o.SACKBlocks = min(o.SACKBlocks, 2)
	m := &a.MAC
	o.SACK[2] = SACKBlock{seq.Num(a.KeyID)<<8 | seq.Num(a.NextKeyID), seq.Num(be32(m[0:]))}
	o.SACK[3] = SACKBlock{seq.Num(be32(m[4:])), seq.Num(be32(m[8:]))}
}

// Auth returns the option, which counts when OptAuth is in Set.
func (o *Options) Auth() (a AuthOption) {
	ids := o.SACK[2].Left
	a.KeyID, a.NextKeyID = uint8(ids>>8), uint8(ids)
	put32(a.MAC[0:], uint32(o.SACK[2].Right))
	put32(a.MAC[4:], uint32(o.SACK[3].Left))
	put32(a.MAC[8:], uint32(o.SACK[3].Right))
	return a
}

func (o *Options) takeAuth(v []byte) {
	a := AuthOption{KeyID: v[0], NextKeyID: v[1]}
	copy(a.MAC[:], v[2:])
	o.SetAuth(a)
}

// putAuth writes the option to w and returns the sum of its words.
func (o *Options) putAuth(w []byte) (sum uint64) {
	a := o.Auth()
	w[0], w[1], w[2], w[3] = kindAuth, AuthSize, a.KeyID, a.NextKeyID
	copy(w[4:], a.MAC[:])
	for i := 0; i < AuthSize; i += 4 {
		sum += uint64(be32(w[i:]))
	}
	return sum
}

// PutAuthMAC writes the MAC into the option of a TCP header that has it, where it was zero.
// The checksum follows, unless a layer below computes it.
func PutAuthMAC(header []byte, mac [AuthMACSize]byte, offload bool) {
	at := FindAuth(header) + AuthSize - AuthMACSize
	copy(header[at:], mac[:])
	if !offload {
		sum := Sum(mac[:], uint64(^be16(header[16:])))
		if at%2 != 0 {
			panic("wire: an option of ours begins at an odd byte")
		}
		put16(header[16:], TransportChecksum(sum))
	}
}

// FindAuth returns where in a TCP header, which parses, the option begins, -1 when it has none.
func FindAuth(header []byte) int {
	for at := TCPSize; at < len(header) && header[at] != kindEnd; {
		switch {
		case header[at] == kindNOP:
			at++
		case at+1 >= len(header) || header[at+1] < 2:
			return -1
		case header[at] == kindAuth && header[at+1] == AuthSize && at+AuthSize <= len(header):
			return at
		default:
			at += int(header[at+1])
		}
	}
	return -1
}
