// Package token makes and checks the round-trip tokens of dht-rpc, whatever its version: 32 bytes that a node hands to
// whoever asks it, and wants to see before it takes a write from the same host. The versions differ in the hash and in how
// long a token lives.
package token

import (
	"crypto/rand"
	"crypto/subtle"
	"net/netip"
	"time"

	"golang.org/x/crypto/blake2b"
)

// Size is the length of a token, and of a secret, in bytes.
const Size = 32

// Jar makes tokens with the current one of two secrets and takes those of both: a token lives between one and two
// lifetimes. It has no lock and no clock. The zero value is ready once Lifetime and Sum are set.
type Jar struct {
	Lifetime time.Duration                                        // of a secret
	Sum      func(secret *[Size]byte, host netip.Addr) [Size]byte // Plain or Keyed
	Entropy  func([]byte)                                         // fills a secret; nil: crypto/rand

	current, previous [Size]byte
	changed           time.Time // when current was made; zero: never
}

// Append appends the token of a host.
func (j *Jar) Append(dst []byte, host netip.Addr, now time.Time) []byte {
	j.rotate(now)
	t := j.Sum(&j.current, host)
	return append(dst, t[:]...)
}

// Valid reports whether the host was given this token not too long ago.
func (j *Jar) Valid(tok []byte, host netip.Addr, now time.Time) bool {
	j.rotate(now)
	a, b := j.Sum(&j.current, host), j.Sum(&j.previous, host)
	return subtle.ConstantTimeCompare(tok, a[:])|subtle.ConstantTimeCompare(tok, b[:]) == 1
}

// rotate makes new secrets if it is time.
func (j *Jar) rotate(now time.Time) {
	age := now.Sub(j.changed)
	if !j.changed.IsZero() && age < j.Lifetime {
		return
	}
	j.previous = j.current
	j.draw(&j.current)
	if j.changed.IsZero() || age >= 2*j.Lifetime {
		j.draw(&j.previous) // too old to be accepted
		j.changed = now
		return
	}
	j.changed = j.changed.Add(j.Lifetime)
}

func (j *Jar) draw(secret *[Size]byte) {
	if j.Entropy == nil {
		rand.Read(secret[:])
		return
	}
	j.Entropy(secret[:])
}

// Plain is BLAKE2b-256 over the secret and the host as text: dht-rpc 4.
func Plain(secret *[Size]byte, host netip.Addr) [Size]byte {
	var b [Size + maxText]byte
	copy(b[:], secret[:])
	return blake2b.Sum256(host.AppendTo(b[:Size]))
}

// maxText is the length of the longest address as text.
const maxText = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")
