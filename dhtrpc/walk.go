package dhtrpc

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

// Everything here runs with the node's lock held.

// Ours: how a query walks that was given enough nodes to start from (dht-rpc 10, slowdown), and who is enough.
const (
	slowAlpha  = 3
	fewAnswers = 5
)

// Ours: a thorough query asks nodes behind the closest, too, since the dead crowd out the living in what others name. It waits
// for the slow, so long after most would have answered: if it is we who are slow, longer.
const (
	thoroughExtra  = 4
	thoroughWait   = 2800 * time.Millisecond
	aroundAsked    = 4 // of the closest nodes, for their neighbours
	aroundAttempts = 2
	aroundResend   = 600 * time.Millisecond
)

// start gathers the first nodes and asks them.
func (q *Query) start() {
	n := q.node
	if q.begun {
		return
	}
	q.begun = true
	cfg := n.cfg.Lookup
	cfg.Self, cfg.Trace = n.table.Self(), q.opts.Trace
	if q.opts.Concurrency > 0 {
		cfg.Alpha, cfg.CountAll = q.opts.Concurrency, true
	}
	if q.opts.Background {
		cfg.Alpha, cfg.CountAll = max(2, n.cfg.Concurrency/8), true
	}
	if q.opts.Thorough {
		cfg.WaitLate, cfg.Extra = true, max(cfg.Extra, thoroughExtra)
	}
	if q.opts.Original {
		q.opts.Thorough = false
		cfg = original(n.cfg.Concurrency, cfg)
	}
	q.cfg = cfg
	q.lookup = routing.NewLookup(q.target.Key(), cfg)
	q.answers = make(map[netip.AddrPort]*Reply)
	q.referrers = make(map[netip.AddrPort][]netip.AddrPort)
	if n.closed || n.asleep {
		q.over, q.err = true, ErrClosed
		if !n.closed {
			q.err = ErrSuspended
		}
		q.ended()
		return
	}
	q.session = n.newSession(q.opts.Background)
	q.session.failed = func(err error) {
		q.abandon(err)
		q.ended()
	}
	n.counts.queries.Total++
	n.counts.queries.Active++
	n.up.lastQuery = n.up.ticks
	q.seed()
	q.pump()
}

// original is how npm's dht-rpc walks: the last named first, so many requests in flight that are not late, attempts of a second,
// six of them (dht-rpc 10).
func original(concurrency int, cfg routing.LookupConfig) routing.LookupConfig {
	const plenty = 4096 // candidates that no query reaches
	return routing.LookupConfig{
		K: nodesPerBucket, Alpha: concurrency, CountAll: true, Stack: true, MaxQueries: plenty, MaxCandidates: plenty,
		Soft: time.Second, ResendAfter: time.Second, Hard: (queryRetries + 1) * time.Second,
		ShareNets: cfg.ShareNets, Self: cfg.Self, Trace: cfg.Trace,
	}
}

// seed gives the lookup its first nodes.
func (q *Query) seed() {
	given := 0
	for _, a := range q.opts.Nodes {
		given += q.know(a, netip.AddrPort{})
	}
	for _, r := range q.opts.Replies {
		given += q.know(r.From.Addr, netip.AddrPort{})
	}
	if q.opts.Only || given >= nodesPerBucket {
		q.tableUsed = q.opts.Only
		return
	}
	q.seedTable()
}

// seedTable adds the table's nodes, and the bootstrap nodes if those are few.
func (q *Query) seedTable() {
	n := q.node
	q.tableUsed = true
	count := 2 * nodesPerBucket
	if q.opts.Original {
		count = nodesPerBucket
	}
	nodes := n.table.AppendClosest(nil, q.target.Key(), count)
	for _, node := range nodes {
		if n.wanted(node) {
			q.lookup.Add(node, routing.Node{})
		}
	}
	if len(nodes) < nodesPerBucket {
		addrs, _ := n.boot.known(n.clock)
		for _, a := range addrs {
			q.lookup.AddSeed(a)
		}
	}
}

// know makes the node at a a candidate; from, if valid, named it. It returns how many were added.
func (q *Query) know(a, from netip.AddrPort) int {
	node := nodeAt(a)
	if node.Key.IsZero() || !q.node.wanted(node) {
		return 0
	}
	var by routing.Node
	if from.IsValid() {
		by = nodeAt(from)
		if refs := q.referrers[a]; len(refs) < nodesPerBucket {
			q.referrers[a] = append(refs, from)
		}
	}
	if q.lookup.Add(node, by) {
		return 1
	}
	return 0
}

// pump sends what may be sent, and notices the end.
func (q *Query) pump() {
	for !q.over && !q.held() {
		node, ok := q.lookup.Next()
		if !ok {
			break
		}
		q.ask(node)
	}
	switch {
	case q.over || !q.lookup.Done():
	case !q.tableUsed && q.stats.Answered < fewAnswers:
		q.seedTable()
		q.pump()
	case q.opts.Thorough && !q.lookedAround:
		q.lookAround()
		q.pump()
	case q.looking == 0:
		q.finish()
	}
}

