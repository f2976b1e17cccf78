package legacy

import (
	"context"
	"errors"
	"iter"
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
)

// Query is a query or an update on its way: range over Replies, or Drive it. It has one owner.
type Query struct {
	node   *Node
	way    ask  // what is asked on the way to the target
	update *ask // what the closest are asked then; nil: nothing
	show   bool // the answers on the way are the caller's, too
	alone  []netip.AddrPort
	join   bool // bootstrap nodes are asked as long as the table is small, not only while they are more
	behind bool // it gives way to every other
	direct bool // no hole punching
	warn   func(*Error)

	begun   bool
	first   phase
	walk    *routing.Walk[*Reply] // first, unless only some nodes are asked
	firstBy *asker
	second  phase    // nil until the first is over
	answers []*Reply // of the first, if only some nodes are asked
	refused int
}

// phase is a routing.Walk or routing.Batch.
type phase interface {
	Replies(ctx context.Context) iter.Seq2[*Reply, error]
	Start()
	Step(routing.Event[*Reply]) bool
	Done() bool
	Err() error
	Stats() routing.Stats
}

// Option changes one query or update.
type Option func(*Query)

// Only makes a query ask these nodes and nobody else, and an update go to those of them that give a token.
func Only(nodes ...netip.AddrPort) Option {
	return func(q *Query) { q.alone = append([]netip.AddrPort{}, nodes...) }
}

// IncludeQuery makes an update ask the nodes on the way with its command and value, not only for closer nodes, and show their
// answers: a query and an update in one.
func IncludeQuery() Option { return func(q *Query) { q.show = true } }

// NoHolepunch leaves it at asking directly.
func NoHolepunch() Option { return func(q *Query) { q.direct = true } }

// OnRefused sets who hears of nodes that answer with an error, one call at a time, between the replies.
func OnRefused(warn func(*Error)) Option { return func(q *Query) { q.warn = warn } }

// Query prepares a query: nodes ever nearer to the target are asked for what their handlers of the command say, until the 20
// closest have answered. A value of nil is none.
//
// A node that does not answer within half a second is asked again through whoever named it, in case it is behind a NAT; see
// NoHolepunch and Config.NoHolepunch.
func (n *Node) Query(command string, target ID, value []byte, opts ...Option) *Query {
	q := &Query{node: n, way: ask{kind: TypeQuery, command: command, target: target[:], value: value}, show: true}
	return q.with(opts)
}

// Update prepares an update: the 20 nodes closest to the target are looked for, and asked to do what their handlers of updates
// with this command do.
func (n *Node) Update(command string, target ID, value []byte, opts ...Option) *Query {
	q := &Query{
		node:   n,
		way:    ask{kind: TypeQuery, command: CommandFindNode, target: target[:]},
		update: &ask{kind: TypeUpdate, command: command, target: target[:], value: value},
	}
	q.with(opts)
	if q.show {
		q.way.command, q.way.value = command, value
	}
	return q
}

// find prepares a walk to a target that starts from the bootstrap nodes, too.
func (n *Node) find(target ID) *Query {
	q := &Query{node: n, way: ask{kind: TypeQuery, command: CommandFindNode, target: target[:]}, join: true}
	return q.with(nil)
}

func (q *Query) with(opts []Option) *Query {
	q.direct = q.node.cfg.NoHolepunch
	for _, o := range opts {
		o(q)
	}
	return q
}

// Replies streams the answers as they come: of a query those to it, of an update those to the update, with IncludeQuery both,
// see Reply.Type. Nothing more is asked while the loop does not go on; leaving it frees everything in flight. Errors that nodes
// answer with are counted, see OnRefused. An error of the query itself comes last and ends it: the cause of ctx,
// routing.ErrNoNodes if there was nobody to ask (for an update: nobody gave a token), routing.ErrNoAnswer if all were silent,
// *BootstrapError.
func (q *Query) Replies(ctx context.Context) iter.Seq2[*Reply, error] {
	return func(yield func(*Reply, error) bool) {
		if q.begun {
			return
		}
		q.begun = true
		q.prepare(nil)
		if err := q.seed(ctx); err != nil {
			q.firstBy.Close()
			yield(nil, err)
			return
		}
		if q.stream(ctx, q.first, yield) && q.update != nil {
			q.prepareUpdate(nil)
			q.stream(ctx, q.second, yield)
		}
	}
}

// stream runs one phase and reports whether it came to its end.
func (q *Query) stream(ctx context.Context, p phase, yield func(*Reply, error) bool) bool {
	for r, err := range p.Replies(ctx) {
		if err != nil {
			yield(nil, err)
			return false
		}
		if !q.take(r) {
			q.report(r)
		} else if !yield(r, nil) {
			return false
		}
	}
	return true
}

