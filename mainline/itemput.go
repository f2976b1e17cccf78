package mainline

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// ConflictError reports that nodes hold another version than the one that was to be replaced, or a newer one than the one
// that was put. Get the item, and decide anew.
type ConflictError struct {
	Stored  *Item       // the version that was found, verified; nil if only the nodes say so
	Refused int         // nodes that refused, 0 if nothing was sent since the lookup had found Stored
	Taken   int         // nodes that took the item all the same
	Reason  *krpc.Error // of the last that refused: 301 or 302 (BEP 44)
}

func (e *ConflictError) Error() string {
	if e.Stored != nil {
		return fmt.Sprintf("mainline: put conflicts with a stored item of seq %d", e.Stored.Seq)
	}
	return fmt.Sprintf("mainline: put refused by %d nodes, taken by %d: %v", e.Refused, e.Taken, e.Reason)
}

// Unwrap returns Reason.
func (e *ConflictError) Unwrap() error {
	if e.Reason == nil {
		return nil
	}
	return e.Reason
}

// PutOption changes how an item is put.
type PutOption func(*ItemPut)

// Cas makes nodes that hold a version other than seq refuse the item (compare and swap), so that no write of somebody else
// with the same key is lost. Nodes that hold none store it.
func Cas(seq int64) PutOption {
	return func(p *ItemPut) { p.cas, p.hasCas = seq, true }
}

// ItemPut is a lookup followed by writes to the closest nodes (BEP 44). Range over Stored.
type ItemPut struct {
	item    *Item
	cas     int64
	hasCas  bool
	lookup  *ItemLookup
	invalid error
	copies  int                   // nodes that have this very version
	holders map[routing.Node]bool // nodes that hold any version
	has     map[routing.Node]bool // nodes that hold this one
	write   *Write
	again   []*krpc.Batch // of the writes, those to nodes that hold this one
	unless  func() bool   // asked before writing: true means that it is not necessary
}

// PutItem prepares to store an item at the nodes closest to its target. Nodes forget it after two hours and more, so it has
// to be put again, once an hour: see Keep. Anybody can put an item again, only the owner of the key a new version of it.
func (n *Node) PutItem(item *Item, opts ...PutOption) *ItemPut {
	p := &ItemPut{item: item.clone(), holders: make(map[routing.Node]bool), has: make(map[routing.Node]bool)}
	for _, o := range opts {
		o(p)
	}
	p.invalid = p.item.Verify()
	// It is enough to hear of newer versions than the one to be replaced: answers without a value have room for all nodes.
	above := p.item.Seq
	if p.hasCas {
		above = p.cas
	}
	if !p.item.Mutable() {
		above = -1
	}
	p.lookup = n.GetItemWith(p.item.Target(), routing.Thorough(), Salt(p.item.Salt), NewerThan(above))
	return p
}

// Lookup returns the lookup that comes before the writes.
func (p *ItemPut) Lookup() *ItemLookup { return p.lookup }

// Stats counts the writes.
func (p *ItemPut) Stats() routing.Stats {
	if p.write == nil {
		return routing.Stats{}
	}
	return p.write.Stats()
}

// Stored does the lookup, then streams the nodes that took the item. The error is last: what Verify says of the item, the
// lookup's error, ErrNoToken, *ConflictError if the lookup found a newer version, or another than that of Cas, or if more
// nodes refused the item for that reason than took it, and routing.ErrNoAnswer if none took it. A node that has this very
// version and takes no version twice (bittorrent-dht answers 302) has not refused it, nor is it streamed.
func (p *ItemPut) Stored(ctx context.Context) iter.Seq2[krpc.Node, error] {
	return func(yield func(krpc.Node, error) bool) {
		if err := p.look(ctx); err != nil {
			yield(krpc.Node{}, err)
			return
		}
		if p.unless != nil && p.unless() {
			return
		}
		p.write = p.writes()
		taken := 0
		for r, err := range p.write.Replies(ctx) {
			if err != nil {
				if conflict, kept := p.refusals(taken); conflict == nil && kept == 0 {
					yield(krpc.Node{}, err)
					return
				}
				break
			}
			taken++
			if !yield(krpc.Node{ID: krpc.IDOf(r.From.Key), Addr: r.From.Addr}, nil) {
				return
			}
		}
		if conflict, _ := p.refusals(taken); conflict != nil {
			yield(krpc.Node{}, conflict)
		}
	}
}

