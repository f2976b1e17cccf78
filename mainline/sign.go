package mainline

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"

	"filippo.io/edwards25519"
)

// ErrKey reports bytes that are no private key, or a signer that is not for ed25519.
var ErrKey = errors.New("mainline: not an ed25519 private key")

// SignItem returns the mutable item with this value, which is encoded as by NewItem, signed with key: an
// ed25519.PrivateKey, what ParsePrivateKey returns, or any other signer for ed25519. The error wraps ErrItemValue,
// ErrItemSalt, ErrItemSeq, ErrKey, or is the signer's.
func SignItem(key crypto.Signer, salt []byte, seq int64, value any) (*Item, error) {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok || len(pub) != ed25519.PublicKeySize {
		return nil, ErrKey
	}
	v, err := encodeValue(value)
	if err != nil {
		return nil, err
	}
	it := &Item{V: v, K: pub, Salt: bytes.Clone(salt), Seq: seq, Sig: make([]byte, ed25519.SignatureSize)}
	if err := it.check(); err != nil {
		return nil, err
	}
	if it.Sig, err = key.Sign(nil, it.appendSigned(nil), crypto.Hash(0)); err != nil {
		return nil, fmt.Errorf("mainline: sign an item: %w", err)
	}
	return it, nil
}

// ParsePrivateKey reads an ed25519 key in one of the forms that DHT clients use:
//
//   - 32 bytes: the seed of RFC 8032;
//   - 64 bytes: seed and public key, as Go's ed25519.PrivateKey;
//   - 64 bytes: the expanded form that libtorrent, bittorrent-dht and the examples of BEP 44 have, a scalar and a prefix.
func ParsePrivateKey(b []byte) (crypto.Signer, error) {
	switch len(b) {
	case ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(b), nil
	case ed25519.PrivateKeySize:
		if key := ed25519.NewKeyFromSeed(b[:ed25519.SeedSize]); bytes.Equal(key, b) {
			return key, nil
		}
		return newExpandedKey([64]byte(b))
	}
	return nil, ErrKey
}

// expandedKey is a private key without its seed.
type expandedKey struct {
	scalar *edwards25519.Scalar
	prefix [32]byte
	public ed25519.PublicKey
}

func newExpandedKey(b [64]byte) (*expandedKey, error) {
	if b[0]&7 != 0 || b[31]&0xc0 != 0x40 { // RFC 8032, 5.1.5
		return nil, ErrKey
	}
	scalar, err := new(edwards25519.Scalar).SetBytesWithClamping(b[:32])
	if err != nil {
		return nil, ErrKey
	}
	public := new(edwards25519.Point).ScalarBaseMult(scalar).Bytes()
	return &expandedKey{scalar, [32]byte(b[32:]), public}, nil
}

// Public returns the ed25519.PublicKey (crypto.Signer).
func (k *expandedKey) Public() crypto.PublicKey { return k.public }

// Sign signs message itself, not a hash of it (crypto.Signer), as RFC 8032, 5.1.6 from its second step on. It uses no
// randomness.
func (k *expandedKey) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.Hash(0) {
		return nil, errors.New("mainline: only plain ed25519")
	}
	r := hashScalar(k.prefix[:], message)
	head := new(edwards25519.Point).ScalarBaseMult(r).Bytes()
	s := hashScalar(head, k.public, message)
	return append(head, s.MultiplyAdd(s, k.scalar, r).Bytes()...), nil
}

func hashScalar(parts ...[]byte) *edwards25519.Scalar {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	s, err := new(edwards25519.Scalar).SetUniformBytes(h.Sum(nil))
	if err != nil {
		panic(err) // only for another length than 64 bytes
	}
	return s
}
