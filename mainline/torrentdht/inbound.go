package torrentdht

import (
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
)

// Announced reads a query that mainline.Config.OnQuery hears of: if it is an announce_peer, which by then was accepted, it
// returns the info hash and where the peer is. The package comment shows how a client learns of peers in this way.
func Announced(q *krpc.Query) (infoHash [20]byte, peer netip.AddrPort, ok bool) {
	if string(q.Method()) != krpc.MethodAnnouncePeer {
		return infoHash, peer, false
	}
	args, err := q.AnnouncePeer()
	if err != nil {
		return infoHash, peer, false
	}
	port := args.Port
	if args.ImpliedPort {
		port = q.From.Addr.Port()
	}
	return args.InfoHash, netip.AddrPortFrom(q.From.Addr.Addr(), port), true
}
