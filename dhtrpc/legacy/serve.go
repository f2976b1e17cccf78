package legacy

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Classify tells a request from an answer (socket.Protocol). A rid beyond 32 bits is not of a request of ours, but maybe of a
// punch, whose answers are dealt with by Serve.
func (n *Node) Classify(payload []byte) (socket.Class, []byte) {
	m, err := Parse(payload)
	switch {
	case err != nil:
		return socket.Drop, nil
	case m.Type != TypeResponse || isPunchRID(m.RID):
		return socket.Request, nil
	case m.RID > math.MaxUint32:
		return socket.Response, nil
	}
	binary.BigEndian.PutUint32(n.rid[:], uint32(m.RID))
	return socket.Response, n.rid[:]
}

// Tick does the upkeep that is due (socket.Protocol).
func (n *Node) Tick(now time.Time) time.Time {
	n.tell(now)
	next := n.up.tick(now)
	if at := n.punches.tick(n, now); next.IsZero() || !at.IsZero() && at.Before(next) {
		next = at
	}
	return next
}

// Serve answers one request (socket.Protocol).
func (n *Node) Serve(dst []byte, d socket.Datagram) []byte {
	n.tell(d.At)
	m, err := Parse(d.Payload)
	if err != nil {
		return dst
	}
	if m.Type == TypeResponse {
		n.punches.opened(m.RID, d.From)
		return dst
	}
	if !n.heard(&m, d) {
		return dst
	}
	switch string(m.Command) {
	case CommandPing:
		return n.servePing(dst, &m, d)
	case CommandFindNode:
		return n.serveFindNode(dst, &m, d)
	case CommandHolepunch:
		return n.serveHolepunch(dst, &m, d)
	}
	return n.serveCommand(dst, &m, d)
}

// heard notes a request and its sender. It reports false for an update without a token of ours: nobody answers that,
// whatever its command.
func (n *Node) heard(m *Message, d socket.Datagram) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts.Requests++
	if m.Type == TypeUpdate && !n.tokens.Valid(m.Token, d.From.Addr(), d.At) {
		n.counts.BadTokens++
		return false
	}
	if key := m.Key(); !key.IsZero() && d.From.Addr().Is4() {
		n.table.Heard(routing.Node{Key: key, Addr: d.From}, d.At)
		n.up.wakeLocked()
	}
	return true
}

// servePing answers with the address of whoever asks. One that was meant for another id is not answered.
func (n *Node) servePing(dst []byte, m *Message, d socket.Datagram) []byte {
	if m.Value != nil && !bytes.Equal(m.Value, n.cfg.ID[:]) {
		return dst
	}
	var seen [peerSize]byte
	return n.appendResponse(dst, m.RID, d.From, d.At, &response{value: appendPeer(seen[:0], d.From)})
}

func (n *Node) serveFindNode(dst []byte, m *Message, d socket.Datagram) []byte {
	if len(m.Target) != IDSize {
		return dst
	}
	n.closer = n.appendCloser(n.closer[:0], m.Target)
	return n.appendResponse(dst, m.RID, d.From, d.At, &response{nodes: n.closer})
}

// appendCloser appends the nodes nearest to a target in compact form. A short target is filled up with zeros.
func (n *Node) appendCloser(dst, target []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return appendNodes(dst, n.closestLocked(routing.KeyOf(target)))
}

// response is what differs between our answers.
type response struct {
	nodes  []byte // nil: not there
	value  []byte // nil: not there
	err    []byte // nil: not there
	failed bool   // an error was answered: then there is no token
}

// appendResponse appends the answer to a request of that rid that goes to an address.
func (n *Node) appendResponse(dst []byte, rid uint64, to netip.AddrPort, now time.Time, r *response) []byte {
	var addr [peerSize]byte
	m := Message{
		Version: version, Type: TypeResponse, RID: rid,
		To: appendPeer(addr[:0], to), ID: n.ownID(), Nodes: r.nodes, Error: r.err, Value: r.value,
	}
	if r.failed {
		return m.Append(dst)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.token = n.tokens.Append(n.token[:0], to.Addr(), now)
	m.Token = n.token
	return m.Append(dst)
}
