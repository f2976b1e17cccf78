package mainline

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// ErrNoToken reports a lookup whose nodes answered, but none of which lets us write to it.
var ErrNoToken = errors.New("mainline: no node gave a token")

// Write sends the same arguments to the closest nodes of a finished lookup, each with the token that it gave. Range over
// Replies. It is not safe for concurrent use.
type Write struct {
	node    *Node
	batches []*krpc.Batch // of the families in which anybody gave a token
}

// Write prepares to write to the closest nodes that gave a token, from the endpoints that asked for it. Call it when
// Replies has ended.
func (l *Lookup) Write(args krpc.Tokened) *Write {
	w := &Write{node: l.node}
	for _, p := range l.parts {
		if to := p.writable(); len(to) > 0 {
			w.batches = append(w.batches, p.end.rpc.QueryAll(to, args))
		}
	}
	return w
}

// writable returns the nodes to write to: the closest that gave a token, and unless BEP 42 is off so many suitable ones behind
// them that K are suitable, so that an attacker who stands around the target does not get all. If there seems to be one, all
// others that the lookup kept get it, too.
func (p *part) writable() []krpc.Contact {
	var to []krpc.Contact
	suitable, kept := 0, krpc.ContactsOf(p.Kept())
	besieged := besieged(p.target, kept, p.k)
	for i, c := range kept {
		fits := suits(c.Node)
		if len(c.Token) == 0 || i >= p.k && !besieged && (!fits || suitable >= p.k) {
			continue
		}
		if to = append(to, c); fits {
			suitable++
		}
	}
	return to
}

// crowd is how many times as far as the closest K nodes the next K have to reach for the closest to be nothing special. In a
// network without attackers they reach twice as far, as a rule. Who wants all K places has to stand nearer than the nearest
// honest node: then it is eight times as far and more.
const crowd = 4

// besieged reports whether the k closest nodes stand nearer to the target than chance has it, in front of the others.
func besieged(target routing.Key, kept []krpc.Contact, k int) bool {
	if len(kept) <= k {
		return false
	}
	distance := func(c krpc.Contact) uint64 {
		d := target.Xor(c.Key)
		return binary.BigEndian.Uint64(d[:8])
	}
	return distance(kept[len(kept)-1])/crowd > distance(kept[k-1])
}

// Replies streams the answers of the nodes that took what was written. The error is last, and comes only if none took it:
// ErrNoToken, the answer of the nodes that refused (*krpc.Error), routing.ErrNoAnswer, or the cause of ctx.
func (w *Write) Replies(ctx context.Context) iter.Seq2[*krpc.Reply, error] {
	if len(w.batches) == 0 {
		return func(yield func(*krpc.Reply, error) bool) { yield(nil, ErrNoToken) }
	}
	return merged(ctx, w.node.closed, w.sources())
}

// Drive is the event-driven form of Replies: see krpc.Lookup.Drive.
func (w *Write) Drive(each func(*krpc.Reply), done func(error)) (stop func()) {
	if len(w.batches) == 0 {
		done(ErrNoToken)
		return func() {}
	}
	return driveAll(w.sources(), each, done)
}

func (w *Write) sources() []source {
	sources := make([]source, len(w.batches))
	for i, b := range w.batches {
		sources[i] = b
	}
	return sources
}

// Stats counts the writes.
func (w *Write) Stats() routing.Stats {
	var all []routing.Stats
	for _, b := range w.batches {
		all = append(all, b.Stats())
	}
	return sum(all...)
}