// report tells of an error that a node answered with.
func (q *Query) report(r *Reply) {
	if r.err != nil && q.warn != nil {
		q.warn(r.err)
	}
}

// take keeps what an answer is good for and reports whether it is for the caller.
func (q *Query) take(r *Reply) bool {
	if r.err != nil {
		q.refused++
		return false
	}
	if q.second == nil && q.alone != nil {
		q.answers = append(q.answers, r)
	}
	return q.show || q.second != nil
}

// profile is how the first phase looks for the closest: an update waits for late nodes, so that it reaches the true ones.
func (q *Query) profile() routing.LookupConfig {
	cfg := q.node.cfg.Lookup
	if q.update != nil {
		cfg.WaitLate = true
	}
	if q.way.command == CommandFindNode {
		cfg.Hard = min(cfg.Hard, findHard)
	}
	return cfg
}

// prepare makes the first phase.
func (q *Query) prepare(deliver deliver) {
	n := q.node
	refs := referrers{}
	if q.direct {
		refs = nil
	}
	q.firstBy = n.newAsker(q.way, q.behind, refs, deliver)
	if q.alone == nil {
		q.walk = routing.NewWalk(routing.KeyOf(q.way.target), q.profile(), q.firstBy)
		q.first = q.walk
		return
	}
	nodes := make([]routing.Node, len(q.alone))
	for i, a := range q.alone {
		nodes[i].Addr = a
	}
	q.first = routing.NewBatch(nodes, concurrency, q.profile(), q.firstBy)
}

// prepareUpdate makes the second phase: the update goes to the closest that gave a token.
func (q *Query) prepareUpdate(deliver deliver) *asker {
	q.update.tokens = make(map[netip.AddrPort][]byte)
	var nodes []routing.Node
	add := func(n routing.Node, token []byte) {
		if len(token) > 0 {
			nodes = append(nodes, n)
			q.update.tokens[n.Addr] = token
		}
	}
	if q.walk != nil {
		replies := q.walk.ClosestReplies()
		for i, n := range q.walk.ClosestNodes() {
			add(n, replies[i].Token)
		}
	}
	for _, r := range q.answers {
		add(nodeOf(r.From), r.Token)
	}
	by := q.node.newAsker(*q.update, false, q.firstBy.refs, deliver)
	q.second = routing.NewBatch(nodes, concurrency, q.node.cfg.Lookup, by)
	return by
}

// seed gives the walk its first nodes: those of the table, and bootstrap nodes if there are more of them.
func (q *Query) seed(ctx context.Context) error {
	if q.walk == nil {
		return nil
	}
	if !q.seedKnown() {
		return nil
	}
	addrs, err := q.node.boot.Resolve(ctx, q.node.now())
	if err != nil && len(q.node.cfg.Nodes) == 0 && len(q.node.Nodes()) == 0 {
		return err
	}
	q.addSeeds(addrs)
	return nil
}

// seedKnown adds the nodes of the table, and if those are few the saved ones. It reports whether the bootstrap nodes are wanted
// too.
func (q *Query) seedKnown() bool {
	n := q.node
	n.mu.Lock()
	known := n.table.Len()
	for _, c := range n.closestLocked(routing.KeyOf(q.way.target)) {
		q.walk.Add(c)
	}
	n.mu.Unlock()
	few := q.join && known < k || known < len(n.cfg.Bootstrap)
	if few || known == 0 {
		for _, c := range n.cfg.Nodes {
			q.walk.Add(nodeOf(c))
		}
	}
	return few
}

func (q *Query) addSeeds(addrs []netip.AddrPort) {
	for _, a := range addrs {
		if isIPv4(a) {
			q.walk.AddSeed(a)
		}
	}
}

// ClosestNodes returns the nodes nearest to the target among those that answered, nearest first: at most 20, none for a query
// of Only some.
func (q *Query) ClosestNodes() []Contact {
	if q.walk == nil {
		return nil
	}
	closest := q.walk.ClosestNodes()
	nodes := make([]Contact, len(closest))
	for i, c := range closest {
		nodes[i] = contactOf(c)
	}
	return nodes
}

// Stats counts what was asked and what came of it.
type Stats struct {
	Way     routing.Stats // on the way to the target
	Updates routing.Stats
	Refused int // nodes that answered with an error; they count as answered, too
}

// Stats returns what was done so far.
func (q *Query) Stats() Stats {
	s := Stats{Refused: q.refused}
	if q.first != nil {
		s.Way = q.first.Stats()
	}
	if q.second != nil {
		s.Updates = q.second.Stats()
	}
	return s
}

// lonely reports whether the query failed because there was nobody to ask.
func (q *Query) lonely() bool { return errors.Is(q.first.Err(), routing.ErrNoNodes) }
