package torrentdht

import (
	theirs "github.com/anacrolix/dht/v2/krpc"

	"github.com/dhtkit/dhtkit/krpc"
)

// ToID converts a node id or info hash. The types of anacrolix/torrent for info hashes (metainfo.Hash, infohash.T) are 20
// bytes, too, and convert as they are: metainfo.Hash(id).
func ToID(id krpc.ID) theirs.ID { return theirs.ID(id) }

// FromID converts a node id or info hash.
func FromID(id theirs.ID) krpc.ID { return krpc.ID(id) }
