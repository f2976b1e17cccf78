package mainline

import (
	"crypto/sha512"
	"math/big"
	"slices"
)

// The arithmetic of ed25519 (RFC 8032, 5.1) as far as the standard library does not offer it: signing with a key of which
// only the expanded form is left. It is written for shortness, not for speed, and does not run in constant time.

func bigInt(decimal string) *big.Int {
	n, _ := new(big.Int).SetString(decimal, 10)
	return n
}

var (
	fieldPrime = bigInt("57896044618658097711785492504343953926634992332820282019728792003956564819949") // 2^255 - 19
	groupOrder = bigInt("7237005577332262213973186563042994240857116359379907606001950938285454250989")  // of the base point
	curveD     = bigInt("37095705934669439343138083508754565189542113879843219016388785533085940283555")
	basePoint  = point{
		bigInt("15112221349535400772501151409588531511454012693041857206046113283949847762202"),
		bigInt("46316835694926478169428394003475163141307993866256225615783033603165251855960"),
		big.NewInt(1),
	}
)

// point is x/z, y/z on the curve -x² + y² = 1 + d x² y².
type point struct{ x, y, z *big.Int }

// mul returns the product of its arguments in the field.
func mul(first *big.Int, more ...*big.Int) *big.Int {
	p := new(big.Int).Set(first)
	for _, m := range more {
		p.Mod(p.Mul(p, m), fieldPrime)
	}
	return p
}

func add(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }
func sub(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }

// plus adds two points with the complete formulas for projective coordinates (Bernstein and others, 2008, a = -1).
func (p point) plus(o point) point {
	a := mul(p.z, o.z)
	b := mul(a, a)
	c, d := mul(p.x, o.x), mul(p.y, o.y)
	e := mul(curveD, c, d)
	f, g := sub(b, e), add(b, e)
	cross := sub(sub(mul(add(p.x, p.y), add(o.x, o.y)), c), d)
	return point{mul(a, f, cross), mul(a, g, add(d, c)), mul(f, g)}
}

// times returns the n-fold of p.
func (p point) times(n *big.Int) point {
	sum := point{new(big.Int), big.NewInt(1), big.NewInt(1)}
	for i := n.BitLen() - 1; i >= 0; i-- {
		if sum = sum.plus(sum); n.Bit(i) == 1 {
			sum = sum.plus(p)
		}
	}
	return sum
}

// encode returns y as 32 bytes, lowest first, with the lowest bit of x as the highest of all.
func (p point) encode() []byte {
	inv := new(big.Int).ModInverse(p.z, fieldPrime)
	b := bytes32(mul(p.y, inv))
	b[31] |= byte(mul(p.x, inv).Bit(0)) << 7
	return b
}

// signExpanded signs as RFC 8032, 5.1.6 from its second step on.
func signExpanded(k *expandedKey, message []byte) []byte {
	r := hashScalar(k.prefix[:], message)
	head := basePoint.times(r).encode()
	s := hashScalar(head, k.public, message)
	s.Mul(s, littleEndian(k.scalar[:]))
	s.Mod(s.Add(s, r), groupOrder)
	return append(head, bytes32(s)...)
}

func hashScalar(parts ...[]byte) *big.Int {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	n := littleEndian(h.Sum(nil))
	return n.Mod(n, groupOrder)
}

func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func bytes32(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	return b
}
