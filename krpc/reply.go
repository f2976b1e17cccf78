package krpc

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Reply is a node's answer to a query of ours. It owns its bytes and belongs to whoever received it.
type Reply struct {
	Message
	From routing.Node  // who answered: its id as a key, the address it answered from
	RTT  time.Duration // from our datagram to its answer

	idLen int
	v6    bool
}

// Sender returns who answered (routing.Reply).
func (r *Reply) Sender() routing.Node { return r.From }

// Contacts ranges over the nodes that the reply names and that our own socket can reach: those of its family (routing.Reply).
func (r *Reply) Contacts(yield func(routing.Node) bool) {
	for n := range r.Message.Contacts(r.idLen) {
		if n.Addr.Addr().Is6() == r.v6 && !yield(n) {
			return
		}
	}
}

// others returns the nodes of the other family that the reply names.
func (r *Reply) others() (nodes []routing.Node) {
	for n := range r.Message.Contacts(r.idLen) {
		if n.Addr.Addr().Is6() != r.v6 {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// IDMismatchError reports a node that answered under another id than the one it was known by.
type IDMismatchError struct {
	Addr      netip.AddrPort
	Want, Got routing.Key
}

func (e *IDMismatchError) Error() string {
	return fmt.Sprintf("krpc: node at %v answered with another id (%v, expected %v)", e.Addr, e.Got, e.Want)
}

// Outcome names what became of a query, from a closed list: ok (err is nil), timeout, krpc-error, bad-reply, id-mismatch,
// banned, filtered, send-error.
func Outcome(err error) string {
	if err == nil {
		return "ok"
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return "krpc-error"
	}
	if _, ok := errors.AsType[*IDMismatchError](err); ok {
		return "id-mismatch"
	}
	switch {
	case errors.Is(err, ErrTimeout):
		return "timeout"
	case errors.Is(err, ErrBadReply):
		return "bad-reply"
	case errors.Is(err, ErrBanned):
		return "banned"
	case errors.Is(err, socket.ErrFiltered):
		return "filtered"
	}
	return "send-error"
}
