package handfast

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/handfast-tcp/handfast/tcp"
)

// Seeds returns the secrets that the keys of SYN cookies are derived from: the
// oldest first, each at least 16 bytes. Hosts with the same seeds accept each
// other's cookies, so that the SYN and the last ACK of a handshake may reach
// different hosts (ECMP, anycast). The newest seed makes the keys from the next
// epoch on; the first one must stay what it is.
//
// It is called every few seconds and must not block for long. When it fails,
// what it said last stays in force.
type Seeds func() ([][]byte, error)

// SeedFile reads the seeds from a file, one a line. To roll the seed, append a
// line on every host; to make one: head -c 32 /dev/urandom | base64.
func SeedFile(name string) Seeds {
	return func() ([][]byte, error) {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		seeds := bytes.Fields(b)
		return seeds, checkSeeds(name, seeds)
	}
}

func checkSeeds(where string, seeds [][]byte) error {
	if len(seeds) == 0 {
		return fmt.Errorf("handfast: %s holds no seed: write one line of at least 16 bytes", where)
	}
	for i, s := range seeds {
		if len(s) < 16 {
			return fmt.Errorf("handfast: %s: seed %d has %d bytes; at least 16 are needed", where, i+1, len(s))
		}
	}
	return nil
}

// seedEpoch is the length of an epoch, by the wall clock: clocks may differ by
// as much.
const seedEpoch = 64 * time.Second

// seedCheck is how often the source is asked.
const seedCheck = 5 * time.Second

// seedRing knows which seed makes the key of which epoch.
type seedRing struct {
	source  Seeds
	base    []byte
	byEpoch map[uint32][]byte
}

func newSeedRing(source Seeds) (*seedRing, error) {
	r := &seedRing{source: source, byEpoch: map[uint32][]byte{}}
	seeds, err := source()
	if err == nil {
		err = checkSeeds("Config.CookieSeeds", seeds)
	}
	if err != nil {
		return nil, err
	}
	r.base = seeds[0]
	return r, nil
}

// keys asks the source and returns the keys for now.
func (r *seedRing) keys(now time.Time) (tcp.CookieKeys, error) {
	epoch := uint32(now.Unix() / int64(seedEpoch/time.Second))
	seeds, err := r.source()
	if err == nil {
		err = checkSeeds("Config.CookieSeeds", seeds)
	}
	if err == nil {
		if !bytes.Equal(seeds[0], r.base) {
			err = errors.New("handfast: the first cookie seed has changed; it must stay, append new ones")
		}
		r.learn(epoch, seeds[len(seeds)-1])
	}
	if r.byEpoch[epoch] == nil {
		r.learn(epoch, r.byEpoch[epoch-1]) // the source is silent: go on as before
	}
	k := tcp.CookieKeys{Epoch: epoch, Base: derive(r.base, "base"), Previous: r.key(epoch - 1),
		Current: r.key(epoch), Next: r.key(epoch + 1)}
	return k, err
}

// learn takes a seed for the next epoch, and for those that have none yet.
func (r *seedRing) learn(epoch uint32, newest []byte) {
	if newest == nil {
		newest = r.base
	}
	for e := epoch - 1; e != epoch+1; e++ {
		if r.byEpoch[e] == nil {
			r.byEpoch[e] = newest
		}
	}
	r.byEpoch[epoch+1] = newest
	delete(r.byEpoch, epoch-2)
	delete(r.byEpoch, epoch-3)
}

func (r *seedRing) key(epoch uint32) [16]byte {
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

// turnKeys gives all shards the keys of now, and does so again and again until
// the host is closed.
func (h *Host) turnKeys(r *seedRing) {
	keys, err := r.keys(time.Now())
	if err != nil {
		h.cfg.Logger.Warn("cookie seeds", "error", err)
	}
	for _, s := range h.shards {
		s.mu.Lock()
		s.tcp.ShareCookieKeys(keys)
		s.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.seedTimer = time.AfterFunc(seedCheck, func() { h.turnKeys(r) })
	}
}
