package dhtrpc

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// session is a group of requests that end together: those of a query, or a single one.
type session struct {
	node   *Node
	group  *socket.Group
	calls  map[uint64]*call
	last   uint64      // tag of the last call
	failed func(error) // the node was closed or suspended; called before the calls hear, with the node's lock held
	ended  bool
}

// call is one request on its way.
type call struct {
	session *session
	tag     uint64
	to      routing.Node // zero Key: nothing is known of who is there
	packet  packet
	query   socket.Query

	// settled is called once, with the node's lock held, unless the session ends before: with the answer, whatever its
	// error code, or with the reason that there is none.
	settled func(*Reply, error)
	late    func() // the soft deadline passed
}

// packet is a request as it leaves, but for the transaction id.
type packet struct {
	bytes []byte
	tidAt int
	sent  atomic.Int32
	again *atomic.Int64 // of the node: datagrams that were not the first
	total *atomic.Int32 // of the query: all; nil: there is none
}

// AppendPacket writes the datagram and counts that it is sent (socket.Packet).
func (p *packet) AppendPacket(dst, tid []byte) []byte {
	if p.sent.Add(1) > 1 {
		p.again.Add(1)
	}
	if p.total != nil {
		p.total.Add(1)
	}
	at := len(dst) + p.tidAt
	dst = append(dst, p.bytes...)
	copy(dst[at:at+2], tid)
	return dst
}

// newSession makes a session. Background ones give way to others.
func (n *Node) newSession(background bool) *session {
	s := &session{node: n, calls: make(map[uint64]*call)}
	s.group = n.sock.Group(socket.GroupConfig{Background: background, OnEvent: s.event})
	n.out.sessions[s] = struct{}{}
	return s
}

// end forgets all calls.
func (s *session) end() {
	if s.ended {
		return
	}
	s.ended = true
	s.node.counts.active -= len(s.calls)
	for range s.calls {
		s.node.out.window.settled()
	}
	clear(s.calls)
	delete(s.node.out.sessions, s)
	s.group.Close()
}

// fail tells all calls that there will be no answer, and ends the session.
func (s *session) fail(err error) {
	calls := s.calls
	s.calls = nil
	s.node.counts.active -= len(calls)
	s.end()
	if s.failed != nil {
		s.failed(err)
	}
	for _, c := range calls {
		c.settled(nil, err)
	}
}

// deadlines of a call: attempts one second apart, or what is configured (dht-rpc 9.1, 9.3).
func (n *Node) deadlines(c *call, attempts int, each, soft time.Duration) {
	q := &c.query
	q.Soft, q.Resends, q.ResendAfter = soft, attempts-1, each
	q.Hard = time.Duration(attempts) * each
	if n.trips == nil || each != time.Second {
		return
	}
	q.Hard, q.Waits = 0, make([]time.Duration, attempts)
	for i := range q.Waits {
		q.Waits[i] = n.trips.timeout(c.to.Addr, i+1, n.rand.Float64(), n.clock)
		q.Hard += q.Waits[i]
	}
	q.Waits = q.Waits[:attempts-1]
}

// begin sends a call, or lets it wait for room. An error means that it cannot be sent and nothing follows.
func (n *Node) begin(c *call, m *Message) error {
	switch {
	case n.closed || c.session.ended && !n.asleep:
		return ErrClosed
	case n.asleep:
		return ErrSuspended
	}
	c.to.Addr = netip.AddrPortFrom(c.to.Addr.Addr().Unmap(), c.to.Addr.Port())
	if !c.to.Addr.Addr().Is4() {
		return ErrNotIPv4
	}
	if !socket.Routable(c.to.Addr, n.cfg.Private) {
		return socket.ErrFiltered
	}
	m.To = c.to.Addr
	if id, ok := n.idFor(c.query.Conn); ok {
		m.ID = id[:]
	}
	c.packet.bytes = n.wire.append(nil, m)
	if len(c.packet.bytes) > MaxMessage {
		return ErrTooLong
	}
	c.packet.tidAt, c.packet.again = n.wire.tidAt(), &n.out.again
	c.query.To, c.query.Packet = c.to.Addr, &c.packet
	c.query.AnyAddress = !m.Internal // relays answer for others
	s := c.session
	s.last++
	c.tag, c.query.Tag = s.last, s.last
	if err := n.out.submit(c, n.clock); err != nil {
		return err
	}
	s.calls[c.tag] = c
	n.counts.begun(m)
	return nil
}

// event takes an event of the socket (socket.GroupConfig.OnEvent).
func (s *session) event(ev socket.Event) bool {
	n := s.node
	n.mu.Lock()
	n.clock = ev.At
	if ev.Kind == socket.Room {
		n.out.flush(ev.At)
		n.unlock()
		return false
	}
	if c := s.calls[ev.Tag]; c != nil {
		n.happened(c, ev)
	}
	n.out.flush(ev.At)
	n.wake()
	n.unlock()
	return false
}

// happened deals with an event of a call.
func (n *Node) happened(c *call, ev socket.Event) {
	if ev.Kind == socket.Late {
		if c.late != nil {
			c.late()
		}
		return
	}
	delete(c.session.calls, c.tag)
	n.counts.active--
	n.out.settle(ev.At)
	switch ev.Kind {
	case socket.Reply:
		c.settled(n.replied(c, ev))
	case socket.Timeout:
		n.counts.traffic.timeouts++
		n.failed(c.to)
		c.settled(nil, ErrTimeout)
	default:
		c.settled(nil, ev.Err)
	}
}

// replied reads an answer, and lets the table and the samplers know.
func (n *Node) replied(c *call, ev socket.Event) (*Reply, error) {
	m, err := n.wire.parse(ev.Payload)
	if err != nil {
		return nil, err // cannot be: classify has looked at it
	}
	n.counts.traffic.responses++
	if n.trips != nil && c.packet.sent.Load() <= 2 {
		n.trips.add(ev.From, ev.RTT, ev.At)
	}
	n.rtts.Add(ev.RTT)
	r := newReply(&m, ev)
	if r.From.ID != (ID{}) {
		n.answered(r, ev)
	} else if ev.From == c.to.Addr {
		n.table.Remove(routing.Node{Key: IDOf(ev.From).Key(), Addr: ev.From})
		n.net.sampleNameless(n, ev.From, m.To, ev.Conn)
	}
	return r, nil
}
