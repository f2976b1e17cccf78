package krpc

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/dhtkit/dhtkit/routing"
)

// Query is a query of another node, as its handler sees it. The handler answers with Reply or Fail, or not at all, which
// is silence. A Query and what it holds are valid until the handler returns; Clone gives one that lives on.
type Query struct {
	Message
	From routing.Node // who asks: id as a key, source address
	Conn int          // index of the connection it came in on
	At   time.Time    // when it arrived

	Endpoint int // Config.Endpoint of the RPC it came to

	rpc      *RPC
	out      []byte
	answered bool
	detached bool
	size     int // of its datagram
	nodes    []routing.Node
	header   Header
	shorter  *shorter // scratch, made when an answer is too long
}

// Reply answers with results. Only the first answer counts. An answer that is longer than Room allows is shortened: peers,
// filters, samples and the farthest nodes are left out, then "ip" and "v" of the message, then an item's token. An item that
// does not fit then is left out itself, but for its seq; other results become an error.
func (q *Query) Reply(res Results) {
	if q.answered {
		return
	}
	q.answered = true
	q.out = q.appendReply(q.out, res)
	q.flush()
}

// Fail answers with an error: an *Error as it is, which is what the accessors of Message return for bad arguments, anything
// else as ErrServer.
func (q *Query) Fail(err error) {
	if q.answered {
		return
	}
	q.answered = true
	q.out = AppendError(q.out, q.TID(), errorOf(err), q.header)
	q.flush()
}

func errorOf(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return ErrServer
}

// Closest returns up to n nodes of the table nearest to target, without the asker. The slice is reused by the next query.
func (q *Query) Closest(target routing.Key, n int) []routing.Node {
	q.rpc.mu.Lock()
	q.nodes = q.rpc.table.AppendClosest(q.nodes[:0], target, n+1)
	q.rpc.mu.Unlock()
	q.nodes = slices.DeleteFunc(q.nodes, func(c routing.Node) bool { return c.Addr == q.From.Addr || c.Key == q.From.Key })
	return q.nodes[:min(n, len(q.nodes))]
}

// Clone returns a query that may be answered after the handler returned, from any goroutine.
func (q *Query) Clone() *Query {
	c := *q
	c.Message, c.detached, c.out, c.nodes, c.shorter = q.Message.Clone(), true, nil, nil, nil
	return &c
}

// flush sends the answer of a detached query; that of a handler goes out when the handler returns.
func (q *Query) flush() {
	if !q.detached || len(q.out) == 0 {
		return
	}
	q.rpc.sock.SendRaw(q.Conn, q.From.Addr, q.out)
	q.out = nil
}

// OnQuery sets the handler of the queries with this method; "" stands for every method that has none. Handlers run on the
// read goroutine, must not block, and replace one another. Without any handler for its method a query is not answered.
func (r *RPC) OnQuery(method string, handle func(*Query)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if method == "" {
		r.fallback = handle
		return
	}
	r.handlers[method] = handle
}

func (r *RPC) header(to netip.AddrPort) Header {
	h := Header{Version: r.cfg.Version}
	if !r.cfg.NoEcho {
		h.IP = to
	}
	return h
}
