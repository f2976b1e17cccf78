// Package token makes and checks the round-trip tokens of dht-rpc, whatever its version: 32 bytes that a node hands to
// whoever asks it, and wants to see before it takes a write from the same host.
package token

import (
	"crypto/rand"
	"crypto/subtle"
	"hash"
	"net/netip"
	"time"

	"golang.org/x/crypto/blake2b"
)

// Size is the length of a token, and of a secret, in bytes.
const Size = 32

// Jar makes tokens with the current one of two secrets and takes those of both, so a token lives between one and two
// lifetimes. It is the BLAKE2b-256 of the host as text, so that any port of the host may use it; the versions differ in what
// the secret has to do with it. A Jar has no lock and no clock; it is ready once its exported fields are set.
type Jar struct {
	Lifetime time.Duration // of a secret
	Keyed    bool          // the secret is the key of the hash (dht-rpc 6), else it stands before the host (dht-rpc 4)

	previous, current secret
	turns             time.Time // when current becomes previous; zero: there are no secrets yet
	text, proof       []byte    // scratch
}

// secret is a key, and the hash keyed with it, kept because making one allocates.
type secret struct {
	key [Size]byte
	mac hash.Hash
}

func (s *secret) set(key [Size]byte) {
	s.key = key
	s.mac, _ = blake2b.New256(key[:]) // fails for keys above 64 bytes only
}

// Set makes these the secrets, until the current one becomes the previous one.
func (j *Jar) Set(previous, current [Size]byte, until time.Time) {
	j.previous.set(previous)
	j.current.set(current)
	j.turns = until
}

// Append appends the token for host.
func (j *Jar) Append(dst []byte, host netip.Addr, now time.Time) []byte {
	j.turn(now)
	return j.sum(dst, &j.current, host)
}

// Valid reports whether token was given to host less than two lifetimes ago.
func (j *Jar) Valid(token []byte, host netip.Addr, now time.Time) bool {
	j.turn(now)
	j.proof = j.sum(j.proof[:0], &j.current, host)
	current := subtle.ConstantTimeCompare(j.proof, token)
	j.proof = j.sum(j.proof[:0], &j.previous, host)
	return current|subtle.ConstantTimeCompare(j.proof, token) == 1
}

func (j *Jar) sum(dst []byte, s *secret, host netip.Addr) []byte {
	if j.Keyed {
		j.text = host.Unmap().AppendTo(j.text[:0])
		s.mac.Reset()
		s.mac.Write(j.text)
		return s.mac.Sum(dst)
	}
	j.text = host.Unmap().AppendTo(append(j.text[:0], s.key[:]...))
	t := blake2b.Sum256(j.text)
	return append(dst, t[:]...)
}

// turn makes the secrets at their first need and rotates them as often as is due; after two times nothing given before is
// valid any more.
func (j *Jar) turn(now time.Time) {
	if j.turns.IsZero() {
		var p, c [Size]byte
		rand.Read(p[:]) // never fails
		rand.Read(c[:])
		j.Set(p, c, now.Add(j.Lifetime))
		return
	}
	late := now.Sub(j.turns)
	if late < 0 {
		return
	}
	for range min(1+int(late/j.Lifetime), 2) {
		j.rotate()
	}
	j.turns = now.Add(j.Lifetime - late%j.Lifetime)
}

// rotate makes the next secret out of the older one, as npm dht-rpc 6 does.
func (j *Jar) rotate() {
	next := blake2b.Sum256(j.previous.key[:])
	j.previous, j.current = j.current, secret{}
	j.current.set(next)
}
