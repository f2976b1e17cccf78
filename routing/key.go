package routing

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"math/rand/v2"
)

// KeySize is the length of a Key in bytes.
const KeySize = 32

// Key is a point of the key space: a node id or the target of a lookup, big-endian, compared by XOR (BEP 5).
// Ids shorter than 32 bytes are left-aligned and followed by zeros, which changes no distance between ids of one
// length. The zero Key means "not known".
type Key [KeySize]byte

// KeyOf returns the first 32 bytes of b as a Key.
func KeyOf(b []byte) Key {
	var k Key
	copy(k[:], b)
	return k
}

// Xor returns the distance between k and o.
func (k Key) Xor(o Key) Key {
	for i := range k {
		k[i] ^= o[i]
	}
	return k
}

// Compare orders keys as unsigned numbers: -1, 0 or 1.
func (k Key) Compare(o Key) int { return bytes.Compare(k[:], o[:]) }

// IsZero reports whether k is the zero Key.
func (k Key) IsZero() bool { return k == Key{} }

// String returns all 32 bytes in hexadecimal. Protocols print their own, shorter ids.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// word returns bytes 8i to 8i+7 as a number; i is 0..3.
func (k *Key) word(i int) uint64 { return binary.BigEndian.Uint64(k[8*i : 8*i+8]) }

// head returns the first 64 bits, enough to order nearly all distances.
func (k *Key) head() uint64 { return k.word(0) }

// bit returns bit i, counted from the most significant one: 0 or 1.
func (k *Key) bit(i int) byte { return k[i/8] >> (7 - i%8) & 1 }

// window returns n bits (at most 8) from bit i on; bits past the end read as zero.
func (k *Key) window(i, n int) int {
	if i/8 >= KeySize {
		return 0
	}
	w := uint(k[i/8]) << 8
	if i/8+1 < KeySize {
		w |= uint(k[i/8+1])
	}
	return int(w << (i % 8) & 0xffff >> (16 - n))
}

// CommonBits returns how many leading bits a and b share, 0..256.
func CommonBits(a, b Key) int {
	for i := range KeySize / 8 {
		if x := a.word(i) ^ b.word(i); x != 0 {
			return 64*i + bits.LeadingZeros64(x)
		}
	}
	return 8 * KeySize
}

// CompareDistance compares the distances of a and b to target: -1 if a is nearer, 1 if b is, 0 if a == b.
func CompareDistance(target, a, b Key) int { return compareDistance(&target, &a, &b) }

func compareDistance(target, a, b *Key) int {
	for i := range KeySize / 8 {
		t := target.word(i)
		da, db := a.word(i)^t, b.word(i)^t
		if da != db {
			if da < db {
				return -1
			}
			return 1
		}
	}
	return 0
}

// RandomKey returns a key of keyLen bytes (the rest is zero) whose first bits bits are those of prefix and whose
// others are drawn from r. Arguments beyond 32 bytes or the key's length are cut to it.
func RandomKey(r *rand.Rand, keyLen int, prefix Key, bits int) Key {
	keyLen = min(max(keyLen, 0), KeySize)
	bits = min(max(bits, 0), 8*keyLen)
	var k Key
	for i := range KeySize / 8 {
		binary.BigEndian.PutUint64(k[8*i:], r.Uint64())
	}
	copy(k[:bits/8], prefix[:])
	if rest := bits % 8; rest != 0 {
		mask := byte(0xff) << (8 - rest)
		k[bits/8] = prefix[bits/8]&mask | k[bits/8]&^mask
	}
	clear(k[keyLen:])
	return k
}
