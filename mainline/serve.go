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

// answer is the scratch of one connection's handlers: results are passed by reference and reused, so that serving
// allocates nothing.
type answer struct {
	nodes krpc.NodesResults
	peers krpc.GetPeersResults
	token [tokenLen]byte
}

func (n *Node) servePing(q *krpc.Query) {
	q.Reply(&krpc.PingResults{})
	n.served(q)
}

func (n *Node) serveFindNode(q *krpc.Query) {
	args, err := q.FindNode()
	if err != nil {
		q.Fail(err)
		return
	}
	n.replyNodes(q, args.Target.Key())
}

// serveUnknown answers a method that it does not know like find_node if there is a target, as BEP 51 counts on.
func (n *Node) serveUnknown(q *krpc.Query) {
	target, ok := q.Target(krpc.IDSize)
	if !ok {
		q.Fail(krpc.ErrMethodUnknown)
		return
	}
	n.replyNodes(q, target)
}

func (n *Node) replyNodes(q *krpc.Query, target routing.Key) {
	res := &n.out[q.Conn].nodes
	res.Nodes, res.Nodes6, res.WantNodes, res.WantNodes6 = n.wanted(q, target)
	q.Reply(res)
	n.served(q)
}

// wanted returns the node lists that the query asks for; a list that was asked for is sent even if it is empty.
func (n *Node) wanted(q *krpc.Query, target routing.Key) (nodes, nodes6 []routing.Node, want4, want6 bool) {
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

func (n *Node) serveGetPeers(q *krpc.Query) {
	args, err := q.GetPeers()
	if err != nil {
		q.Fail(err)
		return
	}
	out := &n.out[q.Conn]
	addr := q.From.Addr.Addr()
	limit := replyPeers4
	if addr.Is6() {
		limit = replyPeers6
	}
	res := &out.peers
	res.Values = n.cfg.Peers.AppendPeers(res.Values[:0], args.InfoHash, addr.Is6(), limit, q.At)
	res.Nodes, res.Nodes6, res.WantNodes, res.WantNodes6 = n.wanted(q, args.InfoHash.Key())
	n.mu.Lock()
	res.Token = n.tokens.append(out.token[:0], addr, args.InfoHash, q.At)
	n.mu.Unlock()
	q.Reply(res)
	n.served(q)
}

func (n *Node) serveAnnouncePeer(q *krpc.Query) {
	args, err := q.AnnouncePeer()
	if err != nil {
		q.Fail(err)
		return
	}
	addr := q.From.Addr.Addr()
	n.mu.Lock()
	ok := n.tokens.valid(args.Token, addr, args.InfoHash, q.At)
	n.mu.Unlock()
	if !ok {
		q.Fail(krpc.ErrBadToken)
		return
	}
	port := args.Port
	if args.ImpliedPort {
		port = q.From.Addr.Port()
	}
	if !n.cfg.Peers.Announce(args.InfoHash, netip.AddrPortFrom(addr, port), args.Seed, q.At) {
		q.Fail(errStoreFull)
		return
	}
	q.Reply(&krpc.PingResults{})
	n.served(q)
}

func (n *Node) served(q *krpc.Query) {
	if n.cfg.OnQuery != nil {
		n.cfg.OnQuery(q)
	}
}

// errStoreFull refuses an announcement: the store has no room for another peer of this info hash.
var errStoreFull = &krpc.Error{Code: krpc.CodeGeneric, Message: "No room"}
