package dhtrpc

import (
	"encoding/hex"
	"errors"
	"net/netip"

	"golang.org/x/crypto/blake2b"

	"github.com/dhtkit/dhtkit/routing"
)

// IDSize is the length of ids, targets, tokens and secrets in bytes.
const IDSize = 32

// ID is a point of the key space: a node's id or the target of a query, compared by XOR as a big-endian number.
type ID [IDSize]byte

// IDOf returns the id of the node at a: the unkeyed BLAKE2b-256 of its six bytes on the wire, address then little-endian
// port (dht-rpc 3). An IPv4-mapped IPv6 address counts as the IPv4 address in it; of what is no IPv4 address the id is
// zero, which no node has.
func IDOf(a netip.AddrPort) ID {
	if !a.Addr().Unmap().Is4() {
		return ID{}
	}
	var b [addrSize]byte
	putAddr(&b, a)
	return blake2b.Sum256(b[:])
}

// Hash returns the unkeyed BLAKE2b-256 of b: the usual way to a target.
func Hash(b []byte) ID { return blake2b.Sum256(b) }

// ErrBadID is what ParseID says to anything but 64 hexadecimal digits.
var ErrBadID = errors.New("dhtrpc: an id is 64 hexadecimal digits")

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	if hex.DecodedLen(len(s)) != IDSize || len(s)%2 != 0 {
		return id, ErrBadID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, ErrBadID
	}
	return id, nil
}

// Key returns id as the routing package's key.
func (id ID) Key() routing.Key { return routing.Key(id) }

// String returns 64 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns what String does (encoding.TextMarshaler).
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote; the error is ErrBadID.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// Contact is a node and where it is reached.
type Contact struct {
	ID   ID
	Addr netip.AddrPort
}

// contactAt returns the node at a.
func contactAt(a netip.AddrPort) Contact { return Contact{ID: IDOf(a), Addr: a} }

func (c Contact) node() routing.Node { return routing.Node{Key: c.ID.Key(), Addr: c.Addr} }

func contactOf(n routing.Node) Contact { return Contact{ID: ID(n.Key), Addr: n.Addr} }

// nodeAt is contactAt for the routing package.
func nodeAt(a netip.AddrPort) routing.Node { return routing.Node{Key: IDOf(a).Key(), Addr: a} }
