package dhtrpc

import (
	"context"
	"iter"
	"net/netip"
	"sync/atomic"

	"github.com/dhtkit/dhtkit/routing"
)

// Query is a walk towards a target that puts a command to every node on the way. Range over Replies, then use what it
// found, or let Commit do both. It is not safe for concurrent use.
type Query struct {
	node     *Node
	target   ID
	command  uint64
	value    []byte
	internal bool
	opts     QueryOptions

	// Guarded by the node's lock.
	session      *session
	lookup       *routing.Lookup
	cfg          routing.LookupConfig                // of it
	answers      map[netip.AddrPort]*Reply           // of those that may be among the closest
	referrers    map[netip.AddrPort][]netip.AddrPort // who named a node
	flying       int                                 // requests out, not late
	tableUsed    bool
	looking      int // requests out of lookAround
	lookedAround bool
	stats        QueryStats
	sent         atomic.Int32 // datagrams of requests
	cause        error        // of the last failure
	begun        bool
	over         bool
	err          error // how it ended
	onReply      func(*Reply)
	onEnd        func(error) // called once, with the lock held, when it is over by itself

	// The stream for Replies.
	unread []*Reply
	more   chan struct{} // filled when unread has grown, or it is over
	read   bool          // somebody reads it
}

// QueryOptions shape one query. The zero value works.
type QueryOptions struct {
	// Where to start, besides the table and, with fewer than 20 nodes, the bootstrap nodes: nodes in their order, then the
	// senders of replies. With 20 or more of them the table is left out, unless fewer than 5 of them answer, and only 3
	// requests go out before the first are answered.
	Nodes   []netip.AddrPort
	Replies []*Reply
	Only    bool // ask nobody else than these

	Concurrency int  // requests in flight at once; 0: Config.Concurrency, of which only those count that can change the result
	Retries     int  // attempts after the first; 0 means 5, negative: none
	Thorough    bool // find all of the very closest, slow ones too, in some seconds: as Commit does, which has to reach them
	Background  bool // give way to other queries
	Original    bool // walk as npm's dht-rpc does (dht-rpc 10), for comparisons: Concurrency and Thorough change nothing

	// Map sees every reply before it is streamed and may replace it; nil drops it. It runs on a goroutine of the node and
	// must not block nor call it.
	Map func(*Reply) *Reply

	Trace func(routing.Hop) // called for every request and outcome, under the same conditions

}

// QueryStats counts what a query did.
type QueryStats struct {
	Asked    int // requests sent
	Sent     int // datagrams that took
	Answered int // good answers, with id or without
	Errors   int // answers with an error code
	Late     int // requests that passed their soft deadline, whatever came then
	Timeouts int // requests without answer
	Failed   int // nodes that could not be asked at all
}

// unreadLimit is how many replies wait for their reader before no more requests are sent.
const unreadLimit = 16

// Query prepares a walk that puts a command to the nodes nearest to target.
func (n *Node) Query(target ID, command uint64, value []byte, o QueryOptions) *Query {
	return n.newQuery(target, command, value, o)
}

// FindNode prepares a walk to the nodes nearest to target.
func (n *Node) FindNode(target ID, o QueryOptions) *Query {
	q := n.newQuery(target, CommandFindNode, nil, o)
	q.internal = true
	return q
}

func (n *Node) newQuery(target ID, command uint64, value []byte, o QueryOptions) *Query {
	return &Query{
		node: n, target: target, command: command, value: value, opts: o,
		more: make(chan struct{}, 1),
	}
}

// Target returns what is looked for.
func (q *Query) Target() ID { return q.target }

