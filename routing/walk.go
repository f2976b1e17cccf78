package routing

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"time"
)

// Walk runs one lookup over an Asker. Use it in one of two ways: range over Replies, or call Start and then Step with
// each event until it reports true. It starts no goroutine, and is not safe for concurrent use.
type Walk[R Reply] struct {
	deadlines[R]
	lookup  *Lookup
	closest []kept[R]     // replies of the Keep closest that answered, nearest first
	hard    time.Duration // of the next query
	over    bool          // the loop over Replies has ended
}

// kept is a reply and who gave it, under the address it was asked at.
type kept[R Reply] struct {
	node  Node
	reply R
}

// NewWalk returns a walk to target that knows nobody yet.
func NewWalk[R Reply](target Key, cfg LookupConfig, ask Asker[R]) *Walk[R] {
	if _, ok := ask.(Sounder); !ok {
		cfg.Sound = 0
	}
	w := &Walk[R]{deadlines: newDeadlines(ask, cfg), lookup: NewLookup(target, cfg)}
	w.hard = w.cfg.Hard
	return w
}

// Add makes n a node to start from.
func (w *Walk[R]) Add(n Node) { w.lookup.Add(n, Node{}) }

// AddSeed adds a bootstrap address; see Lookup.AddSeed.
func (w *Walk[R]) AddSeed(addr netip.AddrPort) { w.lookup.AddSeed(addr) }

// Replies runs the walk and yields each reply as it comes. An error comes last: the cause of ctx, ErrNoNodes,
// ErrNoAnswer with the last failure, or what the Asker says. However the loop ends, the Asker is closed then, and the
// walk can still be asked for what it found.
func (w *Walk[R]) Replies(ctx context.Context) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		if w.over {
			return
		}
		w.over = true
		defer w.ask.Close()
		run(ctx, w.ask, w, yield)
	}
}

// stepper is what Walk and Batch have in common.
type stepper[R Reply] interface {
	Start()
	Fresh(ev Event[R]) bool
	Step(ev Event[R]) bool
	Done() bool
	Err() error
}

// run steps s until it is done, the caller has enough, or there are no more events.
func run[R Reply](ctx context.Context, ask Asker[R], s stepper[R], yield func(R, error) bool) {
	var none R
	for s.Start(); !s.Done(); {
		ev, err := ask.Wait(ctx)
		if err != nil {
			yield(none, err)
			return
		}
		fresh := s.Fresh(ev)
		s.Step(ev)
		if fresh && !yield(ev.Reply, nil) {
			return
		}
	}
	if err := s.Err(); err != nil {
		yield(none, err)
	}
}

// Start sends the first queries.
func (w *Walk[R]) Start() {
	for !w.full {
		n, ok := w.lookup.Next()
		if !ok {
			return
		}
		switch w.send(n) {
		case noRoom:
			w.lookup.Forget(n)
		case refused:
			w.lookup.Settle(n, Failed)
		}
	}
}

// send asks the next node, as the lookup gave it.
func (w *Walk[R]) send(n Node) sent {
	if !w.lookup.Sounds(n) {
		return w.asked(w.ask.Ask(n, w.soft(), w.hard))
	}
	w.hard = w.cfg.Sound
	return w.asked(w.ask.(Sounder).Sound(n, w.soft(), w.cfg.Hard))
}

// Fresh reports whether an event, which was not stepped yet, brings an answer to the lookup's own query, and not one about
// the neighbours of a node that answered before: these are streamed.
func (w *Walk[R]) Fresh(ev Event[R]) bool {
	return ev.Outcome == Alive && !w.lookup.Sounds(ev.Node)
}

// Step settles one event, sends the queries it makes room for, and reports whether the walk is over.
func (w *Walk[R]) Step(ev Event[R]) (done bool) {
	w.note(ev)
	if ev.Outcome == Alive {
		w.answered(ev)
	} else {
		w.lookup.Settle(ev.Node, ev.Outcome)
	}
	w.Start()
	return w.Done()
}

// maxNamed is how many nodes of one reply are looked at, or four times K if that is more. Replies name 8 to 40.
const maxNamed = 40

func (w *Walk[R]) answered(ev Event[R]) {
	fresh := w.Fresh(ev)
	from, key := ev.Node, ev.Reply.Sender().Key
	if from.Key.IsZero() || from.Key == key {
		from.Key = key
		w.lookup.Settle(from, Alive)
	} else { // somebody else lives there now, or somebody without a name
		w.lookup.Settle(from, Failed)
		from.Key = key
		w.lookup.sortIn(from)
	}
	if fresh && w.lookup.hasAnswered(from) {
		w.keep(from, ev.Reply)
	}
	left := max(maxNamed, 4*w.cfg.K)
	for n := range ev.Reply.Contacts {
		w.lookup.Add(n, from)
		if left--; left <= 0 {
			break
		}
	}
}

// keep remembers the reply if it is one of the Keep closest so far.
func (w *Walk[R]) keep(n Node, reply R) {
	i, known := slices.BinarySearchFunc(w.closest, n.Key, func(k kept[R], key Key) int {
		return CompareDistance(w.lookup.target, k.node.Key, key)
	})
	if known || i >= w.cfg.Keep {
		return
	}
	if len(w.closest) == w.cfg.Keep {
		w.closest = w.closest[:w.cfg.Keep-1]
	}
	w.closest = slices.Insert(w.closest, i, kept[R]{n, reply})
}

// Done reports whether the walk is over.
func (w *Walk[R]) Done() bool { return w.lookup.Done() }

// Err returns how a walk that is over ended: nil, ErrNoNodes, or ErrNoAnswer with the last failure.
func (w *Walk[R]) Err() error { return w.stats.err(w.cause) }

// ClosestReplies returns the replies of the K closest nodes that have answered, nearest first.
func (w *Walk[R]) ClosestReplies() []R {
	kept := w.Kept()
	return kept[:min(w.cfg.K, len(kept))]
}

// Kept returns the replies of the LookupConfig.Keep closest nodes that have answered, nearest first. Those behind the K-th
// were met on the way: there may be nearer ones that were not asked.
func (w *Walk[R]) Kept() []R {
	replies := make([]R, len(w.closest))
	for i := range w.closest {
		replies[i] = w.closest[i].reply
	}
	return replies
}

// ClosestNodes returns the K closest nodes that have answered, nearest first, in the order of ClosestReplies.
func (w *Walk[R]) ClosestNodes() []Node {
	nodes := make([]Node, min(w.cfg.K, len(w.closest)))
	for i := range nodes {
		nodes[i] = w.closest[i].node
	}
	return nodes
}

// Stats returns what was done so far.
func (w *Walk[R]) Stats() Stats { return w.stats }

// Populate runs a walk for the sake of the nodes it meets, and returns its statistics.
func Populate[R Reply](ctx context.Context, w *Walk[R]) (Stats, error) {
	for _, err := range w.Replies(ctx) {
		if err != nil {
			return w.Stats(), err
		}
	}
	return w.Stats(), nil
}
