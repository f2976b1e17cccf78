package kv

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"math"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// MaxValue is the longest value, in bytes: with all there is around it, a datagram passes any path of the Internet.
const MaxValue = 1000

// Record is a value with what vouches for it.
type Record struct {
	Kind  Kind
	Value []byte
	TTL   time.Duration     // how long it is kept from now on, if nobody puts it again
	Owner ed25519.PublicKey // who signed it; nil for KindHash, like the rest
	Seq   uint64            // version: the highest counts
	Name  string

	sig []byte
}

const (
	headSize = 1 + 4
	signSize = 8 + ed25519.PublicKeySize + ed25519.SignatureSize + 1
	signText = "dhtkit kv 1"
)

// append appends the record as it is on the wire.
func (r *Record) append(dst []byte) []byte {
	dst = append(dst, byte(r.Kind))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(clampTTL(r.TTL)/time.Second))
	if r.Kind != KindHash {
		dst = binary.LittleEndian.AppendUint64(dst, r.Seq)
		dst = append(append(dst, r.Owner...), r.sig...)
		dst = append(append(dst, byte(len(r.Name))), r.Name...)
	}
	return append(dst, r.Value...)
}

// clampTTL is the nearest time to live that the wire can express, in whole seconds.
func clampTTL(d time.Duration) time.Duration {
	return min(max(d, time.Second), math.MaxUint32*time.Second).Truncate(time.Second)
}

// parseRecord reads what append wrote, as a view into b.
func parseRecord(b []byte) (r Record, ok bool) {
	if len(b) < headSize || Kind(b[0]) > KindName {
		return r, false
	}
	r.Kind, r.TTL = Kind(b[0]), time.Duration(binary.LittleEndian.Uint32(b[1:]))*time.Second
	b = b[headSize:]
	if r.Kind != KindHash {
		if len(b) < signSize {
			return r, false
		}
		r.Seq = binary.LittleEndian.Uint64(b)
		r.Owner, r.sig = b[8:40:40], b[40:104:104]
		size := int(b[104])
		if b = b[signSize:]; size > MaxName || size > len(b) {
			return r, false
		}
		r.Name, b = string(b[:size]), b[size:]
	}
	r.Value = b
	return r, len(b) <= MaxValue && r.TTL > 0
}

// target returns the point of the key space at which the record belongs.
func (r *Record) target() dhtrpc.ID { return r.key().target }

// signed is what the signature is over.
func (r *Record) signed() []byte {
	b := append([]byte(signText), byte(r.Kind))
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = append(append(b, byte(len(r.Name))), r.Name...)
	return append(b, r.Value...)
}

// sign makes the record the signer's.
func (r *Record) sign(key crypto.Signer) (err error) {
	r.sig, err = key.Sign(rand.Reader, r.signed(), crypto.Hash(0))
	return err
}

// key is what the record is under.
func (r *Record) key() Key {
	switch r.Kind {
	case KindOwned:
		return Owned(r.Owner, r.Name)
	case KindName:
		return Name(r.Name)
	}
	return HashOf(r.Value)
}

// genuine reports whether the record is what its writer wrote. That it belongs to its target is another question.
func (r *Record) genuine() bool {
	return r.Kind == KindHash || ed25519.Verify(r.Owner, r.signed(), r.sig)
}

// newer reports whether the record replaces another of the same writer. Of two with one number, which only two programs
// with one key at the same time make, all nodes prefer the same.
func (r *Record) newer(o *Record) bool {
	return r.Seq > o.Seq || r.Seq == o.Seq && bytes.Compare(r.Value, o.Value) > 0
}

// same reports whether two records of a key are the same version of the same writer.
func (r *Record) same(o *Record) bool {
	return r.Seq == o.Seq && bytes.Equal(r.Owner, o.Owner) && bytes.Equal(r.Value, o.Value)
}

// clone returns a record with bytes of its own.
func (r *Record) clone() *Record {
	c := *r
	c.Value, c.Owner, c.sig = bytes.Clone(r.Value), bytes.Clone(r.Owner), bytes.Clone(r.sig)
	return &c
}