// look does the lookup and reports what stands against writing.
func (p *ItemPut) look(ctx context.Context) error {
	if p.invalid != nil {
		return p.invalid
	}
	for r, err := range p.lookup.Replies(ctx) {
		if err != nil {
			return err
		}
		p.lookup.take(r)
		p.note(r)
	}
	if p.rival(ctx) {
		return &ConflictError{Stored: p.lookup.best, Reason: krpc.ErrSeqTooLow}
	}
	best := p.lookup.Best()
	switch {
	case best == nil || !p.item.Mutable() || best.equal(p.item):
		return nil
	case p.hasCas && best.Seq != p.cas:
		return &ConflictError{Stored: best, Reason: krpc.ErrCasMismatch}
	case best.Seq > p.item.Seq, best.Seq == p.item.Seq && !bytes.Equal(best.V, p.item.V):
		return &ConflictError{Stored: best, Reason: krpc.ErrSeqTooLow}
	}
	return nil
}

// rival reports whether the closest node that has an item of the same number has another one than ours, or a newer one by
// now, which is then the best of the lookup. It asks again, since the answers to the lookup hold only the number.
func (p *ItemPut) rival(ctx context.Context) bool {
	for _, part := range p.lookup.parts {
		for _, r := range part.ClosestReplies() {
			if !p.has[r.From] || r.Value() != nil {
				continue
			}
			it := p.lookup.again(ctx, part, r.From)
			if it == nil {
				continue
			}
			if bytes.Equal(it.V, p.item.V) {
				return false
			}
			p.lookup.best = it
			return it.Seq >= p.item.Seq
		}
	}
	return false
}

// note remembers who holds what.
func (p *ItemPut) note(r *krpc.Reply) {
	seq, hasSeq := r.Seq()
	v := r.Value()
	if p.lookup.bad[r.From] || v == nil && (!hasSeq || seq <= 0) {
		return
	}
	p.holders[r.From] = true
	if v == nil && seq == p.item.Seq || bytes.Equal(v, p.item.V) && (!p.item.Mutable() || seq == p.item.Seq) {
		p.has[r.From] = true
		p.copies++
	}
}

// writes prepares a batch for the nodes that hold this version, one for those that hold another, and one for the rest. Only
// the second has a cas.
func (p *ItemPut) writes() *Write {
	w := &Write{node: p.lookup.node}
	plain := p.item.args()
	swap := plain
	swap.Cas, swap.HasCas = p.cas, p.hasCas
	for _, part := range p.lookup.parts {
		var again, holding, others []krpc.Contact
		for _, c := range part.writable() {
			switch {
			case p.lookup.bad[c.Node]:
			case p.has[c.Node]:
				again = append(again, c)
			case p.hasCas && p.holders[c.Node]:
				holding = append(holding, c)
			default:
				others = append(others, c)
			}
		}
		if len(again) > 0 {
			b := part.end.rpc.QueryAll(again, plain)
			w.batches, p.again = append(w.batches, b), append(p.again, b)
		}
		if len(holding) > 0 {
			w.batches = append(w.batches, part.end.rpc.QueryAll(holding, swap))
		}
		if len(others) > 0 {
			w.batches = append(w.batches, part.end.rpc.QueryAll(others, plain))
		}
	}
	return w
}

// refusals returns a *ConflictError if more nodes refused the item for its version than took it, else nil, and how many
// have it and did not want it once more.
func (p *ItemPut) refusals(taken int) (conflict error, kept int) {
	e := &ConflictError{Taken: taken}
	for _, b := range p.write.batches {
		last, n := b.Refused()
		switch {
		case n == 0:
		case last.Code == krpc.CodeSeqTooLow && slices.Contains(p.again, b):
			kept += n
		default:
			e.Refused, e.Reason = e.Refused+n, last
		}
	}
	if e.Refused <= taken+kept {
		return nil, kept
	}
	return e, kept
}
