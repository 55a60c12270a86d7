package capture

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/wire"
)

// CommunityID is the name that other tools give the connection's flow, version 1 with
// seed 0: the same for both directions.
// https://github.com/corelight/community-id-spec
func (c *Conn) CommunityID() string {
	a, b := address(c.Tuple.Local), address(c.Tuple.Remote)
	ap, bp := c.Tuple.LocalPort, c.Tuple.RemotePort
	if order := bytes.Compare(a, b); order > 0 || order == 0 && ap > bp {
		a, b, ap, bp = b, a, bp, ap
	}
	m := append([]byte{0, 0}, a...)
	m = append(m, b...)
	m = append(m, protoTCP, 0)
	m = binary.BigEndian.AppendUint16(m, ap)
	m = binary.BigEndian.AppendUint16(m, bp)
	sum := sha1.Sum(m)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}

func address(a wire.Addr) []byte {
	n := a.Netip()
	return n.AsSlice()
}
