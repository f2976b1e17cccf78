package mainline

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// maxPeersSeen bounds what a peer lookup remembers to leave out repeats. Ours.
const maxPeersSeen = 100_000

// PeerLookup is a get_peers lookup (BEP 5). Range over Peers, or over Replies for what each node said; afterwards the
// handle holds the closest nodes with their tokens, and Announce writes to them.
type PeerLookup struct {
	*Lookup
}

// GetPeers prepares a lookup of the peers of an info hash, in the fast profile.
func (n *Node) GetPeers(infoHash krpc.ID) *PeerLookup {
	return n.getPeers(infoHash, routing.Fast())
}

// GetPeersWith is GetPeers with another lookup profile, routing.Thorough for example.
func (n *Node) GetPeersWith(infoHash krpc.ID, profile routing.LookupConfig) *PeerLookup {
	return n.getPeers(infoHash, profile)
}

func (n *Node) getPeers(infoHash krpc.ID, profile routing.LookupConfig) *PeerLookup {
	return &PeerLookup{n.Walk(infoHash, krpc.GetPeersArgs{InfoHash: infoHash}, profile)}
}

// Peers streams each peer once, as it is heard of: first those that were announced to this node itself. Leaving the loop
// ends the lookup. An error comes last; see Lookup.Replies. No node's word counts for more than 80 peers or an eighth of all
// that come, nor more than a few on one address or in one /24: on a public network anybody can name anything.
func (l *PeerLookup) Peers(ctx context.Context) iter.Seq2[netip.AddrPort, error] {
	return func(yield func(netip.AddrPort, error) bool) { l.stream(ctx, newPeerShares(l.node.cfg.Private), yield) }
}

// stream yields the peers that shares passes on, and reports whether the lookup went well to its end.
func (l *PeerLookup) stream(ctx context.Context, shares *peerShares, yield func(netip.AddrPort, error) bool) bool {
	for _, p := range l.Own() {
		if shares.seen.fresh(p) && !yield(p, nil) {
			return false
		}
	}
	for r, err := range l.Replies(ctx) {
		if err != nil {
			if len(shares.seen) == 0 || !errors.Is(err, routing.ErrNoNodes) {
				yield(netip.AddrPort{}, err)
			}
			return false
		}
		if !shares.take(r, yield) {
			return false
		}
	}
	return true
}

// seenPeers are the peers that a stream has yielded.
type seenPeers map[netip.AddrPort]struct{}

// fresh reports whether p was not there before, and enters it.
func (s seenPeers) fresh(p netip.AddrPort) bool {
	if _, known := s[p]; known || len(s) >= maxPeersSeen {
		return false
	}
	s[p] = struct{}{}
	return true
}

// Own returns the peers that others announced to this node itself. Peers begins with them, Replies is without them.
func (l *PeerLookup) Own() (peers []netip.AddrPort) {
	for _, p := range l.parts {
		peers = l.node.cfg.Peers.AppendPeers(peers, l.target, p.end.IPv6(), maxPeersSeen, time.Now())
	}
	return peers
}

// Announce writes to the closest nodes of the finished lookup that this host has the torrent at port: see Node.Announce.
func (l *PeerLookup) Announce(port uint16, opts ...AnnounceOption) *Announcement {
	return &Announcement{lookup: l, args: announceArgs(l.target, port, opts), looked: true}
}
