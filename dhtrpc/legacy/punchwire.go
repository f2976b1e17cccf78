package legacy

import (
	"net/netip"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of a hole punch.
const (
	fieldPunchFrom = 2
	fieldPunchTo   = 3
)

// punch is the value of a _holepunch: "punch to that one" says the node that wants to be let in to the referrer, "from
// that one" the referrer to the node that shall open. One of the two is there.
type punch struct {
	from, to       netip.AddrPort
	hasFrom, hasTo bool // the field is there, though its address may be of no use
}

// parsePunch reads the value of a _holepunch, with the tolerance of Parse; false for a broken one.
func parsePunch(b []byte) (punch, bool) {
	var p punch
	for len(b) > 0 {
		key, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return punch{}, false
		}
		b = b[n:]
		var peer []byte
		switch key >> 3 {
		case fieldPunchFrom:
			peer, n = consumeBytes(b)
			p.from, _ = peerOf(peer)
			p.hasFrom = true
		case fieldPunchTo:
			peer, n = consumeBytes(b)
			p.to, _ = peerOf(peer)
			p.hasTo = true
		default:
			n = skip(protowire.Type(key&7), b)
		}
		if n < 0 {
			return punch{}, false
		}
		b = b[n:]
	}
	return p, true
}

// appendPunch appends a payload with one address.
func appendPunch(dst []byte, field protowire.Number, a netip.AddrPort) []byte {
	var peer [peerSize]byte
	return appendField(dst, field, appendPeer(peer[:0], a))
}
