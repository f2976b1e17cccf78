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

// Scraper is what a PeerStore is besides if it tells seeds from other peers (BEP 33), as MemoryStore does. A node whose
// store is none answers scrapes without filters.
type Scraper interface {
	PeerStore
	// Scrape adds the seeds of ih and its other peers, of both families, to the filters, and reports whether there are any.
	Scrape(ih krpc.ID, seeds, peers *Filter, now time.Time) bool
	// AppendNoSeeds is AppendPeers for askers that are seeds: other seeds only fill what is left of n.
	AppendNoSeeds(dst []netip.AddrPort, ih krpc.ID, v6 bool, n int, now time.Time) []netip.AddrPort
}

// SwarmEstimate says about how many hosts have a torrent. What each of the nodes nearest to its info hash knows is put
// together, so that a host known to several counts once.
type SwarmEstimate struct {
	Seeds   float64 // that have all of it; +Inf if too many to count
	Peers   float64 // that have not
	Filters int     // nodes that answered with filters: without any, the numbers are those of Values
	Values  int     // nodes that answered with a sample of their peers alone, all of which count as Peers
}

// ScrapeLookup counts seeds and peers (BEP 33). Range over Estimates, or over Peers to hear of the peers too, and ask
// Estimate for the result. It costs as much as a thorough GetPeers.
type ScrapeLookup struct {
	*Lookup
}

// Scrape prepares to count the seeds and other peers of an info hash.
func (n *Node) Scrape(infoHash krpc.ID) *ScrapeLookup {
	return &ScrapeLookup{n.Walk(infoHash, krpc.GetPeersArgs{InfoHash: infoHash, Scrape: true}, routing.Thorough())}
}

// Estimates streams what is known so far: what was announced to this node itself, and each time another node adds to it.
// The last one is the result. An error comes last; see Lookup.Replies.
func (l *ScrapeLookup) Estimates(ctx context.Context) iter.Seq2[SwarmEstimate, error] {
	return func(yield func(SwarmEstimate, error) bool) {
		last := l.Estimate() // of what was announced here
		if last != (SwarmEstimate{}) && !yield(last, nil) {
			return
		}
		for _, err := range l.Replies(ctx) {
			if err != nil {
				if last == (SwarmEstimate{}) || !errors.Is(err, routing.ErrNoNodes) {
					yield(SwarmEstimate{}, err)
				}
				return
			}
			now := l.Estimate()
			if now == last {
				continue
			}
			if last = now; !yield(now, nil) {
				return
			}
		}
	}
}

// Estimate returns what the nodes nearest to the info hash said until now, and what was announced to this node itself.
func (l *ScrapeLookup) Estimate() SwarmEstimate {
	var sum swarmSum
	if s, ok := l.node.cfg.Peers.(Scraper); ok {
		s.Scrape(l.target, &sum.seeds, &sum.peers, time.Now())
	}
	for _, r := range l.ClosestReplies() {
		sum.addFilters(r)
	}
	for _, r := range l.ClosestReplies() {
		sum.addValues(r)
	}
	return SwarmEstimate{sum.seeds.Estimate(), sum.peers.Estimate(), sum.filters, sum.values}
}

// Peers streams each peer once, as PeerLookup.Peers does. Clients that leave out the peers when they send filters
// (libtorrent) are asked for them once more when the lookup is over.
func (l *ScrapeLookup) Peers(ctx context.Context) iter.Seq2[netip.AddrPort, error] {
	return func(yield func(netip.AddrPort, error) bool) {
		shares := newPeerShares(l.node.cfg.Private)
		if !(&PeerLookup{l.Lookup}).stream(ctx, shares, yield) {
			return
		}
		for r, err := range merged(ctx, l.node.closed, l.again()) {
			if err != nil {
				return // the lookup went well, and named what others know
			}
			if !shares.take(r, yield) {
				return
			}
		}
	}
}

// again asks the nearest nodes that answered with filters and without peers for their peers.
func (l *ScrapeLookup) again() (sources []source) {
	for _, p := range l.parts {
		var to []krpc.Contact
		for _, r := range p.ClosestReplies() {
			if r.BFpe() != nil && r.Field("values") == nil {
				to = append(to, krpc.Contact{Node: r.From})
			}
		}
		if len(to) > 0 {
			sources = append(sources, p.end.rpc.QueryAll(to, krpc.GetPeersArgs{InfoHash: l.target}))
		}
	}
	return sources
}

// filtersSize is how many bytes both filters take in a reply, keys included.
const filtersSize = 2 * (len("4:BFpe256:") + filterSize)

// peersFor fills in what the store has for a get_peers query: filters if they are asked for and not empty, and a sample of
// the peers, as many as fit beside the nodes. An asker of filters gets the nodes of its own family only.
func (e *Endpoint) peersFor(res *krpc.GetPeersResults, q *krpc.Query, args krpc.GetPeersArgs) {
	out, store, v6 := &e.out, e.node.cfg.Peers, q.From.Addr.Addr().Is6()
	res.BFsd, res.BFpe, res.Values = nil, nil, res.Values[:0]
	room := e.room(q, replyCap) - tokenSize
	scraper, ok := store.(Scraper)
	if ok && args.Scrape {
		if out.filters == nil {
			out.filters = new([2]Filter)
		}
		seeds, others := &out.filters[0], &out.filters[1]
		*seeds, *others = Filter{}, Filter{}
		if scraper.Scrape(args.InfoHash, seeds, others, q.At) {
			res.BFsd, res.BFpe = seeds[:], others[:]
			room -= filtersSize
			if v6 {
				res.Nodes, res.WantNodes = nil, false
			} else {
				res.Nodes6, res.WantNodes6 = nil, false
			}
		}
	}
	limit := peersIn(room-listsSize(&res.NodesResults), v6)
	if ok && args.NoSeed {
		res.Values = scraper.AppendNoSeeds(res.Values, args.InfoHash, v6, limit, q.At)
	} else {
		res.Values = store.AppendPeers(res.Values, args.InfoHash, v6, limit, q.At)
	}
}

// swarmSum puts together what several nodes say.
type swarmSum struct {
	seeds, peers    Filter
	filters, values int
}

// addFilters takes the filters of a reply, if it has any that can be true.
func (s *swarmSum) addFilters(r *krpc.Reply) {
	seeds, peers, ok := filtersOf(r)
	if !ok {
		return
	}
	s.seeds.Union(&seeds)
	s.peers.Union(&peers)
	s.filters++
}

// addValues takes the peers of a reply without filters. They do not say whether they are seeds: those that others know as
// seeds are left out. Call it after addFilters for all.
func (s *swarmSum) addValues(r *krpc.Reply) {
	if _, _, ok := filtersOf(r); ok {
		return
	}
	any := false
	for p := range r.Values {
		any = true
		if !s.seeds.Contains(p.Addr()) {
			s.peers.Insert(p.Addr())
		}
	}
	if any {
		s.values++
	}
}

// filtersOf returns the filters of a reply; an absent one reads as empty. Not ok are none at all, overfull ones, and such as
// do not hold the peers that the same reply names.
func filtersOf(r *krpc.Reply) (seeds, peers Filter, ok bool) {
	sd, pe := r.BFsd(), r.BFpe()
	copy(seeds[:], sd)
	copy(peers[:], pe)
	if sd == nil && pe == nil || seeds.overfull() || peers.overfull() {
		return seeds, peers, false
	}
	for p := range r.Values {
		if !seeds.Contains(p.Addr()) && !peers.Contains(p.Addr()) {
			return seeds, peers, false
		}
	}
	return seeds, peers, true
}
