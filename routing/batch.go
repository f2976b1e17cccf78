package routing

import (
	"context"
	"iter"
)

// Batch asks each node of a list once, in its order. It is used like a Walk.
type Batch[R Reply] struct {
	deadlines[R]
	todo   []Node
	window int
	flying map[Node]state // queries out: asked or late
	busy   int            // those of them that are not late
	over   bool
}

// NewBatch returns a batch over nodes. At most window (0 means 16) queries are out that are not late. Of cfg the
// deadlines are used. Of nodes at one address and port the first is asked.
func NewBatch[R Reply](nodes []Node, window int, cfg LookupConfig, ask Asker[R]) *Batch[R] {
	b := &Batch[R]{
		deadlines: newDeadlines(ask, cfg), window: positive(window, 16),
		todo: make([]Node, 0, len(nodes)), flying: make(map[Node]state),
	}
	known := make(map[Node]struct{}, len(nodes))
	for _, n := range nodes {
		end := Node{Addr: n.unmapped().Addr}
		if _, twice := known[end]; !twice {
			known[end] = struct{}{}
			b.todo = append(b.todo, n)
		}
	}
	return b
}

// Replies asks the nodes and yields each reply as it comes, in the manner of Walk.Replies.
func (b *Batch[R]) Replies(ctx context.Context) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		if b.over {
			return
		}
		b.over = true
		defer b.ask.Close()
		run(ctx, b.ask, b, yield)
	}
}

// Start sends the first queries.
func (b *Batch[R]) Start() {
	for !b.full && b.busy < b.window && len(b.todo) > 0 {
		n := b.todo[0]
		switch b.send(n) {
		case noRoom:
			return
		case out:
			b.flying[n] = asked
			b.busy++
		}
		b.todo = b.todo[1:]
	}
}

// Fresh reports whether an event brings an answer.
func (b *Batch[R]) Fresh(ev Event[R]) bool { return ev.Outcome == Alive }

// Step settles one event, sends the queries it makes room for, and reports whether all nodes are settled.
func (b *Batch[R]) Step(ev Event[R]) (done bool) {
	s, open := b.flying[ev.Node]
	if ev.Outcome == Room || open {
		b.note(ev)
	}
	if open && s == asked && ev.Outcome != Room {
		b.busy--
	}
	switch {
	case !open:
	case ev.Outcome == Late:
		b.flying[ev.Node] = late
	case ev.Outcome != Room:
		delete(b.flying, ev.Node)
	}
	b.Start()
	return b.Done()
}

// Done reports whether every node has answered or failed.
func (b *Batch[R]) Done() bool { return len(b.todo) == 0 && len(b.flying) == 0 }

// Err returns how a batch that is over ended: nil, ErrNoNodes, or ErrNoAnswer with the last failure.
func (b *Batch[R]) Err() error { return b.stats.err(b.cause) }

// Stats returns what was done so far.
func (b *Batch[R]) Stats() Stats { return b.stats }
