package mainline

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha1"
	"errors"
	"fmt"
	"strconv"

	"github.com/anacrolix/torrent/bencode"
	"github.com/dhtkit/dhtkit/krpc"
)

// What Verify finds wrong with an item.
var (
	ErrItemValue     = errors.New("mainline: the value of an item is 1 to 1000 bytes of canonical bencode")
	ErrItemSalt      = errors.New("mainline: a salt has up to 64 bytes")
	ErrItemSeq       = errors.New("mainline: a sequence number is not negative")
	ErrItemSignature = errors.New("mainline: the signature of an item does not fit")
)

// Item is what the DHT stores besides peers (BEP 44): a value of up to 1000 bytes under a target of 20 bytes. Of an immutable
// item the target is the hash of the value. A mutable one (K is not nil) can be replaced by its owner, who signs each
// version; its target is the hash of key and salt. An Item that a node returns or stores is shared: do not change it.
type Item struct {
	V    []byte            // the value, bencoded, byte for byte as it was signed: see Decode
	K    ed25519.PublicKey // 32 bytes; nil: immutable, and the rest is empty
	Salt []byte            // up to 64 bytes, so that one key has many items
	Seq  int64             // version: the highest counts. Not negative; publish from 1 on and below 2^53
	Sig  []byte            // 64 bytes, over salt, seq and value
}

// NewItem returns the immutable item with this value: anything that anacrolix/torrent/bencode encodes, bencode.Bytes as they
// are. The error wraps ErrItemValue.
func NewItem(value any) (*Item, error) {
	v, err := encodeValue(value)
	if err != nil {
		return nil, err
	}
	return &Item{V: v}, nil
}

func encodeValue(value any) ([]byte, error) {
	v, err := bencode.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrItemValue, err)
	}
	if !validValue(v) {
		return nil, ErrItemValue
	}
	return v, nil
}

func validValue(v []byte) bool { return len(v) <= krpc.MaxValue && krpc.Canonical(v) }

// Mutable reports whether the item is signed.
func (it *Item) Mutable() bool { return it.K != nil }

// Target returns the key under which the item is stored.
func (it *Item) Target() krpc.ID {
	if it.Mutable() {
		return MutableTarget(it.K, it.Salt)
	}
	return sha1.Sum(it.V)
}

// MutableTarget returns the key under which the items are stored that the owner of key signs with salt: the hash of both.
func MutableTarget(key ed25519.PublicKey, salt []byte) krpc.ID {
	var scratch [ed25519.PublicKeySize + krpc.MaxSalt]byte
	return sha1.Sum(append(append(scratch[:0], key...), salt...))
}

// Decode reads the value into dst, as bencode.Unmarshal does. A destination that makes it panic makes an error, since what
// is in the value is a stranger's choice.
func (it *Item) Decode(dst any) (err error) {
	if !validValue(it.V) {
		return ErrItemValue
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("mainline: decode into %T: %v", dst, p)
		}
	}()
	if err := bencode.Unmarshal(it.V, dst); err != nil {
		return fmt.Errorf("mainline: decode into %T: %w", dst, err)
	}
	return nil
}

// Verify reports what is wrong with an item: nil, or one of the errors above. A signature whose scalar is not reduced does
// not fit.
func (it *Item) Verify() error {
	if err := it.check(); err != nil {
		return err
	}
	var scratch [signedSize]byte
	if it.Mutable() && !ed25519.Verify(it.K, it.appendSigned(scratch[:0]), it.Sig) {
		return ErrItemSignature
	}
	return nil
}

// check does all of Verify but for the signature.
func (it *Item) check() error {
	switch {
	case !validValue(it.V):
		return ErrItemValue
	case !it.Mutable() && (it.Sig != nil || len(it.Salt) > 0 || it.Seq != 0):
		return ErrItemSignature
	case !it.Mutable():
		return nil
	case len(it.Salt) > krpc.MaxSalt:
		return ErrItemSalt
	case it.Seq < 0:
		return ErrItemSeq
	case len(it.K) != ed25519.PublicKeySize || len(it.Sig) != ed25519.SignatureSize:
		return ErrItemSignature
	}
	return nil
}

// signedSize is the most that a signature is over, in bytes.
const signedSize = len("4:salt64:") + krpc.MaxSalt + len("3:seqi9223372036854775807e1:v") + krpc.MaxValue

// appendSigned appends what the signature of an item is over (BEP 44).
func (it *Item) appendSigned(dst []byte) []byte {
	if len(it.Salt) > 0 {
		dst = append(dst, "4:salt"...)
		dst = append(strconv.AppendInt(dst, int64(len(it.Salt)), 10), ':')
		dst = append(dst, it.Salt...)
	}
	dst = strconv.AppendInt(append(dst, "3:seqi"...), it.Seq, 10)
	return append(append(dst, "e1:v"...), it.V...)
}

// newer reports whether it takes precedence over o, if both are verified items of one target: by number, then, so that
// everybody agrees, by the larger value. Every item is newer than none.
func (it *Item) newer(o *Item) bool {
	return o == nil || it.Seq > o.Seq || it.Seq == o.Seq && bytes.Compare(it.V, o.V) > 0
}

// equal reports whether two items are the same, byte for byte.
func (it *Item) equal(o *Item) bool {
	return it.Seq == o.Seq && bytes.Equal(it.V, o.V) && bytes.Equal(it.K, o.K) && bytes.Equal(it.Salt, o.Salt) && bytes.Equal(it.Sig, o.Sig)
}

// clone returns an item with bytes of its own.
func (it *Item) clone() *Item {
	all := make([]byte, 0, len(it.V)+len(it.K)+len(it.Salt)+len(it.Sig))
	own := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		all = append(all, b...)
		return all[len(all)-len(b) : len(all) : len(all)]
	}
	return &Item{V: own(it.V), K: own(it.K), Salt: own(it.Salt), Seq: it.Seq, Sig: own(it.Sig)}
}

// args are the arguments of a put of this item.
func (it *Item) args() krpc.PutArgs {
	return krpc.PutArgs{V: it.V, K: it.K, Salt: it.Salt, Seq: it.Seq, Sig: it.Sig}
}

// itemIn returns the item that is put, as a view into the datagram.
func itemIn(a *krpc.PutArgs) Item {
	return Item{V: a.V, K: a.K, Salt: a.Salt, Seq: a.Seq, Sig: a.Sig}
}
