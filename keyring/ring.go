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
// at least 16 bytes. The first one must stay what it is.
//
// A secret with a time behind it, SECRET@2026-11-29T12:00:00Z (RFC 3339), makes the keys
// from the first epoch on that begins at that time or later. Hosts that learn it at
// different times agree all the same, as long as each has it two epochs before. One without
// a time makes the keys from the next epoch on: that is right where no host
// learns it before an epoch turns and another one after.
//
// It is called every few seconds and must not block for long. When it fails,
// what it said last stays in force.
type Seeds func() ([][]byte, error)

// File reads the seeds from a file, one a line. To roll the seed, append a
// line on every host; to make one for ten minutes from now:
//
//	echo "$(head -c 32 /dev/urandom | base64)@$(date -u -d '10 min' +%FT%TZ)"
//
// The file is opened by its name each time, so that it may be replaced, and may be a link that
// leads elsewhere later, as in a mounted secret of Kubernetes.
func File(name string) Seeds {
	return func() ([][]byte, error) {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		seeds := bytes.Fields(b)
		_, err = parse(name, seeds)
		return seeds, err
	}
}

// seed is a secret, and from which epoch on it makes keys.
type seed struct {
	secret []byte
	dated  bool
	from   uint32 // where it is dated
}

func parse(where string, texts [][]byte) (seeds []seed, err error) {
	for _, text := range texts {
		s := seed{secret: text}
		if at := bytes.LastIndexByte(text, '@'); at >= 0 {
			from, err := time.Parse(time.RFC3339, string(text[at+1:]))
			if s.dated = err == nil; s.dated {
				s.secret, s.from = text[:at], epochOf(from.Add(Epoch-time.Nanosecond))
			}
		}
		seeds = append(seeds, s)
	}
	return seeds, check(where, seeds)
}

func check(where string, seeds []seed) error {
	if len(seeds) == 0 {
		return fmt.Errorf("keyring: %s holds no seed: write one line of at least 16 bytes", where)
	}
	for i, s := range seeds {
		if len(s.secret) < 16 {
			return fmt.Errorf("keyring: %s: seed %d has %d bytes; at least 16 are needed", where, i+1, len(s.secret))
		}
	}
	return nil
}

// Epoch is how long a key makes cookies, by the wall clock. Two hosts' clocks
// may differ by as much.
const Epoch = 64 * time.Second

func epochOf(t time.Time) uint32 { return uint32(t.Unix() / int64(Epoch/time.Second)) }

// Ring knows which seed makes the key of which epoch. It is not safe for
// concurrent use; each host has its own.
type Ring struct {
	source  Seeds
	seeds   []seed
	byEpoch map[uint32][]byte
}

// New returns a ring of the seeds that source gives. It fails when there are
// none, or when one is too short.
func New(source Seeds) (*Ring, error) {
	r := &Ring{source: source, byEpoch: map[uint32][]byte{}}
	var err error
	r.seeds, err = r.ask()
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Ring) ask() ([]seed, error) {
	texts, err := r.source()
	if err != nil {
		return nil, err
	}
	return parse("the source", texts)
}

// Keys asks the source and returns the keys for now. With an error, which says
// why the source was of no use, they are those of the seeds known so far.
func (r *Ring) Keys(now time.Time) (tcp.CookieKeys, error) {
	epoch := epochOf(now)
	seeds, err := r.ask()
	switch {
	case err != nil: // go on as before
	case !bytes.Equal(seeds[0].secret, r.seeds[0].secret):
		err = errors.New("keyring: the first cookie seed has changed; it must stay, append new ones")
	default:
		r.seeds = seeds
	}
	r.learn(epoch)
	k := tcp.CookieKeys{Epoch: epoch, Base: derive(r.seeds[0].secret, "base"), Previous: r.key(epoch - 1),
		Current: r.key(epoch), Next: r.key(epoch + 1)}
	return k, err
}

// learn decides which seeds make the keys of three epochs.
func (r *Ring) learn(now uint32) {
	for e := range r.byEpoch {
		if int32(e-now) < -1 {
			delete(r.byEpoch, e)
		}
	}
	for e := now - 1; e != now+2; e++ {
		r.byEpoch[e] = r.secretOf(e, now)
	}
}

// secretOf returns what makes the key of an epoch: the last seed whose time has come by then.
// One without a time counts from the next epoch on, and leaves those before what they were.
func (r *Ring) secretOf(epoch, now uint32) []byte {
	known := r.byEpoch[epoch]
	for i := len(r.seeds) - 1; i >= 0; i-- {
		switch s := r.seeds[i]; {
		case s.dated && int32(epoch-s.from) >= 0:
			return s.secret
		case s.dated:
		case known != nil && epoch != now+1:
			return known
		default:
			return s.secret
		}
	}
	if known != nil {
		return known
	}
	return r.seeds[0].secret
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
