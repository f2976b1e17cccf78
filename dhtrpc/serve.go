package dhtrpc

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// protocol is the node as its socket sees it (socket.Protocol).
type protocol struct {
	node   *Node
	served []served // one a conn: each has its own goroutine
}

// served is what it takes to answer one request without allocating. It is held while one is answered: Node.Receive may bring
// another one at the same time.
type served struct {
	sync.Mutex
	req    Request
	nodes  []routing.Node
	closer Addrs
	token  []byte
}

// Classify tells a request from an answer (socket.Protocol).
func (p *protocol) Classify(payload []byte) (socket.Class, []byte) {
	return p.node.wire.classify(payload)
}

// Tick does the upkeep that is due (socket.Protocol).
func (p *protocol) Tick(now time.Time) time.Time { return p.node.tick(now) }

// Serve answers one request (socket.Protocol), in the order of dht-rpc 5: token, sender, command.
func (p *protocol) Serve(dst []byte, d socket.Datagram) []byte {
	n := p.node
	m, err := n.wire.parse(d.Payload)
	if err != nil || !d.From.Addr().Is4() {
		n.mu.Lock()
		n.counts.malformed++
		n.mu.Unlock()
		return dst
	}
	s := p.scratch(d.Conn)
	defer s.Unlock()
	n.mu.Lock()
	if n.closed || n.asleep {
		n.mu.Unlock()
		return dst
	}
	n.clock = d.At
	if m.Token != nil && !n.tokens.Valid(m.Token, d.From.Addr(), d.At) {
		n.counts.badTokens++
		dst = n.respond(dst, s, &m, d, answer{code: CodeInvalidToken, token: true, closer: true})
		n.unlock()
		return dst
	}
	sender := n.heard(&m, d)
	if m.Internal {
		dst = n.serveInternal(dst, s, &m, d)
		n.wake()
		n.unlock()
		return dst
	}
	handle := n.handler(m.Command)
	if handle == nil {
		dst = n.respond(dst, s, &m, d, answer{code: CodeUnknownCommand, closer: true})
	}
	n.wake()
	n.unlock()
	if handle == nil {
		return dst
	}
	return n.handle(handle, dst, s, &m, sender, d)
}

// scratch returns the conn's own, locked, or a new one while that is in use.
func (p *protocol) scratch(conn int) *served {
	s := &p.served[conn]
	if !s.TryLock() {
		s = new(served)
		s.Lock()
	}
	return s
}

// heard notes the sender of a request.
func (n *Node) heard(m *Message, d socket.Datagram) (sender ID) {
	n.counts.received(m)
	id, ok := m.Sender(d.From)
	if !ok {
		return ID{}
	}
	node := routing.Node{Key: id.Key(), Addr: d.From}
	if n.wanted(node) {
		n.table.Heard(node, d.At)
		n.net.sampleRequest(n, node, m.To, d)
	}
	return id
}

// wanted reports whether a node may be in the table and in queries.
func (n *Node) wanted(node routing.Node) bool {
	return node.Key != n.table.Self() && (n.cfg.Filter == nil || n.cfg.Filter(node.Addr))
}

// answer says what a response carries (dht-rpc 5.1).
type answer struct {
	code          uint64
	value         []byte
	token, closer bool
	to            netip.AddrPort // not valid: where the request came from
}

// respond appends the response to m.
func (n *Node) respond(dst []byte, s *served, m *Message, d socket.Datagram, a answer) []byte {
	r := Message{Kind: KindResponse, TID: m.TID, To: d.From, Error: a.code, Value: a.value}
	if a.to.IsValid() {
		r.To = a.to
	}
	id, ok := n.idFor(d.Conn)
	if ok {
		r.ID = id[:]
	}
	if a.token {
		s.token = n.tokens.Append(s.token[:0], r.To.Addr(), d.At)
		r.Token = s.token
	}
	if a.closer && len(m.Target) == IDSize {
		r.Closer = n.closest(s, routing.Key(m.Target), d.From)
	}
	return n.wire.append(dst, &r)
}

// idFor returns the id that messages from a conn carry: none while the node is ephemeral, and none from the client
// socket (dht-rpc 5.1).
func (n *Node) idFor(conn int) (*routing.Key, bool) {
	if n.net.ephemeral || conn != serverConn {
		return nil, false
	}
	return &n.net.id, true
}

// closest lists the nodes of the table closest to target, nearest first, without the one that asks.
func (n *Node) closest(s *served, target routing.Key, asker netip.AddrPort) Addrs {
	if s.nodes = s.nodes[:0]; n.cfg.RowOrder {
		s.nodes = appendRows(s.nodes, n.table, target, nodesPerBucket+1)
	} else {
		s.nodes = n.table.AppendClosest(s.nodes, target, nodesPerBucket+1)
	}
	s.closer = s.closer[:0]
	for i := range s.nodes {
		if a := s.nodes[i].Addr; a != asker && s.closer.Len() < nodesPerBucket {
			s.closer = s.closer.Append(a)
		}
	}
	return s.closer
}

// serveInternal answers the protocol's own commands (dht-rpc 6).
func (n *Node) serveInternal(dst []byte, s *served, m *Message, d socket.Datagram) []byte {
	switch m.Command {
	case CommandPing:
		return n.respond(dst, s, m, d, answer{})
	case CommandPingNAT:
		n.servePingNAT(s, m, d)
	case CommandFindNode:
		if m.Target != nil {
			return n.respond(dst, s, m, d, answer{closer: true})
		}
	case CommandDownHint:
		if len(m.Value) >= addrSize {
			n.checks.hinted(n, addrAt(m.Value), d.At)
			return n.respond(dst, s, m, d, answer{})
		}
	case CommandDelayedPing:
		if len(m.Value) >= 4 {
			delay := time.Duration(binary.LittleEndian.Uint32(m.Value)) * time.Millisecond
			if delay <= n.cfg.MaxPingDelay {
				n.delayed.add(n, d, m.TID, delay)
			}
		}
	default:
		return n.respond(dst, s, m, d, answer{code: CodeUnknownCommand, closer: true})
	}
	return dst
}

// servePingNAT answers to the port that the value names, at the host that asks.
func (n *Node) servePingNAT(s *served, m *Message, d socket.Datagram) {
	if len(m.Value) < 2 {
		return
	}
	port := binary.LittleEndian.Uint16(m.Value)
	if port == 0 {
		return
	}
	to := netip.AddrPortFrom(d.From.Addr(), port)
	n.sock.SendRaw(d.Conn, to, n.respond(nil, s, m, d, answer{to: to}))
}
