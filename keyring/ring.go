// Package keyring makes the keys of SYN cookies from secrets that several hosts
// share, so that they accept each other's cookies: the SYN and the last ACK of
// a handshake may reach different hosts (ECMP, anycast).
//
//	ring, err := keyring.New(keyring.File("/etc/handfast/seeds"))
//	host, err := handfast.New(handfast.Config{CookieKeys: ring})
package keyring

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

// Seeds returns the secrets that keys are derived from: the oldest first, each
// at least 16 bytes. The newest one makes the keys from the next epoch on; the
// first one must stay what it is.
//
// It is called every few seconds and must not block for long. When it fails,
// what it said last stays in force.
type Seeds func() ([][]byte, error)

// File reads the seeds from a file, one a line. To roll the seed, append a
// line on every host; to make one: head -c 32 /dev/urandom | base64.
func File(name string) Seeds {
	return func() ([][]byte, error) {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		seeds := bytes.Fields(b)
		return seeds, check(name, seeds)
	}
}

func check(where string, seeds [][]byte) error {
	if len(seeds) == 0 {
		return fmt.Errorf("keyring: %s holds no seed: write one line of at least 16 bytes", where)
	}
	for i, s := range seeds {
		if len(s) < 16 {
			return fmt.Errorf("keyring: %s: seed %d has %d bytes; at least 16 are needed", where, i+1, len(s))
		}
	}
	return nil
}

// Epoch is how long a key makes cookies, by the wall clock. Two hosts' clocks
// may differ by as much.
const Epoch = 64 * time.Second

// Ring knows which seed makes the key of which epoch. It is not safe for
// concurrent use; each host has its own.
type Ring struct {
	source  Seeds
	base    []byte
	newest  []byte
	byEpoch map[uint32][]byte
}

// New returns a ring of the seeds that source gives. It fails when there are
// none, or when one is too short.
func New(source Seeds) (*Ring, error) {
	r := &Ring{source: source, byEpoch: map[uint32][]byte{}}
	seeds, err := source()
	if err == nil {
		err = check("the source", seeds)
	}
	if err != nil {
		return nil, err
	}
	r.base, r.newest = seeds[0], seeds[len(seeds)-1]
	return r, nil
}

// Keys asks the source and returns the keys for now. With an error, which says
// why the source was of no use, they are those of the seeds known so far.
func (r *Ring) Keys(now time.Time) (tcp.CookieKeys, error) {
	epoch := uint32(now.Unix() / int64(Epoch/time.Second))
	seeds, err := r.source()
	if err == nil {
		err = check("the source", seeds)
	}
	switch {
	case err != nil: // go on as before
	case !bytes.Equal(seeds[0], r.base):
		err = errors.New("keyring: the first cookie seed has changed; it must stay, append new ones")
	default:
		r.newest = seeds[len(seeds)-1]
	}
	r.learn(epoch)
	k := tcp.CookieKeys{Epoch: epoch, Base: derive(r.base, "base"), Previous: r.key(epoch - 1),
		Current: r.key(epoch), Next: r.key(epoch + 1)}
	return k, err
}

// learn gives the next epoch the newest seed, and those that have none yet.
func (r *Ring) learn(epoch uint32) {
	for e := range r.byEpoch {
		if int32(e-epoch) < -1 {
			delete(r.byEpoch, e)
		}
	}
	for e := epoch - 1; e != epoch+1; e++ {
		if r.byEpoch[e] == nil {
			r.byEpoch[e] = r.newest
		}
	}
	r.byEpoch[epoch+1] = r.newest
}

func (r *Ring) key(epoch uint32) [16]byte {
	return derive(r.byEpoch[epoch], "epoch "+strconv.FormatUint(uint64(epoch), 10))
}

// derive makes a key for one purpose, RFC 5869.
func derive(seed []byte, purpose string) [16]byte {
	k, err := hkdf.Key(sha256.New, seed, nil, "handfast syn cookie "+purpose, 16)
	if err != nil {
		panic(err) // 16 bytes are never too many
	}
	return [16]byte(k)
}
