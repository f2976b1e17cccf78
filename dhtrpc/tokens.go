package dhtrpc

import (
	"crypto/rand"
	"crypto/subtle"
	"hash"
	"net/netip"
	"time"

	"golang.org/x/crypto/blake2b"
)

// tokenTurn is how long a secret makes tokens; for as long again they are still taken (dht-rpc 4).
const tokenTurn = 7500 * time.Millisecond

// tokens proves round trips: what an address sends back was sent to it. A token is the keyed BLAKE2b-256 of the host as
// text, so that any port of the host may use it.
type tokens struct {
	previous, current secret
	turns             time.Time // when current becomes previous; zero: there are no secrets yet
	text, proof       []byte    // scratch
}

// secret is a key, and the hash keyed with it, kept because making one allocates.
type secret struct {
	key [IDSize]byte
	mac hash.Hash
}

func (s *secret) set(key [IDSize]byte) {
	s.key = key
	s.mac, _ = blake2b.New256(key[:]) // fails for keys above 64 bytes only
}

// appendTo appends the token for host.
func (t *tokens) appendTo(dst []byte, host netip.Addr, now time.Time) []byte {
	t.turn(now)
	return t.sum(dst, &t.current, host)
}

// valid reports whether token was given to host less than two turns ago.
func (t *tokens) valid(token []byte, host netip.Addr, now time.Time) bool {
	t.turn(now)
	t.proof = t.sum(t.proof[:0], &t.current, host)
	if subtle.ConstantTimeCompare(t.proof, token) == 1 {
		return true
	}
	t.proof = t.sum(t.proof[:0], &t.previous, host)
	return subtle.ConstantTimeCompare(t.proof, token) == 1
}

func (t *tokens) sum(dst []byte, s *secret, host netip.Addr) []byte {
	t.text = host.Unmap().AppendTo(t.text[:0])
	s.mac.Reset()
	s.mac.Write(t.text)
	return s.mac.Sum(dst)
}

// turn makes the secrets at their first need and rotates them as often as is due; after two times nothing given before is
// valid any more.
func (t *tokens) turn(now time.Time) {
	if t.turns.IsZero() {
		var p, c [IDSize]byte
		rand.Read(p[:]) // never fails
		rand.Read(c[:])
		t.previous.set(p)
		t.current.set(c)
		t.turns = now.Add(tokenTurn)
		return
	}
	late := now.Sub(t.turns)
	if late < 0 {
		return
	}
	for range min(1+int(late/tokenTurn), 2) {
		t.rotate()
	}
	t.turns = now.Add(tokenTurn - late%tokenTurn)
}

// rotate makes the next secret out of the older one.
func (t *tokens) rotate() {
	next := blake2b.Sum256(t.previous.key[:])
	t.previous, t.current = t.current, secret{}
	t.current.set(next)
}
