package legacy

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
)

// IDSize is the length of an id, a target and a token in bytes.
const IDSize = 32

// ID is a point of the key space: a node's id or the target of a query, compared by XOR as a big-endian number.
type ID [IDSize]byte

// RandomID returns 32 bytes from the system's random source, which is how nodes get their ids.
func RandomID() ID {
	var id ID
	rand.Read(id[:])
	return id
}

// ErrBadID is what ParseID says to anything but 64 hexadecimal digits.
var ErrBadID = errors.New("legacy: an id is 64 hexadecimal digits")

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*IDSize {
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

// Contact is a node and where it is reached. The id of one that has none for others, being ephemeral, is zero.
type Contact struct {
	ID   ID
	Addr netip.AddrPort
}

func (c Contact) node() routing.Node { return routing.Node{Key: c.ID.Key(), Addr: c.Addr} }

func contactOf(n routing.Node) Contact { return Contact{ID: ID(n.Key), Addr: n.Addr} }
