package legacy

import (
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Error is what a node answered in place of a result.
type Error struct {
	Text  string
	Value []byte  // that came with it, nil if none
	From  Contact // who said so
}

func (e *Error) Error() string { return "legacy: " + e.From.Addr.String() + " answered: " + e.Text }

// Reply is a node's answer to a request of ours. It belongs to whoever received it.
type Reply struct {
	Type  Type           // of the request: TypeQuery or TypeUpdate
	From  Contact        // who answered; without an id if it is ephemeral
	To    netip.AddrPort // our own address as the node sees it; not valid if it does not say
	Value []byte         // nil if there is none
	Token []byte         // for an update; nil if there is none
	RTT   time.Duration  // from our first attempt to the answer

	err     *Error // nil: success
	message Message
}

// Sender returns who answered (routing.Reply).
func (r *Reply) Sender() routing.Node { return nodeOf(r.From) }

// Contacts ranges over the nodes that the answer names (routing.Reply).
func (r *Reply) Contacts(yield func(routing.Node) bool) { r.message.CloserNodes(yield) }

// replyLocked reads the answer to a request of type t to a node whose key may be zero, and lets the table know. An answer
// under another id, or from another address, counts all the same: but only a node that answers from where it was asked
// is known to live there.
func (n *Node) replyLocked(t Type, asked routing.Node, ev socket.Event) *Reply {
	m, _ := Parse(ev.Payload) // Classify has read it before
	m = m.Clone()
	from := routing.Node{Key: m.Key(), Addr: ev.From}
	if !asked.Key.IsZero() && from.Key != asked.Key {
		n.counts.Mismatches++
		n.table.Remove(asked)
	}
	r := &Reply{Type: t, From: contactOf(from), Value: m.Value, Token: m.Token, RTT: ev.RTT, message: m}
	r.To, _ = m.Recipient()
	if len(m.Error) > 0 {
		n.counts.Errors++
		r.err = &Error{Text: string(m.Error), Value: m.Value, From: r.From}
	}
	switch {
	case from.Key.IsZero():
	case ev.From != ev.To:
		n.table.Heard(from, ev.At)
	default:
		n.answeredLocked(from, ev.RTT, ev.At)
		n.seen.note(from, r.To)
	}
	n.up.wakeLocked()
	return r
}
