package mainline

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// GetOption changes how an item is looked for.
type GetOption func(*ItemLookup)

// Salt is needed for a mutable item that was signed with one: nodes do not send it.
func Salt(salt []byte) GetOption {
	return func(l *ItemLookup) { l.salt = bytes.Clone(salt) }
}

// NewerThan asks only for versions above seq, which the caller has. Nodes that have none answer without a value.
func NewerThan(seq int64) GetOption {
	return func(l *ItemLookup) { l.above = seq }
}

// ItemLookup is a get lookup (BEP 44). Range over Items; afterwards Best has the result.
type ItemLookup struct {
	*Lookup
	salt  []byte
	above int64 // what is yielded is newer than this
	best  *Item
	bad   map[routing.Node]bool // nodes that answered with what does not verify
}

// GetItem prepares a lookup of the item under target: the hash of an immutable value, or MutableTarget of a key and a salt.
func (n *Node) GetItem(target krpc.ID, opts ...GetOption) *ItemLookup {
	return n.getItem(target, routing.Fast(), opts...)
}

// GetItemWith is GetItem with another lookup profile, routing.Thorough for example.
func (n *Node) GetItemWith(target krpc.ID, profile routing.LookupConfig, opts ...GetOption) *ItemLookup {
	return n.getItem(target, profile, opts...)
}

func (n *Node) getItem(target krpc.ID, profile routing.LookupConfig, opts ...GetOption) *ItemLookup {
	l := &ItemLookup{above: -1, bad: make(map[routing.Node]bool)}
	for _, o := range opts {
		o(l)
	}
	// Some clients read a seq of 0 as absent, one sends nothing to a negative one.
	l.Lookup = n.Walk(target, krpc.GetArgs{Target: target, Seq: l.above, HasSeq: l.above > 0}, profile)
	return l
}

// Items streams the item, and each time one is found that is newer than all before, that one: higher in sequence, or of the
// same number and with a larger value, byte by byte as encoded. What does not verify is left out. An immutable item ends the lookup, a mutable one does
// not: the last is the result. What was stored at this node itself comes first. No item at all is no error; for the error,
// which comes last, see Lookup.Replies.
func (l *ItemLookup) Items(ctx context.Context) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		if it := l.node.items.store.Get(l.target, time.Now()); it != nil && l.improve(it) {
			if !yield(it, nil) || !it.Mutable() {
				return
			}
		}
		for r, err := range l.Replies(ctx) {
			if err != nil {
				if l.best == nil || !errors.Is(err, routing.ErrNoNodes) {
					yield(nil, err)
				}
				return
			}
			if it := l.take(r); it != nil && (!yield(it, nil) || !it.Mutable()) {
				return
			}
		}
		if it := l.withheld(ctx); it != nil {
			yield(it, nil)
		}
	}
}

// withheld asks the nearest nodes for what they named and did not send: a node may refuse an answer that is too many times
// as long as the query, so this one is longer. It returns the first item that is newer than what is known.
func (l *ItemLookup) withheld(ctx context.Context) *Item {
	known := max(l.above, 0)
	if l.best != nil {
		known = max(known, l.best.Seq)
	}
	for _, p := range l.parts {
		for _, r := range p.ClosestReplies() {
			if seq, ok := r.Seq(); !ok || seq <= known || r.Value() != nil {
				continue
			}
			if it := l.again(ctx, p, r.From); it != nil && l.improve(it) {
				return it
			}
		}
	}
	return nil
}

// again asks one node for its item, which is nil if it does not verify.
func (l *ItemLookup) again(ctx context.Context, p *part, n routing.Node) *Item {
	r, err := p.end.rpc.QueryNode(ctx, n, krpc.GetArgs{Target: l.target, Want: krpc.WantBoth})
	if err != nil {
		return nil
	}
	it := l.itemOf(r)
	if it == nil || it.Target() != l.target || it.Verify() != nil {
		return nil
	}
	return it
}

// Best returns the newest item found so far, nil if there is none.
func (l *ItemLookup) Best() *Item { return l.best }

// improve makes it the best item if it is newer.
func (l *ItemLookup) improve(it *Item) bool {
	if it.Mutable() && it.Seq <= l.above || !it.newer(l.best) {
		return false
	}
	l.best = it
	return true
}

// take returns the item in a reply if it verifies and is the newest so far.
func (l *ItemLookup) take(r *krpc.Reply) *Item {
	it := l.itemOf(r)
	if it == nil || l.best != nil && it.equal(l.best) {
		return nil
	}
	if it.Target() != l.target || it.Verify() != nil {
		l.bad[r.From] = true
		return nil
	}
	if !l.improve(it) {
		return nil
	}
	return it
}

// itemOf returns what a reply says is the item, nil if it says nothing. A mutable item without a seq cannot be verified, and
// reads as one that does not.
func (l *ItemLookup) itemOf(r *krpc.Reply) *Item {
	it := &Item{V: r.Value()}
	if it.V == nil {
		return nil
	}
	if r.Field("k") == nil { // libbtdht sends seq 0 with immutable items
		return it
	}
	it.K, it.Sig, it.Salt, it.Seq = r.K(), r.Sig(), l.salt, -1
	if it.K == nil {
		it.K = []byte{}
	}
	if seq, ok := r.Seq(); ok {
		it.Seq = seq
	}
	return it
}
