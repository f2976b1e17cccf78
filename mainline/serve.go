package mainline

import (
	"net/netip"
	"slices"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// replyNodes is how many nodes of each family a reply names (BEP 5).
const replyNodes = 8

// handlers answer the queries of their methods; "" stands for every other method.
var handlers = map[string]func(*Endpoint, *krpc.Query){
	krpc.MethodPing:         (*Endpoint).servePing,
	krpc.MethodFindNode:     (*Endpoint).serveFindNode,
	krpc.MethodGetPeers:     (*Endpoint).serveGetPeers,
	krpc.MethodAnnouncePeer: (*Endpoint).serveAnnouncePeer,
	krpc.MethodGet:          (*Endpoint).serveGet,
	krpc.MethodPut:          (*Endpoint).servePut,
	krpc.MethodSample:       (*Endpoint).serveSample,
	"":                      (*Endpoint).serveUnknown,
}

// answer is the scratch of one endpoint's handlers: results are passed by reference and reused, so that serving
// allocates nothing.
type answer struct {
	nodes  krpc.NodesResults
	peers  krpc.GetPeersResults
	item   krpc.GetResults
	sample krpc.SampleResults
	other  []routing.Node // of the other family
	token  [tokenLen]byte

	filters *[2]Filter // what a scrape answers: seeds, others; made when the first is asked for
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
	e.closest(&e.out.nodes, q, target)
	q.Reply(&e.out.nodes)
	e.served(q)
}

// closest fills in the node lists that the query asks for (BEP 32): those of want, else that of its own family. A list that
// was asked for is sent even if it is empty. The nodes are good until the next query of this endpoint.
func (e *Endpoint) closest(res *krpc.NodesResults, q *krpc.Query, target routing.Key) {
	want4, want6 := q.Want()
	if !want4 && !want6 {
		want4, want6 = !e.IPv6(), e.IPv6()
	}
	*res = krpc.NodesResults{WantNodes: want4, WantNodes6: want6}
	if want4 {
		res.Nodes = e.closestOf(q, target, false)
	}
	if want6 {
		res.Nodes6 = e.closestOf(q, target, true)
	}
}

// closestOf returns the nodes of one family closest to target, without the asker.
func (e *Endpoint) closestOf(q *krpc.Query, target routing.Key, v6 bool) []routing.Node {
	if e.IPv6() == v6 {
		return q.Closest(target, replyNodes)
	}
	o := e.node.nearest(target, v6)
	if o == nil {
		return nil
	}
	nodes := o.rpc.AppendNearest(e.out.other[:0], target, replyNodes+1)
	e.out.other = slices.DeleteFunc(nodes, func(c routing.Node) bool { return c.Key == q.From.Key })
	return e.out.other[:min(replyNodes, len(e.out.other))]
}

func (e *Endpoint) serveGetPeers(q *krpc.Query) {
	args, err := q.GetPeers()
	if err != nil {
		q.Fail(err)
		return
	}
	res := &e.out.peers
	e.closest(&res.NodesResults, q, args.InfoHash.Key())
	addr := q.From.Addr.Addr()
	res.Token = nil
	if s, ok := e.node.cfg.Peers.(Admitter); !ok || s.Admits(args.InfoHash, addr, q.At) {
		res.Token = e.appendToken(e.out.token[:0], addr, args.InfoHash, q.At)
	}
	e.peersFor(res, q, args)
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
	q.Prove()
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
