package routing

import (
	"math"
	"net/netip"
	"slices"
)

// Outcome is what became of a query.
type Outcome uint8

const (
	Alive  Outcome = iota // it was answered, late or not
	Late                  // the soft deadline has passed; the answer still counts
	Failed                // the hard deadline has passed, or the answer was of no use
	Room                  // no query's: an Asker that was full has room again
)

// Lookup finds the nodes closest to a target, by asking the closest known ones for closer ones. It only decides whom to
// ask next and when it is over; asking is its owner's work:
//
//	for !l.Done() {
//		for n, ok := l.Next(); ok; n, ok = l.Next() {
//			// query n
//		}
//		// wait for an event, then l.Settle(n, outcome), and l.Add for every node a reply names
//	}
//
// It is over when the K closest nodes that are alive have answered and nothing nearer is unasked or outstanding. A late
// query is not outstanding, though its answer counts when it comes before the end; with fewer than K answers even late
// ones are waited for.
//
// One lookup asks one node of an address and of a /24 (IPv6: /64), another only if the first failed, and that once; the
// same holds for the addresses claimed for one key. See LookupConfig.ShareNets.
type Lookup struct {
	cfg LookupConfig
	candidates
	seeds   []seed
	queries int    // asked so far
	flying  int    // queries out that are not late, seeds included
	credit  int    // queries that may still go out, if the window grows
	seen    survey // what the candidates amount to now
	stale   bool   // seen is out of date
}

// seed is an address whose key is not known yet.
type seed struct {
	addr  netip.AddrPort
	state state
}

// NewLookup returns a lookup for target that knows nobody yet.
func NewLookup(target Key, cfg LookupConfig) *Lookup {
	cfg = cfg.withDefaults()
	start := min(cfg.MaxCandidates, 64)
	return &Lookup{
		cfg: cfg,
		candidates: candidates{
			target: target, max: cfg.MaxCandidates,
			slab: make([]candidate, 0, start), order: make([]uint16, 0, start),
		},
		credit: cfg.Alpha,
		stale:  true,
	}
}

// Target returns what is looked for.
func (l *Lookup) Target() Key { return l.target }

// Add makes n a candidate; from is the node that named it, zero if we know it ourselves. It reports whether n is new
// and near enough to be kept. For one key two addresses are tried at most.
func (l *Lookup) Add(n, from Node) bool {
	n = n.unmapped()
	if n.Key.IsZero() || n.Key == l.cfg.Self || !usable(n.Addr) {
		return false
	}
	via := int32(ourselves)
	if !from.Key.IsZero() {
		from = from.unmapped()
		if i, _ := l.find(&from); i >= 0 {
			via = int32(i)
		}
	}
	i, sameKey := l.find(&n)
	if i >= 0 {
		if c := &l.slab[i]; c.via != via && c.votes < math.MaxUint8 {
			c.votes++
			c.via = via
			l.stale = true
		}
		return false
	}
	if sameKey >= 2 {
		return false
	}
	l.stale = true
	votes := uint8(1)
	if via == ourselves {
		votes = ownVotes
	}
	return l.insert(candidate{node: n, net: netOf(n.Addr.Addr()), via: via, votes: votes, guest: l.guest(n)}) >= 0
}

func (l *Lookup) guest(n Node) bool { return l.cfg.Eligible != nil && !l.cfg.Eligible(n) }

// ownVotes is what it counts if we know a node ourselves: more than a reply's worth of others that claim its endpoint.
const ownVotes = 64

// AddSeed adds an address whose key is not known, of a bootstrap node. Seeds are asked in the order given, when nothing
// better is left to ask; one that answers is sorted in under its key.
func (l *Lookup) AddSeed(addr netip.AddrPort) {
	addr = Node{Addr: addr}.unmapped().Addr
	if usable(addr) && l.findSeed(addr) < 0 {
		l.seeds = append(l.seeds, seed{addr: addr})
		l.stale = true
	}
}

func (l *Lookup) findSeed(addr netip.AddrPort) int {
	return slices.IndexFunc(l.seeds, func(s seed) bool { return s.addr == addr })
}

// Next returns the next node to ask now, with a zero Key if it is a seed; false if there is none before the next
// Settle, Forget or Add. What it returned has to be settled or forgotten.
func (l *Lookup) Next() (Node, bool) {
	if l.queries >= l.cfg.MaxQueries {
		return Node{}, false
	}
	v := l.survey()
	if !l.windowOpen(v) {
		return Node{}, false
	}
	if v.next >= 0 {
		c := &l.slab[v.next]
		c.state = asked
		l.sent()
		l.trace(c, Hop{Asked: true})
		return c.node, true
	}
	if v.sound >= 0 {
		c := &l.slab[v.sound]
		c.sound = sounded
		l.sent()
		l.trace(c, Hop{Asked: true})
		return c.node, true
	}
	if v.seed < 0 || v.outstanding > 0 {
		return Node{}, false
	}
	s := &l.seeds[v.seed]
	s.state = asked
	l.sent()
	l.traceSeed(s, Hop{Asked: true})
	return Node{Addr: s.addr}, true
}

func (l *Lookup) sent() {
	l.queries++
	l.flying++
	l.credit = max(l.credit-1, 0)
	l.stale = true
}

