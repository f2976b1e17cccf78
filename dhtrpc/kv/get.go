package kv

import (
	"context"
	"crypto/ed25519"
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
		for r, err := range s.claims(ctx, key, dhtrpc.QueryOptions{}, nil) {
			if err != nil {
				if v.best() == nil || !errors.Is(err, routing.ErrNoNodes) && !errors.Is(err, routing.ErrNoAnswer) {
					yield(Record{}, err)
				}
				return
			}
			if v.add(r) && (!yield(*v.best(), nil) || key.kind == KindHash) {
				return
			}
		}
	}
}

// claims streams what nodes say is under a key, which may be views, our own first. *walk becomes the query, if it is not nil.
// That a node that others can find is alone in its network is no error.
func (s *Store) claims(ctx context.Context, key Key, o dhtrpc.QueryOptions, walk **dhtrpc.Query) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		o.Retries = s.cfg.Retries
		q := s.node.Query(key.target, s.cfg.Command, nil, o)
		if walk != nil {
			*walk = q
		}
		if err := context.Cause(ctx); err != nil {
			yield(nil, err)
			return
		}
		if r := s.peek(key); r != nil && !yield(r, nil) {
			return
		}
		for reply, err := range q.Replies(ctx) {
			if _, persistent := s.node.ID(); errors.Is(err, routing.ErrNoNodes) && persistent {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if r, ok := parseRecord(reply.Value); ok && !yield(&r, nil) {
				return
			}
		}
	}
}

// joined ends a context with the store, too.
func (s *Store) joined(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	if s.ctx.Err() != nil {
		cancel(ErrClosed)
	}
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

// seq is the newest version of a writer that was seen, 0 if none was.
func (v *verdict) seq(owner ed25519.PublicKey) uint64 {
	if w := v.writers[string(owner)]; w != nil {
		return w.newest.Seq
	}
	return 0
}

// taken reports whether a name is somebody else's.
func (v *verdict) taken(owner ed25519.PublicKey) bool {
	best := v.best()
	return v.key.kind == KindName && best != nil && !best.Owner.Equal(owner)
}

// add takes what one node says, which may be a view, and reports whether that changed the best.
func (v *verdict) add(r *Record) bool {
	if r.Kind != v.key.kind || r.target() != v.key.target {
		return false
	}
	w := v.writers[string(r.Owner)]
	if (w == nil || !w.newest.same(r)) && !r.genuine() {
		return false
	}
	before := v.best()
	if w == nil {
		w = &writer{newest: r.clone()}
		v.writers[string(r.Owner)] = w
	}
	w.nodes++
	if r.newer(w.newest) {
		w.newest = r.clone()
	}
	if v.top == nil || w.nodes > v.top.nodes {
		v.top = w
	}
	return v.best() != before
}
