package krpc

import (
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Classify tells a query from an answer (socket.Protocol).
func (r *RPC) Classify(payload []byte) (socket.Class, []byte) {
	kind, tid, ok := Classify(payload)
	switch {
	case !ok:
		return socket.Drop, nil
	case kind == KindQuery:
		return socket.Request, tid
	}
	return socket.Response, tid
}

// Tick does the upkeep that is due (socket.Protocol).
func (r *RPC) Tick(now time.Time) time.Time { return r.up.tick(now) }

// Serve answers one query (socket.Protocol). The checks come in the order of BEP 5: envelope, method, id, arguments.
func (r *RPC) Serve(dst []byte, d socket.Datagram) []byte {
	if r.cfg.ReadOnly {
		return dst
	}
	m, err := Parse(d.Payload)
	if err != nil || m.Kind() != KindQuery || m.TIDState() != Usable || m.Topic() != nil { // topics are other networks (BEP 50)
		r.countMalformed()
		return dst
	}
	h := r.header(d.From)
	if err := m.CheckQuery(r.cfg.IDLen); err != nil {
		if m.HasMethod() && !r.handles(m.Method()) {
			err = ErrMethodUnknown
		}
		return AppendError(dst, m.TID(), errorOf(err), h)
	}
	key, _ := m.Key(r.cfg.IDLen)
	node := routing.Node{Key: key, Addr: d.From}
	handle, own := r.heard(&m, node, d.At)
	if own || handle == nil {
		return dst
	}
	q := &r.asked[d.Conn]
	q.Message, q.From, q.Conn, q.At, q.rpc, q.header = m, node, d.Conn, d.At, r, h
	q.Endpoint, q.out, q.answered, q.size = r.cfg.Endpoint, dst, false, len(d.Payload)
	handle(q)
	dst, q.out, q.Message = q.out, nil, Message{}
	return dst
}

// heard notes the sender of a query and finds the query's handler. own: the sender claims our own id, so it is us, or a
// reflector.
func (r *RPC) heard(m *Message, n routing.Node, now time.Time) (handle func(*Query), own bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n.Key == r.table.Self() {
		return nil, true
	}
	r.counts.Queries++
	if !m.ReadOnly() && !n.Key.IsZero() && !r.barred(n.Addr, func() time.Time { return now }) {
		r.table.Heard(n, now)
		r.up.wakeLocked()
	}
	handle, ok := r.handlers[string(m.Method())]
	if !ok {
		handle = r.fallback
	}
	return handle, false
}

// handles reports whether a method has a handler of its own.
func (r *RPC) handles(method []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handlers[string(method)] != nil
}

func (r *RPC) countMalformed() {
	r.mu.Lock()
	r.counts.Malformed++
	r.mu.Unlock()
}
