package legacy

import (
	"crypto/rand"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/routing"
)

// IDSize is the length of an id, a target and a token in bytes.
const IDSize = dhtrpc.IDSize

// ID is a point of the key space: a node's id or the target of a query. Ids are drawn at random, not made of addresses.
type ID = dhtrpc.ID

// Contact is a node and where it is reached. The id of one that has none for others, being ephemeral, is zero.
type Contact = dhtrpc.Contact

// RandomID returns 32 bytes from the system's random source.
func RandomID() ID {
	var id ID
	rand.Read(id[:])
	return id
}

// ParseID reads 64 hexadecimal digits; anything else is dhtrpc.ErrBadID.
func ParseID(s string) (ID, error) { return dhtrpc.ParseID(s) }

func nodeOf(c Contact) routing.Node { return routing.Node{Key: c.ID.Key(), Addr: c.Addr} }

func contactOf(n routing.Node) Contact { return Contact{ID: ID(n.Key), Addr: n.Addr} }