// Replies streams every good answer as it arrives, in whatever order. Leaving the loop ends the query and frees everything
// in flight. An error comes last and ends the stream: the cause of ctx, routing.ErrNoNodes if there was nobody to ask,
// routing.ErrNoAnswer if all were silent or answered with errors, *BootstrapError if no bootstrap name has an address,
// ErrClosed, ErrSuspended. Answers with an error code are counted, not streamed.
func (q *Query) Replies(ctx context.Context) iter.Seq2[*Reply, error] {
	return func(yield func(*Reply, error) bool) {
		if err := q.prepare(ctx); err != nil {
			yield(nil, err)
			return
		}
		defer q.stop()
		for {
			r, over, err := q.next()
			switch {
			case r != nil:
				if !yield(r, nil) {
					return
				}
			case over:
				if err != nil {
					yield(nil, err)
				}
				return
			default:
				select {
				case <-q.more:
				case <-ctx.Done():
					yield(nil, context.Cause(ctx))
					return
				}
			}
		}
	}
}

// prepare resolves bootstrap names, if they may be needed, and sends the first requests.
func (q *Query) prepare(ctx context.Context) error {
	n := q.node
	if q.begun {
		return nil
	}
	if !q.opts.Only && n.Len() < nodesPerBucket {
		if err := n.boot.resolve(ctx, n.unlockedNow()); err != nil && n.Len()+len(q.opts.Nodes)+len(q.opts.Replies) == 0 {
			return err
		}
	}
	n.mu.Lock()
	n.clock = n.now()
	q.read = !q.begun
	q.start()
	n.wake()
	n.unlock()
	return nil
}

// next returns the next reply, or how it ended.
func (q *Query) next() (r *Reply, over bool, err error) {
	n := q.node
	n.mu.Lock()
	defer n.unlock()
	if len(q.unread) == 0 {
		return nil, q.over, q.err
	}
	r, q.unread[0] = q.unread[0], nil
	q.unread = q.unread[1:]
	if len(q.unread) == unreadLimit-1 && !q.over {
		n.clock = n.now()
		q.pump()
		n.wake()
	}
	return r, false, nil
}

// stop ends the query early.
func (q *Query) stop() {
	n := q.node
	n.mu.Lock()
	q.abandon(nil)
	n.unlock()
}

func (q *Query) abandon(err error) {
	if q.over {
		return
	}
	q.over, q.err, q.unread = true, err, nil
	if q.session != nil {
		q.node.counts.queries.Active--
		q.session.end()
	}
}

// Drive is the event-driven form of Replies, for programs that keep no goroutine for a query and for simulators: each is
// called for every good answer, then done once with what Replies ends with. They run on the goroutines of the node, or of
// whoever steps it, and must not block. Bootstrap names that have to be resolved first are left out. stop ends the query;
// neither function is called after it, but for a call another goroutine has begun.
func (q *Query) Drive(each func(*Reply), done func(error)) (stop func()) {
	n := q.node
	n.mu.Lock()
	defer n.unlock()
	if q.begun || n.closed {
		return func() {}
	}
	n.clock = n.now()
	var stopped atomic.Bool
	q.onReply = func(r *Reply) {
		n.later(func() {
			if !stopped.Load() {
				each(r)
			}
		})
	}
	q.onEnd = func(err error) {
		n.later(func() {
			if !stopped.Load() {
				done(err)
			}
		})
	}
	q.start()
	n.wake()
	return func() {
		stopped.Store(true)
		q.stop()
	}
}

// ClosestReplies returns the answers of the 20 nodes nearest to the target among those that answered well and showed
// their id, nearest first.
func (q *Query) ClosestReplies() []*Reply {
	q.node.mu.Lock()
	defer q.node.mu.Unlock()
	return q.closestReplies()
}

func (q *Query) closestReplies() []*Reply {
	if q.lookup == nil {
		return nil
	}
	var replies []*Reply
	for _, node := range q.lookup.AppendClosest(nil, nodesPerBucket) {
		if r := q.answers[node.Addr]; r != nil {
			replies = append(replies, r)
		}
	}
	return replies
}

// ClosestNodes returns the nodes of ClosestReplies.
func (q *Query) ClosestNodes() []Contact {
	var nodes []Contact
	for _, r := range q.ClosestReplies() {
		nodes = append(nodes, r.From)
	}
	return nodes
}

// Stats counts what was asked and what came of it.
func (q *Query) Stats() QueryStats {
	q.node.mu.Lock()
	defer q.node.mu.Unlock()
	s := q.stats
	s.Sent = int(q.sent.Load())
	return s
}
