package krpc

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/dhtkit/dhtkit/routing"
)

// IDSize is the length of a Mainline id in bytes (BEP 5).
const IDSize = 20

// ID is a node id, an info hash or the target of a lookup: 20 bytes, big-endian (BEP 5). It prints as 40 hex digits.
type ID [IDSize]byte

// ParseID reads 40 hex digits of either case.
func ParseID(text string) (ID, error) {
	var id ID
	err := id.UnmarshalText([]byte(text))
	return id, err
}

// RandomID returns 20 bytes from the system's random source.
func RandomID() ID {
	var id ID
	rand.Read(id[:])
	return id
}

// IDOf returns the first 20 bytes of k.
func IDOf(k routing.Key) ID { return ID(k[:IDSize]) }

// Key returns id as a point of the key space.
func (id ID) Key() routing.Key { return routing.KeyOf(id[:]) }

// IsZero reports whether all bytes of id are zero.
func (id ID) IsZero() bool { return id == ID{} }

// String returns 40 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// AppendText appends what String returns. The error is always nil.
func (id ID) AppendText(dst []byte) ([]byte, error) { return hex.AppendEncode(dst, id[:]), nil }

// MarshalText returns what String returns. The error is always nil.
func (id ID) MarshalText() ([]byte, error) { return id.AppendText(nil) }

// UnmarshalText reads 40 hex digits of either case.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) != 2*IDSize {
		return fmt.Errorf("krpc: an id has 40 hex digits, not %d characters", len(text))
	}
	if _, err := hex.Decode(id[:], text); err != nil {
		return fmt.Errorf("krpc: id: %w", err)
	}
	return nil
}

// MarshalBencode returns the id as a string of 20 bytes, for structs of your own.
func (id ID) MarshalBencode() ([]byte, error) { return append([]byte("20:"), id[:]...), nil }

// UnmarshalBencode reads a string of exactly 20 bytes.
func (id *ID) UnmarshalBencode(b []byte) error {
	s, ok := bytes.CutPrefix(b, []byte("20:"))
	if !ok || len(s) != IDSize {
		return fmt.Errorf("krpc: an id is a string of %d bytes", IDSize)
	}
	*id = ID(s)
	return nil
}
