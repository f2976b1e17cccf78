package krpc

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

// Contact is a node together with the token that it gave us, if any (BEP 5: needed to announce to it).
type Contact struct {
	routing.Node
	Token []byte
}

// ContactsOf returns the senders of replies with the token that each of them gave.
func ContactsOf(replies []*Reply) []Contact {
	contacts := make([]Contact, len(replies))
	for i, r := range replies {
		contacts[i] = Contact{Node: r.From, Token: r.Token()}
	}
	return contacts
}

// Batch is one query to several nodes: range over Replies. It is not safe for concurrent use.
type Batch struct {
	batch *routing.Batch[*Reply]
	asker *Asker
	begun bool // it is driven, or was
}

// resendWrites is when an unanswered write is sent once more: what was found with a whole lookup is not given up for one
// lost datagram. Ours.
const resendWrites = time.Second

// QueryAll prepares the same query to every one of the nodes. If args take a token (Tokened) each node gets its own.
func (r *RPC) QueryAll(to []Contact, args Args) *Batch {
	nodes := make([]routing.Node, len(to))
	tokens := make(map[routing.Node][]byte, len(to))
	for i, c := range to {
		nodes[i] = c.Node
		tokens[c.Node] = c.Token
	}
	cfg := askerConfig{args: func(n routing.Node) Args { return withToken(args, tokens[n]) }}
	if _, writes := args.(Tokened); writes {
		cfg.resend = resendWrites
	}
	asker := r.newAsker(cfg)
	window := cmp.Or(r.cfg.Concurrency, 16)
	return &Batch{batch: routing.NewBatch(nodes, window, r.profile(routing.LookupConfig{}), asker), asker: asker}
}

func withToken(args Args, token []byte) Args {
	if t, ok := args.(Tokened); ok && len(token) > 0 {
		return t.WithToken(token)
	}
	return args
}

// Replies streams every good answer as it arrives; leaving the loop frees everything in flight. The error is last and
// final: routing.ErrNoNodes for an empty list; if not one node answered well, the last error with a code of 300 to 399
// (BEP 44: 301, 302), else routing.ErrNoAnswer; or the cause of ctx.
func (b *Batch) Replies(ctx context.Context) iter.Seq2[*Reply, error] {
	return func(yield func(*Reply, error) bool) {
		for r, err := range b.batch.Replies(ctx) {
			if !yield(r, b.explain(err)) {
				return
			}
		}
	}
}

// explain puts the answer of nodes that refused in place of the error that says that none took it.
func (b *Batch) explain(err error) error {
	b.asker.mu.Lock()
	defer b.asker.mu.Unlock()
	if errors.Is(err, routing.ErrNoAnswer) && b.asker.refused != nil {
		return b.asker.refused
	}
	return err
}

// Refused returns the last error with a code of 300 to 399 (BEP 44: 301, 302) and how many nodes answered with one.
func (b *Batch) Refused() (last *Error, n int) {
	b.asker.mu.Lock()
	defer b.asker.mu.Unlock()
	return b.asker.refused, b.asker.refusals
}

// Stats counts what was asked and what came of it.
func (b *Batch) Stats() routing.Stats { return b.batch.Stats() }
