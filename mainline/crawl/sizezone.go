package crawl

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// zoneWalk decides whom to ask for what next to know all nodes around a target. It is a plain value, like frontier.
//
// It begins as an ordinary lookup, of many nodes. When that is over, each contact among the nearest is asked for the
// neighbours of its own id, and once more if it is silent. If then some nodes are known from one or two others only, more
// may be known to nobody: in up to three rounds (more if nobody else seems to be there at all) each node is asked for the bucket outside of what it named before, as long
// as that bucket lies in the zone.
type zoneWalk struct {
	cfg     SizeConfig
	margin  int // nodes beyond the edge that are asked as well: who is near the edge is named from outside
	target  krpc.ID
	self    routing.Key     // never a contact
	lookup  *routing.Lookup // nil when it is over
	index   map[netip.AddrPort]*contact
	order   []*contact // nearest to the target first
	queries int        // sent
	flying  int        // in flight and not late
	round   int
}

// Ours: with fewer rounds, nodes are missed where six of ten contacts are dead; more find nobody.
const maxRounds = 3

// contact is an endpoint that somebody named.
type contact struct {
	node     routing.Node
	namers   []netip.AddrPort // who named it
	tries    int              // queries without an answer
	answered bool
	asked    int  // answers to what it was asked after the lookup: its own id, then bucket by bucket
	bits     int  // the next of these buckets: nodes that share so many leading bits with it
	open     bool // a query is out
}

func newZoneWalk(target krpc.ID, cfg SizeConfig, self routing.Key) *zoneWalk {
	z := &zoneWalk{cfg: cfg, margin: cfg.K / 8, target: target, self: self, index: make(map[netip.AddrPort]*contact)}
	profile := routing.Fast()
	profile.K = cfg.K + z.margin
	profile.Self, profile.ShareNets, profile.Hard = self, true, cfg.Timeout
	profile.MaxCandidates, profile.MaxQueries = 8*profile.K, cfg.MaxQueries
	z.lookup = routing.NewLookup(target.Key(), profile)
	return z
}

// start adds what we know ourselves.
func (z *zoneWalk) start(nodes []routing.Node, seeds []netip.AddrPort) {
	for _, n := range nodes {
		z.lookup.Add(n, routing.Node{})
		z.add(n)
	}
	for _, a := range seeds {
		z.lookup.AddSeed(a)
	}
}

func (z *zoneWalk) compare(a, b routing.Node) int {
	return routing.CompareDistance(z.target.Key(), a.Key, b.Key)
}

// add notes an endpoint, and returns what is known of it.
func (z *zoneWalk) add(n routing.Node) *contact {
	c := z.index[n.Addr]
	if c == nil {
		c = &contact{node: n}
		z.index[n.Addr] = c
		z.insert(c)
	}
	return c
}

func (z *zoneWalk) insert(c *contact) {
	i, _ := slices.BinarySearchFunc(z.order, c, func(a, b *contact) int {
		return cmp.Or(z.compare(a.node, b.node), a.node.Addr.Compare(b.node.Addr))
	})
	z.order = slices.Insert(z.order, i, c)
}

// rename sorts in again a node that has another id than was said.
func (z *zoneWalk) rename(c *contact, key routing.Key) {
	if c.node.Key != key {
		z.order = slices.DeleteFunc(z.order, func(o *contact) bool { return o == c })
		c.node.Key = key
		z.insert(c)
	}
}

// next returns whom to ask now, and for which neighbours. The caller settles it, or says that it was unasked.
func (z *zoneWalk) next() (n routing.Node, target krpc.ID, ok bool) {
	if z.lookup != nil {
		if n, ok = z.lookup.Next(); ok {
			z.sent()
			if c := z.index[n.Addr]; c != nil {
				c.open = true
			}
			return n, z.target, true
		}
		if !z.lookup.Done() {
			return n, target, false
		}
		z.lookup = nil
	}
	c, _ := z.pending()
	if c == nil && z.widen() {
		c, _ = z.pending()
	}
	if c == nil {
		return n, target, false
	}
	c.open = true
	z.sent()
	return c.node, c.question(), true
}

func (z *zoneWalk) sent() {
	z.queries++
	z.flying++
}

// within yields the contacts that are not farther than the edge of the zone and its margin.
func (z *zoneWalk) within(yield func(*contact) bool) {
	answered := 0
	for _, c := range z.order {
		if answered == z.cfg.K+z.margin || !yield(c) {
			return
		}
		if c.answered {
			answered++
		}
	}
}

// pending returns the nearest contact that has to be asked, and whether an answer is waited for.
func (z *zoneWalk) pending() (next *contact, waiting bool) {
	depth, answered := z.depth(), 0
	for c := range z.within {
		waiting = waiting || c.open
		if next == nil && !c.open && z.queries < z.cfg.MaxQueries && z.wanted(c, depth, answered) {
			next = c
		}
		if c.answered {
			answered++
		}
	}
	return next, waiting
}

// depth is how many leading bits all nodes of the zone share with the target: none as long as there are too few nodes.
func (z *zoneWalk) depth() (bits int) {
	answered := 0
	for c := range z.within {
		bits = routing.CommonBits(c.node.Key, z.target.Key())
		if c.answered {
			answered++
		}
	}
	if answered < z.cfg.K {
		return 0
	}
	return bits
}

