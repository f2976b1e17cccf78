package mainline

import (
	"crypto/sha1"
	"math"
	"math/bits"
	"net/netip"
)

// From BEP 33: a filter has 2048 bits, and every address sets two of them.
const (
	filterSize = 256
	filterBits = 8 * filterSize
)

// Filter is a set of addresses that can be counted but not listed (BEP 33): a Bloom filter of 256 bytes. The zero value is
// the empty set. It counts well up to some 6000 addresses.
type Filter [filterSize]byte

// spots are the two bits that an address sets. They may be the same.
type spots [2]uint16

// spotsOf hashes the 4 or 16 bytes of an address; an IPv4-mapped one counts as IPv4.
func spotsOf(ip netip.Addr) spots {
	var h [sha1.Size]byte
	if ip = ip.Unmap(); ip.Is4() {
		b := ip.As4()
		h = sha1.Sum(b[:])
	} else {
		b := ip.As16()
		h = sha1.Sum(b[:])
	}
	return spots{(uint16(h[0]) | uint16(h[1])<<8) % filterBits, (uint16(h[2]) | uint16(h[3])<<8) % filterBits}
}

func (f *Filter) set(s spots) {
	for _, i := range s {
		f[i/8] |= 1 << (i % 8)
	}
}

// Insert adds an address.
func (f *Filter) Insert(ip netip.Addr) { f.set(spotsOf(ip)) }

// Contains reports whether ip may have been added: always if it was, sometimes if not.
func (f *Filter) Contains(ip netip.Addr) bool {
	for _, i := range spotsOf(ip) {
		if f[i/8]>>(i%8)&1 == 0 {
			return false
		}
	}
	return true
}

// Union adds everything that is in o.
func (f *Filter) Union(o *Filter) {
	for i := range f {
		f[i] |= o[i]
	}
}

// IsZero reports whether nothing was added.
func (f *Filter) IsZero() bool { return *f == Filter{} }

// zeros counts the bits that are not set.
func (f *Filter) zeros() int {
	n := filterBits
	for _, b := range f {
		n -= bits.OnesCount8(b)
	}
	return n
}

// Estimate returns about how many different addresses were added: 0 for the empty filter, where the formula of BEP 33
// gives a half, and +Inf for one whose bits are all set.
func (f *Filter) Estimate() float64 {
	zeros := f.zeros()
	switch zeros {
	case filterBits:
		return 0
	case 0:
		return math.Inf(1)
	}
	return math.Log(float64(zeros)/filterBits) / (2 * math.Log(1-1.0/filterBits))
}

// minZeros is how many bits of a filter of 6000 addresses are still zero (BEP 33: beyond that its estimate is no use).
const minZeros = 6

// overfull reports whether f holds too much to tell how much.
func (f *Filter) overfull() bool { return f.zeros() < minZeros }
