package mainline

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
)

// From BEP 5: the secret changes every five minutes and tokens up to ten minutes old are accepted.
const secretLifetime = 5 * time.Minute

// tokenLen is the length of our tokens in bytes. Ours.
const tokenLen = 8

// tokenJar makes and checks write tokens: the first 8 bytes of a keyed hash over the requester's address and the key it
// asked for. Neither its port, which NATs change, nor its node id is part of it. A token lives 5 to 10 minutes.
type tokenJar struct {
	current, previous [16]byte
	changed           time.Time // when current was made; zero: never
	entropy           func([]byte)
}

func cryptoEntropy(b []byte) { rand.Read(b) }

// append appends the token with which addr may write under key.
func (j *tokenJar) append(dst []byte, addr netip.Addr, key krpc.ID, now time.Time) []byte {
	j.rotate(now)
	t := token(j.current, addr, key)
	return append(dst, t[:]...)
}

// valid reports whether addr got this token for key within the last five to ten minutes.
func (j *tokenJar) valid(tok []byte, addr netip.Addr, key krpc.ID, now time.Time) bool {
	j.rotate(now)
	a, b := token(j.current, addr, key), token(j.previous, addr, key)
	return subtle.ConstantTimeCompare(tok, a[:])|subtle.ConstantTimeCompare(tok, b[:]) == 1
}

func (j *tokenJar) rotate(now time.Time) {
	age := now.Sub(j.changed)
	if !j.changed.IsZero() && age < secretLifetime {
		return
	}
	j.previous = j.current
	j.draw(&j.current)
	if j.changed.IsZero() || age >= 2*secretLifetime {
		j.draw(&j.previous) // too old to be accepted
		j.changed = now
		return
	}
	j.changed = j.changed.Add(secretLifetime)
}

func (j *tokenJar) draw(secret *[16]byte) {
	if j.entropy == nil {
		j.entropy = cryptoEntropy
	}
	j.entropy(secret[:])
}

func token(secret [16]byte, addr netip.Addr, key krpc.ID) [tokenLen]byte {
	var b [16 + 1 + 16 + 20]byte
	copy(b[:], secret[:])
	if addr.Is4() {
		b[16] = 4
	}
	ip := addr.As16()
	copy(b[17:], ip[:])
	copy(b[33:], key[:])
	sum := sha256.Sum256(b[:])
	return [tokenLen]byte(sum[:])
}