// Settle tells what became of the query to n, as Next gave it; for a seed that answered, with its Key filled in. What is
// not open, because it failed or answered before, changes nothing.
func (l *Lookup) Settle(n Node, o Outcome) {
	if o == Room {
		return
	}
	n = n.unmapped()
	if i, _ := l.find(&n); i >= 0 && l.slab[i].state.open() {
		c := &l.slab[i]
		if l.settle(&c.state, o) {
			l.trace(c, Hop{Outcome: o})
		}
		return
	}
	if l.Sounds(n) {
		l.hear(n, o)
		return
	}
	i := l.findSeed(n.Addr)
	if i < 0 || !l.seeds[i].state.open() {
		return
	}
	if s := &l.seeds[i]; l.settle(&s.state, o) {
		l.traceSeed(s, Hop{Outcome: o})
	}
	if o == Alive {
		l.sortIn(n)
	}
}

// settle moves an open state on and accounts for it; it reports whether anything changed.
func (l *Lookup) settle(s *state, o Outcome) bool {
	if o == Late && *s == late {
		return false
	}
	l.stale = true
	if *s == asked {
		l.flying--
		if o != Alive {
			l.credit += l.cfg.PerTimeout
		}
	}
	switch o {
	case Late:
		*s = late
	case Failed:
		*s = failed
	case Alive:
		*s = answered
		l.credit += l.cfg.PerReply
	}
	return true
}

// Sounds reports whether the query to n, as Next gave it, is one for the neighbours of its own id.
func (l *Lookup) Sounds(n Node) bool {
	n = n.unmapped()
	i, _ := l.find(&n)
	return i >= 0 && l.slab[i].sound != unsounded
}

// hear settles such a query.
func (l *Lookup) hear(n Node, o Outcome) {
	i, _ := l.find(&n)
	c := &l.slab[i]
	if c.sound != sounded {
		return
	}
	s := asked
	l.settle(&s, o)
	c.sound = heard
	l.trace(c, Hop{Outcome: o})
}

// sortIn makes one that answered under a key it was not asked under a candidate that answered, unless one that did, or may,
// shares its key or net.
func (l *Lookup) sortIn(n Node) {
	if n.Key.IsZero() || n.Key == l.cfg.Self {
		return
	}
	c := candidate{node: n, net: netOf(n.Addr.Addr()), via: ourselves, votes: 1, state: answered, guest: l.guest(n)}
	i, _ := l.find(&n)
	if r := l.rivals(&c, i); r.answered || r.asked || r.late {
		return
	}
	if i >= 0 {
		l.slab[i].state = answered
		return
	}
	l.insert(c)
}

// Forget tells that n, as Next gave it, could not be asked now: it may be given again.
func (l *Lookup) Forget(n Node) {
	n = n.unmapped()
	var s *state
	if i, _ := l.find(&n); i >= 0 && l.slab[i].state == asked {
		s = &l.slab[i].state
	} else if i >= 0 && l.slab[i].sound == sounded {
		l.slab[i].sound = unsounded
		s = new(state)
	} else if i := l.findSeed(n.Addr); i >= 0 && l.seeds[i].state == asked {
		s = &l.seeds[i].state
	} else {
		return
	}
	*s = unasked
	l.queries--
	l.flying--
	l.credit++
	l.stale = true
}

// Done reports whether the lookup is over. It waits for the seeds that were asked until they are late: the one that answers
// first may be there to lead us to its friends.
func (l *Lookup) Done() bool {
	v := l.survey()
	spent := l.queries >= l.cfg.MaxQueries
	if v.outstanding > 0 || v.sounding > 0 || slices.ContainsFunc(l.seeds, func(s seed) bool { return s.state == asked }) || !spent && (v.next >= 0 || v.sound >= 0 || v.seed >= 0 || v.held) {
		return false
	}
	if l.cfg.Stack && l.flying > 0 {
		return false
	}
	if v.answered >= l.cfg.K {
		return !l.cfg.WaitLate || v.late == 0
	}
	return v.late == 0 && !slices.ContainsFunc(l.seeds, func(s seed) bool { return s.state.open() })
}

// AppendClosest appends the n closest nodes that have answered, nearest first, to dst.
func (l *Lookup) AppendClosest(dst []Node, n int) []Node {
	for i := 0; i < len(l.order) && n > 0; i++ {
		if c := l.at(i); c.state == answered && !c.guest {
			dst = append(dst, c.node)
			n--
		}
	}
	return dst
}

// hasAnswered reports whether n counts as a node that answered and may be part of the result.
func (l *Lookup) hasAnswered(n Node) bool {
	n = n.unmapped()
	i, _ := l.find(&n)
	return i >= 0 && l.slab[i].state == answered && !l.slab[i].guest
}

// Improves reports whether an answer under key k would be among the K closest.
func (l *Lookup) Improves(k Key) bool {
	left := l.cfg.K
	for i := range l.order {
		c := l.at(i)
		if c.state != answered || c.guest {
			continue
		}
		if left--; left == 0 {
			return compareDistance(&l.target, &k, &c.node.Key) < 0
		}
	}
	return true
}

func (l *Lookup) trace(c *candidate, h Hop) {
	if l.cfg.Trace == nil {
		return
	}
	h.Node, h.Bits = c.node, CommonBits(c.node.Key, l.target)
	if c.via >= 0 {
		h.From = l.slab[c.via].node
	}
	l.cfg.Trace(h)
}

func (l *Lookup) traceSeed(s *seed, h Hop) {
	if l.cfg.Trace != nil {
		h.Node.Addr = s.addr
		l.cfg.Trace(h)
	}
}