// scouts are the nodes nearest to the target: they are asked for all of their buckets in the zone. A lookup may miss a
// whole branch, and who is not in it does not name it unasked. Ours: one may be wrong, or young.
const scouts = 3

// wanted reports whether there is something to ask a contact for; nearer than it have so many answered.
func (z *zoneWalk) wanted(c *contact, depth, nearer int) bool {
	switch {
	case c.tries >= z.cfg.Tries:
		return false
	case c.asked == 0:
		return true
	}
	return c.bits >= depth && (c.asked <= z.round || nearer < scouts)
}

// widen begins another round if that may find more, and nothing else is to be waited for.
func (z *zoneWalk) widen() bool {
	if next, waiting := z.pending(); next != nil || waiting || !z.doubtful() {
		return false
	}
	z.round++
	return true
}

// doubtful reports whether another round is wanted: there are nodes that less than three others named, or it looks as if
// there were no more nodes in the whole network. In that case every bucket of every node is asked for.
func (z *zoneWalk) doubtful() bool {
	r := z.result()
	switch {
	case z.queries >= z.cfg.MaxQueries || len(r.Nodes) == 0:
		return false
	case r.Whole:
		return slices.ContainsFunc(z.order, func(c *contact) bool { return c.answered && c.tries < z.cfg.Tries && c.bits >= 0 })
	}
	return z.round < maxRounds && r.once+r.twice > 0
}

// question is what to ask a node for: its own id, and then a bucket after the other, outwards.
func (c *contact) question() krpc.ID {
	id := krpc.IDOf(c.node.Key)
	if c.asked > 0 {
		id[c.bits/8] ^= 0x80 >> (c.bits % 8)
	}
	return id
}

// learn notes that c has answered its question.
func (c *contact) learn(named []routing.Node) {
	if c.asked++; c.asked > 1 {
		c.bits--
		return
	}
	c.bits = -1
	for i, n := range named {
		if bits := routing.CommonBits(n.Key, c.node.Key); i == 0 || bits < c.bits {
			c.bits = min(bits, 8*krpc.IDSize-1)
		}
	}
}

// unasked takes back what next gave out: it could not be sent now.
func (z *zoneWalk) unasked(n routing.Node) {
	z.queries--
	z.flying--
	if z.lookup != nil {
		z.lookup.Forget(n)
	}
	if c := z.index[n.Addr]; c != nil {
		c.open = false
	}
}

// late notes that a query takes long.
func (z *zoneWalk) late(n routing.Node) {
	z.flying--
	if z.lookup != nil {
		z.lookup.Settle(n, routing.Late)
	}
}

// failed notes that there was no good answer to a query, which was late or not.
func (z *zoneWalk) failed(n routing.Node, late bool) {
	z.settled(late)
	if z.lookup != nil {
		z.lookup.Settle(n, routing.Failed)
	}
	if c := z.index[n.Addr]; c != nil {
		c.open = false
		c.tries++
	}
}

func (z *zoneWalk) settled(late bool) {
	if !late {
		z.flying--
	}
}

// answered takes an answer of n, whose id is key, to a query for the neighbours of target.
func (z *zoneWalk) answered(n routing.Node, late bool, key routing.Key, target krpc.ID, contacts func(func(routing.Node) bool)) {
	z.settled(late)
	from := routing.Node{Key: key, Addr: n.Addr}
	if z.lookup != nil && (n.Key.IsZero() || n.Key == key) {
		z.lookup.Settle(from, routing.Alive)
	} else if z.lookup != nil {
		z.lookup.Settle(n, routing.Failed) // somebody else lives there
	}
	c := z.add(from)
	z.rename(c, key)
	c.answered, c.open = true, false
	var named []routing.Node
	for o := range contacts {
		if o.Addr != n.Addr && o.Addr.IsValid() && o.Key != z.self {
			named = append(named, o)
		}
		if len(named) == maxNamed {
			break
		}
	}
	if target == c.question() {
		c.learn(named)
	}
	z.named(from, named)
}

// Ours: contacts of one answer that are looked at. Answers have 8 to 40.
const maxNamed = 40

// named notes whom a node named.
func (z *zoneWalk) named(from routing.Node, nodes []routing.Node) {
	for _, n := range nodes {
		if z.lookup != nil {
			z.lookup.Add(n, from)
		}
		if c := z.add(n); len(c.namers) < 3 && !slices.Contains(c.namers, from.Addr) {
			c.namers = append(c.namers, from.Addr)
		}
	}
}

// over reports whether there is nothing left to ask, and nothing to wait for.
func (z *zoneWalk) over() bool {
	if z.lookup != nil {
		return false
	}
	next, waiting := z.pending()
	return next == nil && !waiting && !z.doubtful()
}

// result is the zone as far as it is known to be complete.
func (z *zoneWalk) result() Zone {
	out := Zone{Target: z.target, Whole: true}
	depth := z.depth()
	for _, c := range z.order {
		if len(out.Nodes) == z.cfg.K || z.wanted(c, depth, len(out.Nodes)) {
			out.Whole = false
			break
		}
		if !c.answered {
			continue
		}
		out.Nodes = append(out.Nodes, krpc.Node{ID: krpc.IDOf(c.node.Key), Addr: c.node.Addr})
		switch len(c.namers) {
		case 1:
			out.once++
		case 2:
			out.twice++
		}
	}
	return out
}
