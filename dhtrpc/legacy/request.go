package legacy

import (
	"bytes"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// What npm dht-rpc says to commands, or updates, that a node has no handler for.
const (
	unsupportedCommand = "Unsupported command"
	unsupportedUpdate  = "Update not supported"
)

// command is what a node does for one of the application's commands.
type command struct {
	name          string
	query, update func(*Request)
}

// OnQuery sets the handler of queries with this command. Handlers run on the goroutine that reads, one after the other, and
// must not block. A command that has a handler for updates alone answers queries with nothing but closer nodes; one
// without any answers with an error. The commands that begin with "_" in this package are the node's own.
func (n *Node) OnQuery(name string, handle func(*Request)) {
	n.handle(name, func(c *command) { c.query = handle })
}

// OnUpdate sets the handler of updates with this command. It is only called for requests that carry a token which this node
// gave to the same host within the last ten minutes, so their source is not forged.
func (n *Node) OnUpdate(name string, handle func(*Request)) {
	n.handle(name, func(c *command) { c.update = handle })
}

func (n *Node) handle(name string, set func(*command)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := &command{name: name}
	if known := n.commands[name]; known != nil {
		*c = *known
	}
	set(c)
	n.commands[name] = c
}

// Request is a query or update of another node, as its handler sees it. The handler answers with Reply or Fail, or not at
// all: then the other asks twice more and gives up. A Request is valid until the handler returns; Clone gives one that
// lives on.
type Request struct {
	Type    Type
	Command string
	From    Contact   // who asks; without an id if it is ephemeral
	Target  []byte    // 32 bytes, unless the sender does not care
	Value   []byte    // nil if there is none
	At      time.Time // when it arrived

	node     *Node
	rid      uint64
	out      []byte
	closer   []byte
	answered bool
	detached bool
}

// Reply answers with a value, nil for none, and the closest nodes that we know. Only the first answer counts.
func (r *Request) Reply(value []byte) { r.answer(&response{value: value}) }

// Fail answers with an error and maybe a value. The other learns of the closest nodes that we know all the same, but gets no
// token.
func (r *Request) Fail(text string, value []byte) {
	r.answer(&response{err: []byte(text), value: value, failed: true})
}

func (r *Request) answer(res *response) {
	if r.answered {
		return
	}
	r.answered = true
	r.closer = r.node.appendCloser(r.closer[:0], r.Target)
	res.nodes = r.closer
	r.out = r.node.appendResponse(r.out, r.rid, r.From.Addr, r.At, res)
	if r.detached {
		r.node.sock.SendRaw(0, r.From.Addr, r.out)
		r.out = nil
	}
}

// Clone returns a request that may be answered after the handler returned, from any goroutine.
func (r *Request) Clone() *Request {
	c := *r
	c.Target, c.Value = bytes.Clone(r.Target), bytes.Clone(r.Value)
	c.detached, c.out, c.closer = true, nil, nil
	return &c
}

// serveCommand answers a request of the application's. Without a target nobody answers.
func (n *Node) serveCommand(dst []byte, m *Message, d socket.Datagram) []byte {
	if m.Target == nil {
		return dst
	}
	n.mu.Lock()
	c := n.commands[string(m.Command)]
	n.mu.Unlock()
	r := &n.served
	r.Type, r.From, r.Target, r.Value, r.At = m.Type, Contact{ID: ID(m.Key()), Addr: d.From}, m.Target, m.Value, d.At
	r.rid, r.out, r.answered = m.RID, dst, false
	c.serve(r)
	dst = r.out
	r.Target, r.Value, r.out = nil, nil, nil
	return dst
}

// serve calls the handler, or answers for one that is not there. c is nil for an unknown command.
func (c *command) serve(r *Request) {
	handle := (func(*Request))(nil)
	if c != nil {
		r.Command = c.name
		if handle = c.query; r.Type == TypeUpdate {
			handle = c.update
		}
	}
	switch {
	case c == nil:
		r.Fail(unsupportedCommand, nil)
	case handle != nil:
		handle(r)
	case r.Type == TypeUpdate:
		r.Fail(unsupportedUpdate, nil)
	default:
		r.Reply(nil)
	}
}
