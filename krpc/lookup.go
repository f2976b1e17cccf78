package krpc

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

// Query asks the node at addr and waits for its answer. The error is *Error if the node answered with one, ErrTimeout if it
// was silent, ErrBadReply if the answer has no id, a routing or socket error if nothing could be sent, or the cause of ctx.
func (r *RPC) Query(ctx context.Context, addr netip.AddrPort, args Args) (*Reply, error) {
	return r.QueryNode(ctx, routing.Node{Addr: addr}, args)
}

// QueryNode is Query for a node whose id is known: another id in the answer is an *IDMismatchError.
func (r *RPC) QueryNode(ctx context.Context, n routing.Node, args Args) (*Reply, error) {
	a := r.newAsker(askerConfig{args: same(args)})
	defer a.Close()
	for asked := false; ; {
		if !asked {
			err := a.Ask(n, -1, r.cfg.Timeout)
			if err != nil && !errors.Is(err, routing.ErrFull) {
				return nil, err
			}
			asked = err == nil
		}
		ev, err := a.Wait(ctx)
		if err != nil {
			return nil, err
		}
		switch ev.Outcome {
		case routing.Alive:
			return ev.Reply, nil
		case routing.Failed:
			return nil, ev.Err
		}
	}
}

// Lookup is one iterative lookup: range over Replies, then use what it found. It is not safe for concurrent use.
type Lookup struct {
	rpc    *RPC
	target routing.Key
	asker  *Asker
	walk   *routing.Walk[*Reply]
	seeded bool  // Prepare was called
	cause  error // why it has no nodes to start from
	begun  bool  // it is driven, or was
}

// Closest prepares a lookup that asks the nodes ever nearer to target, with the profile of Config.Lookup.
func (r *RPC) Closest(target routing.Key, args Args) *Lookup {
	return r.Walk(target, args, r.cfg.Lookup)
}

// Walk is Closest with a profile of the caller's, routing.Thorough for example.
func (r *RPC) Walk(target routing.Key, args Args, cfg routing.LookupConfig) *Lookup {
	return r.walk(target, args, cfg, false)
}

func (r *RPC) walk(target routing.Key, args Args, cfg routing.LookupConfig, background bool) *Lookup {
	asker := r.newAsker(askerConfig{args: same(args), background: background, window: r.cfg.Concurrency, resend: cfg.ResendAfter})
	return &Lookup{rpc: r, target: target, asker: asker, walk: routing.NewWalk(target, r.profile(cfg), asker)}
}

// profile completes a lookup profile with what the network says.
func (r *RPC) profile(cfg routing.LookupConfig) routing.LookupConfig {
	if cfg.K == 0 {
		cfg.K = r.cfg.K
	}
	if cfg.Hard == 0 {
		cfg.Hard = r.cfg.Timeout
	}
	cfg.ShareNets = cfg.ShareNets || r.cfg.Lookup.ShareNets
	cfg.Self = routing.KeyOf(r.ID())
	return cfg
}

// Populate walks towards target in the background, so that the table fills with the nodes on the way. It gives way to
// every other lookup, and returns when nothing nearer is left to ask.
func (r *RPC) Populate(ctx context.Context, target routing.Key, args Args) (routing.Stats, error) {
	l := r.walk(target, args, r.cfg.Lookup, true)
	if err := l.Prepare(ctx); err != nil {
		return routing.Stats{}, err
	}
	return routing.Populate(ctx, l.walk)
}

// Add gives the lookup a node to start from, besides those of the table. Call it before Replies.
func (l *Lookup) Add(n routing.Node) { l.walk.Add(n) }

// Replies streams every good answer as it arrives. Leaving the loop frees everything in flight. An error comes last and
// ends the stream: the cause of ctx, routing.ErrNoNodes if there was nobody to ask, routing.ErrNoAnswer if all were silent,
// *BootstrapError if no bootstrap name has an address.
func (l *Lookup) Replies(ctx context.Context) iter.Seq2[*Reply, error] {
	return func(yield func(*Reply, error) bool) {
		if err := l.Prepare(ctx); err != nil {
			yield(nil, err)
			return
		}
		l.walk.Replies(ctx)(yield)
	}
}

// ClosestReplies returns the answers of the k nodes nearest to the target among those that answered, nearest first, with
// their tokens.
func (l *Lookup) ClosestReplies() []*Reply { return l.walk.ClosestReplies() }

// Kept returns the answers of ClosestReplies, and of nodes behind them as the profile's Keep says.
func (l *Lookup) Kept() []*Reply { return l.walk.Kept() }

// ClosestNodes returns the nodes of ClosestReplies.
func (l *Lookup) ClosestNodes() []routing.Node { return l.walk.ClosestNodes() }

// Stats counts what the lookup asked and what came of it.
func (l *Lookup) Stats() routing.Stats { return l.walk.Stats() }

// Prepare gives the walk its first nodes, which Replies does by itself: the table's, and if those are few the saved ones and
// the bootstrap addresses, whose names may have to be resolved. A node that is still joining joins first: bittorrent-dht,
// rtorrent and others name no nodes beside peers, so a walk that starts from a few bootstrap addresses may end with them.
func (l *Lookup) Prepare(ctx context.Context) error {
	if !l.seeded {
		l.seeded = true
		l.cause = l.seed(ctx)
	}
	return l.cause
}

func (l *Lookup) seed(ctx context.Context) error {
	if err := l.rpc.Ready(ctx); err != nil {
		return err
	}
	known := l.rpc.seedFromTable(l.walk, l.target)
	if known >= l.rpc.cfg.K {
		return nil
	}
	addrs, err := l.rpc.boot.Resolve(ctx, time.Now())
	if err != nil && known == 0 && len(l.rpc.cfg.Nodes) == 0 {
		return err
	}
	l.rpc.seedFromConfig(l.walk, addrs)
	return nil
}

// PrepareNow does what Prepare does if there is nothing to wait for, and reports whether it did.
func (l *Lookup) PrepareNow() bool {
	if l.seeded {
		return true
	}
	if !l.rpc.hasJoined() {
		return false
	}
	if !l.rpc.boot.Static() && l.rpc.Len() < l.rpc.cfg.K {
		return false
	}
	return l.Prepare(context.Background()) == nil // no name has to be resolved
}

func (r *RPC) seedFromTable(w *routing.Walk[*Reply], target routing.Key) int {
	r.mu.Lock()
	nodes := r.table.AppendClosest(nil, target, 4*r.cfg.K)
	r.mu.Unlock()
	for _, n := range nodes {
		w.Add(n)
	}
	return len(nodes)
}

func (r *RPC) seedFromConfig(w *routing.Walk[*Reply], addrs []netip.AddrPort) {
	for _, n := range r.cfg.Nodes {
		w.Add(n)
	}
	for _, a := range addrs {
		if a.Addr().Is6() == r.v6 {
			w.AddSeed(a)
		}
	}
}
