package kv

import (
	"context"
	"errors"
	"iter"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Get looks a value up. The error is ErrNotFound if no node has it; for others see dhtrpc.Query.Replies.
func (s *Store) Get(ctx context.Context, key Key) (Record, error) {
	v := newVerdict(key)
	for _, err := range s.versions(ctx, key, v) {
		if err != nil {
			return Record{}, err
		}
	}
	if best := v.best(); best != nil {
		return *best, nil
	}
	return Record{}, ErrNotFound
}

// Versions streams what is found under a key, each time something better is: the last is what Get returns. Leaving the
// loop ends the lookup. An error comes last; that nobody has the value is none.
func (s *Store) Versions(ctx context.Context, key Key) iter.Seq2[Record, error] {
	return s.versions(ctx, key, newVerdict(key))
}

func (s *Store) versions(ctx context.Context, key Key, v *verdict) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		ctx, cancel := s.joined(ctx)
		defer cancel()
		if r, err := s.Peek(key); err == nil && v.add(&r) {
			if !yield(r, nil) || key.kind == KindHash {
				return
			}
		}
		q := s.node.Query(key.target, s.cfg.Command, nil, dhtrpc.QueryOptions{})
		for reply, err := range q.Replies(ctx) {
			if err != nil {
				if v.best() == nil || !errors.Is(err, routing.ErrNoNodes) {
					yield(Record{}, err)
				}
				return
			}
			r, ok := parseRecord(reply.Value)
			if !ok || !v.add(&r) {
				continue
			}
			if !yield(*v.best(), nil) || key.kind == KindHash {
				return
			}
		}
	}
}

// joined ends a context with the store, too.
func (s *Store) joined(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.ctx, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// verdict decides between what several nodes say is under a key. Under a name it is the writer that most of them have, and
// of those with equally many the one heard of first.
type verdict struct {
	key     Key
	writers map[string]*writer
	top     *writer
}

type writer struct {
	newest *Record
	nodes  int
}

func newVerdict(key Key) *verdict { return &verdict{key: key, writers: make(map[string]*writer)} }

func (v *verdict) best() *Record {
	if v.top == nil {
		return nil
	}
	return v.top.newest
}

// add takes what one node says, which may be a view, and reports whether that changed the best.
func (v *verdict) add(r *Record) bool {
	if r.Kind != v.key.kind || r.target() != v.key.target || !r.genuine() {
		return false
	}
	before := v.best()
	w := v.writers[string(r.Owner)]
	if w == nil {
		w = new(writer)
		v.writers[string(r.Owner)] = w
	}
	w.nodes++
	if w.newest == nil || r.Seq > w.newest.Seq {
		w.newest = r.clone()
	}
	if v.top == nil || w.nodes > v.top.nodes {
		v.top = w
	}
	return v.best() != before
}
