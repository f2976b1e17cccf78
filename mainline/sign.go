package mainline

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
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

// expandedKey is a private key without its seed. Its Sign takes some milliseconds, and how many depends on the key: not for
// a service that signs on the demand of strangers.
type expandedKey struct {
	scalar, prefix [32]byte
	public         ed25519.PublicKey
}

func newExpandedKey(b [64]byte) (*expandedKey, error) {
	k := &expandedKey{scalar: [32]byte(b[:32]), prefix: [32]byte(b[32:])}
	if k.scalar[0]&7 != 0 || k.scalar[31]&0xc0 != 0x40 { // RFC 8032, 5.1.5
		return nil, ErrKey
	}
	k.public = basePoint.times(littleEndian(k.scalar[:])).encode()
	return k, nil
}

// Public returns the ed25519.PublicKey (crypto.Signer).
func (k *expandedKey) Public() crypto.PublicKey { return k.public }

// Sign signs message itself, not a hash of it (crypto.Signer). It uses no randomness.
func (k *expandedKey) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.Hash(0) {
		return nil, errors.New("mainline: only plain ed25519")
	}
	return signExpanded(k, message), nil
}
