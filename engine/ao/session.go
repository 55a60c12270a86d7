package ao

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"

	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/seq"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// session authenticates one connection.
type session struct {
	tuple   wire.Tuple
	keys    [MaxKeysPerPeer]*Key // that it may use, in the order of preference
	count   int
	current int // of these, the one that we sign with: Current_key
	next    int // the one that the peer is asked to sign with: RNext_key

	iss, irs    seq.Num
	sent, heard extended
	traffic     [MaxKeysPerPeer][2]traffic // by key, and for what we send and receive
	message     [128]byte                  // room for what is hashed before the text
	sum         [sha1.Size]byte
}

// traffic is a traffic key at work. It differs for a SYN, whose sender does not know the
// peer's number. https://www.rfc-editor.org/rfc/rfc5925#section-5.2
type traffic struct {
	mac hasher
	syn bool
}

// hasher is hash.Hash, as much as there is need of.
type hasher interface {
	Write(p []byte) (n int, err error)
	Sum(b []byte) []byte
	Reset()
}

const (
	sends = iota
	receives
)

// extended is the highest sequence number so far, with how often it has wrapped above it.
type extended uint64

// of returns the number n, which lies within 2^31 of e, extended: the upper half is its SNE.
// https://www.rfc-editor.org/rfc/rfc5925#section-6.2
func (e extended) of(n seq.Num) extended { return e + extended(int64(n.Diff(seq.Num(e)))) }

// choose takes those of k that fit, and keeps on signing with the same key if it is among them.
func (s *session) choose(k *Keys) {
	signs := -1
	if s.count > 0 {
		signs = int(s.keys[s.current].SendID)
	}
	s.count, s.current, s.next, s.traffic = 0, 0, 0, [MaxKeysPerPeer][2]traffic{}
	for i := range k.list {
		if s.count < MaxKeysPerPeer && k.list[i].fits(&s.tuple) {
			s.keys[s.count] = &k.list[i]
			if int(k.list[i].SendID) == signs {
				s.current = s.count
			}
			s.count++
		}
	}
}

// Rekey has the session go on with other keys. If none is for it, nothing changes: a
// connection never goes on without.
func (s *session) Rekey(a auth.Authenticator) {
	if k, ok := a.(*Keys); ok {
		was := *s
		if s.choose(k); s.count == 0 {
			*s = was
		}
	}
}

// Clone returns a copy that shares nothing with s but what nobody changes.
func (s *session) Clone() auth.Session {
	c := *s
	c.traffic = [MaxKeysPerPeer][2]traffic{}
	return &c
}

// Numbers says the initial sequence numbers of both sides, as far as they are known.
func (s *session) Numbers(iss, irs seq.Num) {
	if s.iss != iss {
		s.iss, s.sent, s.traffic = iss, extended(iss), [MaxKeysPerPeer][2]traffic{}
	}
	if s.irs != irs {
		s.irs, s.heard, s.traffic = irs, extended(irs), [MaxKeysPerPeer][2]traffic{}
	}
}

// Signer returns the number of the key that signs what we send, below MaxKeysPerPeer, and
// Use sets it: the compact form of a connection keeps it.
func (s *session) Signer() int { return s.current }

// Use is the inverse of Signer.
func (s *session) Use(n int) {
	if n < s.count {
		s.current = n
	}
}

// Mark puts the option into o, the MAC still to come.
func (s *session) Mark(o *wire.Options) {
	o.SetAuth(wire.AuthOption{KeyID: s.keys[s.current].SendID, NextKeyID: s.keys[s.next].RecvID})
}

// Sign returns the MAC of a segment that we send.
func (s *session) Sign(m *auth.Message) (mac [wire.AuthMACSize]byte) {
	e := s.sent.of(m.Seq)
	s.sent = max(s.sent, e)
	copy(mac[:], s.mac(s.current, sends, e, m))
	return mac
}

// Verify reports whether the peer has signed a segment that arrived, with which it is
// believed: the peer may ask for another key.
// https://www.rfc-editor.org/rfc/rfc5925#section-7.5
func (s *session) Verify(m *auth.Message) wire.Drop {
	if m.Auth == nil {
		return wire.NoAuth
	}
	i := s.find(func(k *Key) bool { return k.RecvID == m.Auth.KeyID })
	if i < 0 {
		return wire.UnknownAuthKey
	}
	e := s.heard.of(m.Seq)
	if subtle.ConstantTimeCompare(s.mac(i, receives, e, m)[:wire.AuthMACSize], m.Auth.MAC[:]) == 0 {
		return wire.BadAuth
	}
	s.heard = max(s.heard, e)
	if n := s.find(func(k *Key) bool { return k.SendID == m.Auth.NextKeyID }); n >= 0 {
		s.current = n
	}
	return wire.None
}

