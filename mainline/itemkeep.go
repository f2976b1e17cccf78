package mainline

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
)

// From BEP 44: how often an item is put again, and how many copies make that unnecessary.
const (
	keepEvery  = time.Hour
	keepCopies = 8
)

// Round is one time that an item was looked after.
type Round struct {
	At     time.Time
	Copies int         // nodes that had this version before, by value or by number
	Stored []krpc.Node // nodes that took it now; none if there were copies enough (BEP 44)
	Err    error       // what went wrong; the next round may go better
}

// Keep puts an item at once and then every interval (0 means one hour), and streams what came of each round. A round whose
// lookup finds the item at each of the closest nodes, and at more than eight in all, writes nothing. It ends with ctx, whose
// cause is the error, with a *ConflictError when there is another version to keep, or with what Verify says of the item.
func (n *Node) Keep(ctx context.Context, item *Item, interval time.Duration) iter.Seq2[Round, error] {
	if interval <= 0 {
		interval = keepEvery
	}
	return func(yield func(Round, error) bool) {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				yield(Round{}, context.Cause(ctx))
				return
			case at := <-timer.C:
				timer.Reset(interval)
				round, final := n.keepOnce(ctx, item, at)
				if final {
					yield(round, round.Err)
					return
				}
				if ctx.Err() == nil && !yield(round, nil) {
					return
				}
			}
		}
	}
}

// keepOnce does one round, and reports whether another would be in vain.
func (n *Node) keepOnce(ctx context.Context, item *Item, at time.Time) (round Round, final bool) {
	p := n.PutItem(item)
	p.unless = p.everywhere
	round.At = at
	for node, err := range p.Stored(ctx) {
		if err != nil {
			round.Err = err
			break
		}
		round.Stored = append(round.Stored, node)
	}
	round.Copies = p.copies
	_, conflict := errors.AsType[*ConflictError](round.Err)
	return round, conflict || p.invalid != nil
}

// everywhere reports whether there are copies enough: more than eight, and one at each node that would be written to.
func (p *ItemPut) everywhere() bool {
	if p.copies <= keepCopies {
		return false
	}
	for _, part := range p.lookup.parts {
		for _, c := range part.writable() {
			if !p.has[c.Node] {
				return false
			}
		}
	}
	return true
}
