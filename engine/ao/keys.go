package ao

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/handfast-tcp/handfast/engine/auth"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Algorithm names how traffic keys are derived and segments signed.
// https://www.rfc-editor.org/rfc/rfc5926#section-3
type Algorithm uint8

// The algorithms, both of which every host with TCP-AO has. Their MACs have 96 bits.
const (
	HMACSHA1 Algorithm = iota // KDF_HMAC_SHA1 and HMAC-SHA-1-96
	AESCMAC                   // KDF_AES_128_CMAC and AES-128-CMAC-96
	algorithms
)

func (a Algorithm) String() string {
	switch a {
	case HMACSHA1:
		return "HMAC-SHA-1-96"
	case AESCMAC:
		return "AES-128-CMAC-96"
	}
	return fmt.Sprintf("algorithm %d", uint8(a))
}

// ParseAlgorithm returns the algorithm with a name as RFC 5926 or Linux writes it, in any case.
func ParseAlgorithm(name string) (Algorithm, error) {
	switch strings.ToLower(name) {
	case "hmac-sha-1-96", "hmac(sha1)", "hmac-sha1":
		return HMACSHA1, nil
	case "aes-128-cmac-96", "cmac(aes128)", "aes-cmac":
		return AESCMAC, nil
	}
	return 0, fmt.Errorf("ao: no algorithm %q: there are HMAC-SHA-1-96 and AES-128-CMAC-96", name)
}

// Key is a master key and what it is for: a master key tuple.
// https://www.rfc-editor.org/rfc/rfc5925#section-3.1
type Key struct {
	// Peer are the addresses of the hosts that share the key. The zero value is all hosts.
	Peer netip.Prefix
	// LocalPort and RemotePort narrow that to connections with these ports; 0 is any.
	LocalPort, RemotePort uint16
	// SendID names the key in segments that we send, RecvID in those that we receive: the
	// peer's RecvID and SendID.
	SendID, RecvID uint8
	Algorithm      Algorithm
	// Secret is the master key, 1 to 80 bytes.
	Secret []byte
	// ExcludeOptions leaves TCP's other options unsigned, for a middlebox that changes them.
	ExcludeOptions bool
}

// MaxSecret bounds the length of a master key in bytes, as Linux does, MaxKeys the number of
// keys of a host, and MaxKeysPerPeer that of those that one connection may use.
const (
	MaxSecret      = 80
	MaxKeys        = 1024
	MaxKeysPerPeer = 8
)

// Keys are the keys of a host, in the order of preference: of several that a connection
// may use the peer is asked to sign with the first. They do not change. A host is given
// others while its connections live, which is how a key is replaced without a pause: both
// hosts learn the new one behind the old one, then each puts it first, then both forget the
// old one.
type Keys struct{ list []Key }

// New makes Keys. It says which key is wrong, and why: two that one connection may use
// must differ in both IDs.
func New(keys ...Key) (*Keys, error) {
	if len(keys) > MaxKeys {
		return nil, fmt.Errorf("ao: %d keys; at most %d: let one prefix stand for several peers", len(keys), MaxKeys)
	}
	k := &Keys{list: make([]Key, len(keys))}
	for i, key := range keys {
		if err := key.check(); err != nil {
			return nil, fmt.Errorf("ao: key %d: %w", i+1, err)
		}
		rivals := 1
		for j := range k.list[:i] {
			if !key.meets(&k.list[j]) {
				continue
			}
			if err := key.rivals(&k.list[j]); err != nil {
				return nil, fmt.Errorf("ao: keys %d and %d: %w", j+1, i+1, err)
			}
			if rivals++; rivals > MaxKeysPerPeer {
				return nil, fmt.Errorf("ao: key %d: one connection may use at most %d keys", i+1, MaxKeysPerPeer)
			}
		}
		key.Peer = key.Peer.Masked()
		key.Secret = append([]byte(nil), key.Secret...)
		k.list[i] = key
	}
	return k, nil
}

func (k *Key) check() error {
	switch {
	case len(k.Secret) == 0:
		return fmt.Errorf("no secret")
	case len(k.Secret) > MaxSecret:
		return fmt.Errorf("a secret of %d bytes; at most %d", len(k.Secret), MaxSecret)
	case k.Algorithm >= algorithms:
		return fmt.Errorf("no such algorithm: there are %v and %v", HMACSHA1, AESCMAC)
	case k.Peer != netip.Prefix{} && !k.Peer.IsValid():
		return fmt.Errorf("not a prefix of addresses: %v", k.Peer)
	}
	return nil
}

// meets reports whether a connection exists that may use both keys.
func (k *Key) meets(l *Key) bool {
	same := func(a, b uint16) bool { return a == 0 || b == 0 || a == b }
	peers := k.Peer == netip.Prefix{} || l.Peer == netip.Prefix{} || k.Peer.Overlaps(l.Peer)
	return peers && same(k.LocalPort, l.LocalPort) && same(k.RemotePort, l.RemotePort)
}

// rivals says why one connection cannot tell two keys apart.
func (k *Key) rivals(l *Key) error {
	switch {
	case k.SendID == l.SendID:
		return fmt.Errorf("both have SendID %d for the same peers", k.SendID)
	case k.RecvID == l.RecvID:
		return fmt.Errorf("both have RecvID %d for the same peers", k.RecvID)
	}
	return nil
}

// fits reports whether the connection t may use the key.
func (k *Key) fits(t *wire.Tuple) bool {
	return (k.LocalPort == 0 || k.LocalPort == t.LocalPort) && (k.RemotePort == 0 || k.RemotePort == t.RemotePort) &&
		(k.Peer == netip.Prefix{} || k.Peer.Contains(t.Remote.Netip()))
}

// Session returns what signs and verifies the segments of the connection t; nil when no key
// is for it.
func (k *Keys) Session(t wire.Tuple) auth.Session {
	s := &session{tuple: t}
	if s.choose(k); s.count == 0 {
		return nil
	}
	return s
}