// find returns the number of the key of which is holds; -1: there is none.
func (s *session) find(is func(*Key) bool) int {
	for i, k := range s.keys[:s.count] {
		if is(k) {
			return i
		}
	}
	return -1
}

// mac computes the MAC of a segment whose number is e with key number i: of the SNE, the
// pseudo-header, the header with zeros in place of checksum and MAC, and the text.
// https://www.rfc-editor.org/rfc/rfc5925#section-5.1
func (s *session) mac(i, way int, e extended, m *auth.Message) []byte {
	h := s.hasher(i, way, m.Flags&(wire.SYN|wire.ACK) == wire.SYN)
	h.Reset()
	b := binary.BigEndian.AppendUint32(s.message[:0], uint32(e>>32))
	from, to, _, _ := s.ends(way)
	length := len(m.Header) + len(m.Text)
	for _, v := range m.Views {
		length += v.Len()
	}
	if b = appendAddrs(b, from, to); from.Is4() {
		b = append(b, 0, wire.ProtoTCP, byte(length>>8), byte(length))
	} else {
		b = append(binary.BigEndian.AppendUint32(b, uint32(length)), 0, 0, 0, wire.ProtoTCP)
	}
	b = s.appendHeader(b, m, s.keys[i].ExcludeOptions)
	h.Write(b)
	h.Write(m.Text)
	for _, v := range m.Views {
		h.Write(v.Bytes())
	}
	return h.Sum(s.sum[:0])
}

// appendHeader appends what is signed of a header.
func (s *session) appendHeader(b []byte, m *auth.Message, exclude bool) []byte {
	at := len(b)
	option := wire.FindAuth(m.Header)
	if exclude {
		b = append(b, m.Header[:wire.TCPSize]...)
		b = append(b, m.Header[option:option+wire.AuthSize]...)
		clear(b[len(b)-wire.AuthMACSize:])
	} else {
		b = append(b, m.Header...)
		clear(b[at+option+wire.AuthSize-wire.AuthMACSize:][:wire.AuthMACSize])
	}
	b[at+16], b[at+17] = 0, 0 // the checksum
	return b
}

// ends returns the addresses and ports of a segment that goes that way.
func (s *session) ends(way int) (from, to wire.Addr, fromPort, toPort uint16) {
	t := &s.tuple
	if way == sends {
		return t.Local, t.Remote, t.LocalPort, t.RemotePort
	}
	return t.Remote, t.Local, t.RemotePort, t.LocalPort
}

func appendAddrs(b []byte, addrs ...wire.Addr) []byte {
	for _, a := range addrs {
		if a.Is4() {
			b = binary.BigEndian.AppendUint32(b, a.As4())
		} else {
			v := a.As16()
			b = append(b, v[:]...)
		}
	}
	return b
}

// hasher returns the traffic key for segments that go that way, derived from key number i.
func (s *session) hasher(i, way int, syn bool) hasher {
	t := &s.traffic[i][way]
	if t.mac == nil || t.syn != syn {
		first, second := s.iss, s.irs
		if way == receives {
			first, second = second, first
		}
		if syn {
			second = 0
		}
		from, to, fromPort, toPort := s.ends(way)
		context := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(appendAddrs(nil, from, to), fromPort), toPort)
		context = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(context, uint32(first)), uint32(second))
		t.mac, t.syn = s.keys[i].derive(context), syn
	}
	return t.mac
}

// derive makes the traffic key for a context, ready to sign with.
// https://www.rfc-editor.org/rfc/rfc5926#section-3.1.1
func (k *Key) derive(context []byte) hasher {
	input := append([]byte("\x01TCP-AO"), context...)
	if k.Algorithm == AESCMAC {
		// A master key of another length than AES's is made one first.
		// https://www.rfc-editor.org/rfc/rfc5926#section-3.1.1.2
		master := k.Secret
		if len(master) != 16 {
			master = sumOf(newCMAC(make([]byte, 16)), master)
		}
		return newCMAC(sumOf(newCMAC(master), append(input, 0, 128)))
	}
	return hmac.New(sha1.New, sumOf(hmac.New(sha1.New, k.Secret), append(input, 0, 160)))
}

func sumOf(h hasher, b []byte) []byte {
	h.Write(b)
	return h.Sum(nil)
}
