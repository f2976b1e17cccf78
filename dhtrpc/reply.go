package dhtrpc

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// Reply is a node's answer to a request of ours. It belongs to whoever received it.
type Reply struct {
	From   Contact        // who answered; the ID is zero if it gave none, or one that does not fit its address
	To     netip.AddrPort // our address, as the other node sees it
	Token  []byte         // to be given back with the next request to it; nil if there is none
	Closer Addrs          // nodes closer to the target
	Code   uint64         // error code, 0 for none
	Value  []byte         // nil if there is none
	RTT    time.Duration  // from our first datagram to the answer
	Conn   int            // index of the socket it came in on
}

// newReply copies what m says; an id that does not fit the source is none (dht-rpc 3).
func newReply(m *Message, ev socket.Event) *Reply {
	id, ok := m.Sender(ev.From)
	if !ok {
		id = ID{}
	}
	return &Reply{
		From: Contact{ID: id, Addr: ev.From}, To: m.To, Token: bytes.Clone(m.Token), Closer: Addrs(bytes.Clone(m.Closer)),
		Code: m.Error, Value: bytes.Clone(m.Value), RTT: ev.RTT, Conn: ev.Conn,
	}
}

// err returns the error that the reply is, nil if it is none.
func (r *Reply) err() error {
	if r.Code == CodeOK {
		return nil
	}
	return &Error{Code: r.Code, Reply: r}
}

// Error is an answer with an error code.
type Error struct {
	Code  uint64
	Reply *Reply // with what else the node said: a fresh token, closer nodes, maybe a value
}

func (e *Error) Error() string {
	switch e.Code {
	case CodeUnknownCommand:
		return fmt.Sprintf("dhtrpc: %v does not know the command", e.Reply.From.Addr)
	case CodeInvalidToken:
		return fmt.Sprintf("dhtrpc: %v does not accept the token", e.Reply.From.Addr)
	}
	return fmt.Sprintf("dhtrpc: %v answered with error %d", e.Reply.From.Addr, e.Code)
}
