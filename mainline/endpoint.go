package mainline

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Endpoint is one address of a Node, on one connection, with an id, a table and tokens of its own (BEP 32, BEP 45). What
// others store here is the node's, and the same at every endpoint.
type Endpoint struct {
	node  *Node
	index int
	rpc   *krpc.RPC
	out   answer // scratch of the handlers, which run on the connection's read goroutine

	mu     sync.Mutex // guards what follows; a leaf
	tokens tokenJar

	voting   sync.Mutex // guards what follows; taken after the RPC's lock
	external external
}

// ID returns the endpoint's id.
func (e *Endpoint) ID() krpc.ID { return krpc.ID(e.rpc.ID()) }

// Addr returns the local address; its IP is unspecified if the endpoint listens on all.
func (e *Endpoint) Addr() netip.AddrPort { return e.rpc.Addr() }

// IPv6 reports which of the two networks the endpoint is part of.
func (e *Endpoint) IPv6() bool { return e.rpc.IPv6() }

// Len returns the number of nodes in the endpoint's table. Each has answered a query of ours.
func (e *Endpoint) Len() int { return e.rpc.Len() }

// Nodes returns the nodes in the endpoint's table.
func (e *Endpoint) Nodes() []krpc.Node { return nodesOf(e.rpc.Nodes()) }

// RPC returns the layer below, for queries of any other method, own walks and statistics.
func (e *Endpoint) RPC() *krpc.RPC { return e.rpc }

// Query asks the node at addr, from an endpoint of its family, and waits for the answer. See krpc.RPC.Query for errors.
func (n *Node) Query(ctx context.Context, addr netip.AddrPort, args krpc.Args) (*krpc.Reply, error) {
	return n.toward(addr).rpc.Query(ctx, addr, args)
}

// reaches reports whether the endpoint can send to an address.
func (e *Endpoint) reaches(a netip.AddrPort) bool { return a.Addr().Unmap().Is6() == e.IPv6() }

// appendToken appends the token with which addr may write under key at this endpoint.
func (e *Endpoint) appendToken(dst []byte, addr netip.Addr, key krpc.ID, now time.Time) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tokens.append(dst, addr, key, now)
}

// validToken reports whether this endpoint gave addr this token for key.
func (e *Endpoint) validToken(tok []byte, addr netip.Addr, key krpc.ID, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.tokens.valid(tok, addr, key, now)
}

// Endpoints returns the endpoints of the node, in the order of its addresses or connections. The slice is not to be changed.
func (n *Node) Endpoints() []*Endpoint { return n.ends }

// nearest returns the endpoint of a family whose id is nearest to target, nil if there is none.
func (n *Node) nearest(target routing.Key, v6 bool) *Endpoint {
	var best *Endpoint
	for _, e := range n.ends {
		if e.IPv6() == v6 && (best == nil || routing.CompareDistance(target, e.rpc.Key(), best.rpc.Key()) < 0) {
			best = e
		}
	}
	return best
}

// askers returns the endpoints that look for target, one of each family: that with the id nearest to target, of those that
// know anybody if some do.
func (n *Node) askers(target krpc.ID) (ends []*Endpoint) {
	for _, v6 := range []bool{false, true} {
		best := n.nearest(target.Key(), v6)
		if best == nil {
			continue
		}
		if best.Len() == 0 {
			for _, e := range n.ends {
				if e.IPv6() == v6 && e.Len() > best.Len() {
					best = e
				}
			}
		}
		ends = append(ends, best)
	}
	return ends
}

// toward returns an endpoint that can send to an address, any if none can.
func (n *Node) toward(a netip.AddrPort) *Endpoint {
	for _, e := range n.ends {
		if e.reaches(a) {
			return e
		}
	}
	return n.ends[0]
}

// apart returns the id of the i-th endpoint of one family, when first is that of the others: its first bits are those of
// first for none but the first (BEP 45).
func apart(first, random krpc.ID, i int) krpc.ID {
	if i == 0 {
		return first
	}
	var flip byte // the bits of i, the lowest in front
	for bit := range 8 {
		flip |= byte(i) >> bit & 1 << (7 - bit)
	}
	random[0] = first[0] ^ flip
	return random
}
