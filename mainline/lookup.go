package mainline

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Lookup is one iterative lookup in every network that the node is part of: that of IPv4, that of IPv6, or both as one
// stream (BEP 32). Range over Replies, then use what it found. It is not safe for concurrent use.
type Lookup struct {
	node   *Node
	target krpc.ID
	parts  []*part
}

// part is the lookup of one family, by one endpoint.
type part struct {
	*krpc.Lookup
	end    *Endpoint
	k      int // nodes to find, and to write to
	target routing.Key
}

// Walk prepares a lookup that sends args to nodes ever nearer to target. In each family one endpoint asks: that with the id
// nearest to target.
func (n *Node) Walk(target krpc.ID, args krpc.Args, profile routing.LookupConfig) *Lookup {
	l := &Lookup{node: n, target: target}
	profile = n.secured(profile)
	ends := n.askers(target)
	if len(ends) > 1 {
		profile.Trace = serial(profile.Trace)
	}
	for i, e := range ends {
		if i > 0 {
			profile.RTTs = nil // the families have their own, a caller's is for one alone
		}
		l.parts = append(l.parts, &part{e.rpc.Walk(target.Key(), args, profile), e, profile.K, target.Key()})
	}
	return l
}

// defaultK is how many nodes a lookup finds (BEP 5).
const defaultK = 8

// secured adds to a profile what Config.Secure asks for.
func (n *Node) secured(profile routing.LookupConfig) routing.LookupConfig {
	profile.K = cmp.Or(profile.K, defaultK)
	switch n.cfg.Secure {
	case SecurePrefer:
		profile.Keep = max(profile.Keep, 2*profile.K)
	case SecureStrict:
		profile.Eligible = suits
	}
	return profile
}

// serial makes calls of trace come one at a time.
func serial(trace func(routing.Hop)) func(routing.Hop) {
	if trace == nil {
		return nil
	}
	var mu sync.Mutex // held during a call
	return func(h routing.Hop) {
		mu.Lock()
		defer mu.Unlock()
		trace(h)
	}
}

// Target returns what is looked for.
func (l *Lookup) Target() krpc.ID { return l.target }

// Add gives the lookup a node to start from, besides those of the table. Call it before Replies.
func (l *Lookup) Add(n routing.Node) {
	for _, p := range l.parts {
		if p.end.reaches(n.Addr) {
			p.Lookup.Add(n)
		}
	}
}

// Replies streams every good answer as it arrives, from both families. Leaving the loop frees everything in flight. An
// error comes last and ends the stream, and only if no family got anywhere: the cause of ctx, routing.ErrNoNodes if there
// was nobody to ask, routing.ErrNoAnswer if all were silent, *krpc.BootstrapError if no bootstrap name has an address,
// krpc.ErrClosed.
func (l *Lookup) Replies(ctx context.Context) iter.Seq2[*krpc.Reply, error] {
	return merged(ctx, l.node.closed, l.sources())
}

// Drive is the event-driven form of Replies: see krpc.Lookup.Drive.
func (l *Lookup) Drive(each func(*krpc.Reply), done func(error)) (stop func()) {
	return driveAll(l.sources(), each, done)
}

func (l *Lookup) sources() []source {
	sources := make([]source, len(l.parts))
	for i, p := range l.parts {
		sources[i] = p.Lookup
	}
	return sources
}

// ClosestReplies returns the answers of the nodes nearest to the target among those that answered, 8 of each family, nearest
// first, with their tokens.
func (l *Lookup) ClosestReplies() []*krpc.Reply {
	if len(l.parts) == 1 {
		return l.parts[0].ClosestReplies()
	}
	var all []*krpc.Reply
	for _, p := range l.parts {
		all = append(all, p.ClosestReplies()...)
	}
	target := l.target.Key()
	slices.SortStableFunc(all, func(a, b *krpc.Reply) int { return routing.CompareDistance(target, a.From.Key, b.From.Key) })
	return all
}

// ClosestNodes returns the nodes of ClosestReplies.
func (l *Lookup) ClosestNodes() []routing.Node {
	replies := l.ClosestReplies()
	nodes := make([]routing.Node, len(replies))
	for i, r := range replies {
		nodes[i] = r.From
	}
	return nodes
}

// Stats counts what the lookup asked and what came of it.
func (l *Lookup) Stats() routing.Stats {
	var all []routing.Stats
	for _, p := range l.parts {
		all = append(all, p.Stats())
	}
	return sum(all...)
}
