package dhtrpc

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/socket"
)

// Request is a request of another node, as its handler sees it. The handler answers with Reply, Error or Respond, or not at
// all, which is silence. A Request and what it holds are valid until the handler returns; Clone gives one that lives on.
type Request struct {
	From    Contact        // who asks; the ID is zero for an ephemeral node
	To      netip.AddrPort // our address, as the asker sees it
	Command uint64
	Target  *ID    // nil if there is none
	Token   []byte // only a valid one: the asker can be reached where it says it is; nil otherwise
	Value   []byte // nil if there is none
	Conn    int    // index of the socket it came in on
	At      time.Time

	node     *Node
	scratch  *served
	tid      uint16
	target   ID
	out      []byte
	answered bool
	detached bool
}

// Response is an answer with all there is to choose.
type Response struct {
	Code     uint64 // error code, 0 for none; applications start at 16
	Value    []byte
	NoToken  bool
	NoCloser bool
	Token    bool           // an error carries a token only with this
	To       netip.AddrPort // not valid: to who asks. Another address: for a request that was relayed to us
	Conn     int            // index of the socket to answer from, plus 1; 0: the one it came in on
}

// Handle sets the handler of the requests with this command; nil removes it. Handlers run on the goroutine that reads the
// socket and must not block: one that takes its time answers a Clone later. Requests with a token that is not valid never
// reach a handler, those with a command without handler are answered with CodeUnknownCommand.
func (n *Node) Handle(command uint64, handle func(*Request)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if handle == nil {
		delete(n.handlers, command)
		return
	}
	n.handlers[command] = handle
}

// HandleRest sets the handler of the commands that have none. Error(CodeUnknownCommand) is how it says that it does not
// know one either.
func (n *Node) HandleRest(handle func(*Request)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fallback = handle
}

func (n *Node) handler(command uint64) func(*Request) {
	if h := n.handlers[command]; h != nil {
		return h
	}
	return n.fallback
}

// handle lets a handler answer, without the lock.
func (n *Node) handle(handle func(*Request), dst []byte, s *served, m *Message, sender ID, d socket.Datagram) []byte {
	q := &s.req
	*q = Request{
		From: Contact{ID: sender, Addr: d.From}, To: m.To, Command: m.Command, Token: m.Token, Value: m.Value,
		Conn: d.Conn, At: d.At, node: n, scratch: s, tid: m.TID, out: dst,
	}
	if m.Target != nil {
		q.target = ID(m.Target)
		q.Target = &q.target
	}
	handle(q)
	dst, q.out, q.answered = q.out, nil, true
	return dst
}

// Reply answers with a value, nil for none, a token for the asker and, if there is a target, the nodes closest to it.
func (q *Request) Reply(value []byte) error { return q.Respond(Response{Value: value}) }

// Error answers with an error code and, if there is a target, the nodes closest to it.
func (q *Request) Error(code uint64) error { return q.Respond(Response{Code: code}) }

// Respond answers. Only the first answer counts; ErrTooLong means that there has been none yet.
func (q *Request) Respond(r Response) error {
	if q.answered {
		return nil
	}
	n, conn := q.node, q.Conn
	if r.Conn > 0 {
		conn = r.Conn - 1
	}
	m := Message{TID: q.tid}
	if q.Target != nil {
		m.Target = q.Target[:]
	}
	s := q.scratch
	if q.detached {
		s = new(served)
	}
	n.mu.Lock()
	at := q.At
	if q.detached {
		at = n.now()
	}
	d := socket.Datagram{From: q.From.Addr, Conn: conn, At: at}
	before := len(q.out)
	out := n.respond(q.out, s, &m, d, answer{
		code: r.Code, value: r.Value, to: r.To, closer: !r.NoCloser,
		token: !r.NoToken && (r.Code == CodeOK || r.Token),
	})
	sock, closed := n.sock, n.closed
	n.mu.Unlock()
	if len(out)-before > MaxMessage {
		return ErrTooLong
	}
	q.answered = true
	if closed {
		return ErrClosed
	}
	if q.detached || conn != q.Conn || r.To.IsValid() && r.To != q.From.Addr {
		to := q.From.Addr
		if r.To.IsValid() {
			to = r.To
		}
		return sock.SendRaw(conn, to, out[before:])
	}
	q.out = out
	return nil
}

// Relay hands the request on to a third node, with a value of the caller's: by convention it says who asked, so that the
// third node can answer there with Response.To. No answer comes back here.
func (q *Request) Relay(value []byte, to netip.AddrPort) error {
	n := q.node
	m := Message{TID: q.tid, To: to, Command: q.Command, Value: value}
	if q.Target != nil {
		m.Target = q.Target[:]
	}
	n.mu.Lock()
	if id, ok := n.idFor(q.Conn); ok {
		m.ID = id[:]
	}
	b := n.wire.append(nil, &m)
	sock := n.sock
	n.mu.Unlock()
	if len(b) > MaxMessage {
		return ErrTooLong
	}
	return sock.SendRaw(q.Conn, to, b)
}

// Clone returns a request that may be answered after the handler returned, from any goroutine, once.
func (q *Request) Clone() *Request {
	c := *q
	c.Token, c.Value, c.scratch, c.out, c.detached = bytes.Clone(q.Token), bytes.Clone(q.Value), nil, nil, true
	if q.Target != nil {
		c.Target = &c.target
	}
	return &c
}
