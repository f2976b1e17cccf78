package mainline

import (
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
)

// Ours: how much one node's word counts among the peers of a lookup. Whoever is close to an info hash can name any addresses
// as peers, to hide the true ones or to have many clients knock at somebody's door.
const (
	shareAtOnce = 80 // peers that a node may name in any case: a full reply of 1024 bytes
	shareOf     = 8  // beyond that, at most one in so many of all peers is its own; as many nodes store an announce
	perAddress  = 4  // peers of one address, on different ports
	perNet      = 64 // peers of one /24 (IPv6: /48)
)

// peerShares decides which peers of a lookup's replies are passed on. Each is passed on once. What a node names beyond its
// share waits until others have named more.
type peerShares struct {
	open  bool // no limits: a private network, where many share an address
	seen  seenPeers
	addrs map[netip.Addr]uint8
	nets  map[netip.Prefix]uint8
	total int // peers of replies that were passed on
	named []*namer
}

// namer is a node that named peers.
type namer struct {
	from    netip.AddrPort
	given   int // passed on
	waiting []netip.AddrPort
}

func newPeerShares(private bool) *peerShares {
	return &peerShares{
		open: private, seen: make(seenPeers),
		addrs: make(map[netip.Addr]uint8), nets: make(map[netip.Prefix]uint8),
	}
}

// take yields the peers that may be passed on because of a reply: its own, then those of other nodes that have waited. It
// reports false if the caller has enough.
func (s *peerShares) take(r *krpc.Reply, yield func(netip.AddrPort, error) bool) bool {
	n := s.namer(r.From.Addr)
	for p := range r.Values {
		n.waiting = append(n.waiting, p)
	}
	if !s.release(n, yield) {
		return false
	}
	for _, o := range s.named {
		if !s.release(o, yield) {
			return false
		}
	}
	return true
}

func (s *peerShares) namer(from netip.AddrPort) *namer {
	for _, n := range s.named {
		if n.from == from {
			return n
		}
	}
	n := &namer{from: from}
	s.named = append(s.named, n)
	return n
}

// release passes on what n may by now.
func (s *peerShares) release(n *namer, yield func(netip.AddrPort, error) bool) bool {
	for len(n.waiting) > 0 && (s.open || n.given < max(shareAtOnce, (s.total-n.given)/(shareOf-1))) {
		p := n.waiting[0]
		if n.waiting = n.waiting[1:]; !s.fresh(p) {
			continue
		}
		n.given++
		s.total++
		if !yield(p, nil) {
			return false
		}
	}
	return true
}

// fresh reports whether a peer is new and not one too many of its address or net, and enters it.
func (s *peerShares) fresh(p netip.AddrPort) bool {
	if s.open {
		return s.seen.fresh(p)
	}
	ip, bits := p.Addr().Unmap(), 24
	if ip.Is6() {
		bits = 48
	}
	net, _ := ip.WithZone("").Prefix(bits)
	if s.addrs[ip] >= perAddress || s.nets[net] >= perNet || !s.seen.fresh(p) {
		return false
	}
	s.addrs[ip]++
	s.nets[net]++
	return true
}