// lookAround asks the farthest of the closest nodes for their own neighbours: what is named for the target itself is 20
// nodes at most, the dead among them, so that those in the last places may never be named.
func (q *Query) lookAround() {
	q.lookedAround = true
	closest := q.lookup.AppendClosest(nil, nodesPerBucket)
	if len(closest) < nodesPerBucket || q.opts.Only {
		return
	}
	n := q.node
	for _, node := range closest[nodesPerBucket-aroundAsked:] {
		c := &call{session: q.session, to: node, settled: func(r *Reply, err error) {
			q.looking--
			if err != nil {
				q.stats.Timeouts++
			} else {
				q.stats.Answered++
				q.learn(r)
			}
			q.pump()
		}}
		c.packet.total = &q.sent
		n.deadlines(c, aroundAttempts, aroundResend, -1)
		c.query.Conn = n.net.sendConn()
		if n.begin(c, &Message{Internal: true, Command: CommandFindNode, Target: node.Key[:]}) == nil {
			q.looking++
			q.stats.Asked++
		}
	}
}

// held reports whether no request may go out now although the lookup has some.
func (q *Query) held() bool {
	if len(q.unread) >= unreadLimit {
		return true
	}
	heard := q.stats.Answered + q.stats.Errors + q.stats.Timeouts
	return !q.tableUsed && q.flying >= slowAlpha && heard < q.node.cfg.Concurrency
}

// ask puts the command to a node.
func (q *Query) ask(node routing.Node) {
	n := q.node
	c := &call{session: q.session, to: node}
	c.packet.total = &q.sent
	if node.Key.IsZero() {
		c.to = nodeAt(node.Addr)
	}
	flying := true
	land := func() {
		if flying {
			flying = false
			q.flying--
		}
	}
	c.late = func() {
		land()
		q.stats.Late++
		q.lookup.Settle(node, routing.Late)
		q.pump()
	}
	c.settled = func(r *Reply, err error) {
		land()
		q.settled(node, r, err)
	}
	q.times(c)
	c.query.Conn = n.net.sendConn()
	m := Message{Internal: q.internal, Command: q.command, Target: q.target[:], Value: q.value}
	if err := n.begin(c, &m); err != nil {
		q.stats.Failed++
		q.cause = err
		q.lookup.Settle(node, routing.Failed)
		return
	}
	q.flying++
	q.stats.Asked++
}

// times sets the deadlines of a request: late when most would have answered, dead after six attempts.
func (q *Query) times(c *call) {
	n := q.node
	cfg := &q.cfg
	hard, each, soft := cfg.Hard, cfg.ResendAfter, cfg.Soft
	if soft == 0 {
		soft = n.rtts.Soft()
	}
	if q.opts.Thorough {
		hard = min(hard, soft+thoroughWait)
	}
	if q.opts.Retries != 0 {
		hard = time.Duration(max(q.opts.Retries, 0)+1) * each
	}
	n.deadlines(c, max(1, int(hard/each)), each, soft)
	if n.trips == nil {
		c.query.Hard = hard
	}
}

// settled takes the outcome of a request.
func (q *Query) settled(node routing.Node, r *Reply, err error) {
	if q.over {
		return
	}
	switch {
	case err != nil:
		q.stats.Timeouts++
		q.cause = err
		q.lookup.Settle(node, routing.Failed)
		q.tellReferrers(node.Addr)
	case r.Code != CodeOK:
		q.stats.Errors++
		q.cause = r.err()
		q.lookup.Settle(node, routing.Failed)
		q.learn(r)
	default:
		q.stats.Answered++
		q.answered(node, r)
		q.learn(r)
		q.stream(r)
	}
	q.pump()
}

// answered notes a good answer. Only who answers under its own id, from where it was asked, is one of the closest.
func (q *Query) answered(node routing.Node, r *Reply) {
	if r.From.ID == (ID{}) || r.From.Addr != node.Addr {
		if node.Key.IsZero() {
			q.lookup.Settle(node, routing.Alive) // without key: it counts for nothing
		} else {
			q.lookup.Settle(node, routing.Failed)
		}
		return
	}
	node.Key = r.From.ID.Key()
	q.answers[node.Addr] = r
	q.lookup.Settle(node, routing.Alive)
}

// learn takes over the nodes that a reply names.
func (q *Query) learn(r *Reply) {
	if q.opts.Only {
		return
	}
	for i := range min(r.Closer.Len(), 2*nodesPerBucket) {
		a := r.Closer.At(i)
		q.know(a, r.From.Addr)
		if q.opts.Original && q.node.wanted(nodeAt(a)) && !q.lookup.Improves(IDOf(a).Key()) {
			return // the rest of the list is taken to be farther
		}
	}
}

// stream hands a reply to the caller.
func (q *Query) stream(r *Reply) {
	if q.opts.Map != nil {
		if r = q.opts.Map(r); r == nil {
			return
		}
	}
	if q.onReply != nil {
		q.onReply(r)
	}
	if q.read {
		q.unread = append(q.unread, r)
		q.signal()
	}
}

func (q *Query) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// tellReferrers tells who named a dead node that it is dead.
func (q *Query) tellReferrers(down netip.AddrPort) {
	for _, to := range q.referrers[down] {
		q.node.hint(to, down)
	}
	delete(q.referrers, down)
}

// finish ends a query that has run its course.
func (q *Query) finish() {
	tried := q.stats.Asked + q.stats.Failed
	switch {
	case q.stats.Answered > 0:
	case tried == 0:
		q.err = routing.ErrNoNodes
	case q.cause != nil:
		q.err = fmt.Errorf("%w: %d asked: %w", routing.ErrNoAnswer, tried, q.cause)
	default:
		q.err = fmt.Errorf("%w: %d asked", routing.ErrNoAnswer, tried)
	}
	q.over = true
	q.node.counts.queries.Active--
	q.session.end()
	q.ended()
}

// ended tells whoever waits that it is over.
func (q *Query) ended() {
	q.signal()
	if q.onEnd != nil {
		end := q.onEnd
		q.onEnd = nil
		end(q.err)
	}
}
