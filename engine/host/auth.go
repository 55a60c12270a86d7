package host

import (
	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// signatures is what a host whose peers sign their segments needs (RFC 5925); made when it has
// keys. What is signed and verified is a segment as on the wire, so it is done here.
type signatures struct {
	message auth.Message
	option  wire.AuthOption
}

// SetAuthenticator replaces the keys that segments are signed with: see
// tcp.Endpoint.SetAuthenticator. nil: there are none any more for new connections.
func (h *Host) SetAuthenticator(a auth.Authenticator) {
	if a != nil && h.auth == nil {
		h.auth = new(signatures)
	}
	h.cfg.TCP.Authenticator = a
	h.tcp.SetAuthenticator(a)
}

// verify says whether a segment may be believed.
func (h *Host) verify(in *inbound) wire.Drop {
	s, b, m := &in.segment, in.transport(), &h.auth.message
	n := int(b[12]>>4) * 4 // what we do not know of it is signed too
	if o := &s.Options; o.Has(wire.OptAuth) {
		h.auth.option = o.Auth()
		m.Auth = &h.auth.option
	}
	m.Header, m.Text, m.Views = b[:n], b[n:], in.packet.Views[:in.packet.N]
	m.Seq, m.Ack, m.Flags = s.Seq, s.Ack, s.Flags
	d := h.tcp.Authenticate(&in.tuple, m)
	*m = auth.Message{} // it must keep no memory
	return d
}

// sign signs the segment that p holds, whose IP header has a size.
func (h *Host) sign(p *buf.Packet, size int, out *tcp.Output) {
	at := int(p.L3) + size
	m := &h.auth.message
	m.Header, m.Views = p.Data[at:], p.Views[:p.N]
	m.Seq, m.Ack, m.Flags = out.Seq, out.Ack, out.Flags
	mac := out.Auth.Sign(m)
	*m, out.Auth = auth.Message{}, nil
	wire.PutAuthMAC(p.Data[at:], mac, p.Checksum == buf.ChecksumPartial)
}
