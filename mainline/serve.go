package mainline

import (
	"net/netip"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// Bounds of what a reply holds, so that it stays within 1024 bytes (BEP 32): eight nodes, and the peers that fit beside
// them and the largest transaction id.
const (
	replyNodes  = 8
	replyPeers4 = 80 // of 8 bytes encoded, beside one list of IPv4 nodes
	replyPeers6 = 24 // of 21 bytes encoded, beside one list of IPv6 nodes
)

// handlers answer the queries of their methods; "" stands for every other method.
var handlers = map[string]func(*Endpoint, *krpc.Query){
	krpc.MethodPing:         (*Endpoint).servePing,
	krpc.MethodFindNode:     (*Endpoint).serveFindNode,
	krpc.MethodGetPeers:     (*Endpoint).serveGetPeers,
	krpc.MethodAnnouncePeer: (*Endpoint).serveAnnouncePeer,
	"":                      (*Endpoint).serveUnknown,
}

// answer is the scratch of one endpoint's handlers: results are passed by reference and reused, so that serving
// allocates nothing.
type answer struct {
	nodes krpc.NodesResults
	peers krpc.GetPeersResults
	token [tokenLen]byte
}

func (e *Endpoint) servePing(q *krpc.Query) {
	q.Reply(&krpc.PingResults{})
	e.served(q)
}

func (e *Endpoint) serveFindNode(q *krpc.Query) {
	args, err := q.FindNode()
	if err != nil {
		q.Fail(err)
		return
	}
	e.replyNodes(q, args.Target.Key())
}

// serveUnknown answers a method that it does not know like find_node if there is a target, as BEP 51 counts on.
func (e *Endpoint) serveUnknown(q *krpc.Query) {
	target, ok := q.Target(krpc.IDSize)
	if !ok {
		q.Fail(krpc.ErrMethodUnknown)
		return
	}
	e.replyNodes(q, target)
}

func (e *Endpoint) replyNodes(q *krpc.Query, target routing.Key) {
	res := &e.out.nodes
	res.Nodes, res.Nodes6, res.WantNodes, res.WantNodes6 = e.wanted(q, target)
	q.Reply(res)
	e.served(q)
}

// wanted returns the node lists that the query asks for; a list that was asked for is sent even if it is empty.
func (e *Endpoint) wanted(q *krpc.Query, target routing.Key) (nodes, nodes6 []routing.Node, want4, want6 bool) {
	v6 := q.From.Addr.Addr().Is6()
	want4, want6 = q.Want()
	if !want4 && !want6 {
		want4, want6 = !v6, v6
	}
	switch {
	case v6 && want6:
		nodes6 = q.Closest(target, replyNodes)
	case !v6 && want4:
		nodes = q.Closest(target, replyNodes)
	}
	return nodes, nodes6, want4, want6
}

func (e *Endpoint) serveGetPeers(q *krpc.Query) {
	args, err := q.GetPeers()
	if err != nil {
		q.Fail(err)
		return
	}
	out := &e.out
	addr := q.From.Addr.Addr()
	limit := replyPeers4
	if addr.Is6() {
		limit = replyPeers6
	}
	res := &out.peers
	res.Values = e.node.cfg.Peers.AppendPeers(res.Values[:0], args.InfoHash, addr.Is6(), limit, q.At)
	res.Nodes, res.Nodes6, res.WantNodes, res.WantNodes6 = e.wanted(q, args.InfoHash.Key())
	res.Token = e.appendToken(out.token[:0], addr, args.InfoHash, q.At)
	q.Reply(res)
	e.served(q)
}

func (e *Endpoint) serveAnnouncePeer(q *krpc.Query) {
	args, err := q.AnnouncePeer()
	if err != nil {
		q.Fail(err)
		return
	}
	addr := q.From.Addr.Addr()
	if !e.validToken(args.Token, addr, args.InfoHash, q.At) {
		q.Fail(krpc.ErrBadToken)
		return
	}
	port := args.Port
	if args.ImpliedPort {
		port = q.From.Addr.Port()
	}
	if !e.node.cfg.Peers.Announce(args.InfoHash, netip.AddrPortFrom(addr, port), args.Seed, q.At) {
		q.Fail(errStoreFull)
		return
	}
	q.Reply(&krpc.PingResults{})
	e.served(q)
}

func (e *Endpoint) served(q *krpc.Query) {
	if e.node.cfg.OnQuery != nil {
		e.node.cfg.OnQuery(q)
	}
}

// errStoreFull refuses an announcement: the store has no room for another peer of this info hash.
var errStoreFull = &krpc.Error{Code: krpc.CodeGeneric, Message: "No room"}
