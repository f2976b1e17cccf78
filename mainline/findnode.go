package mainline

import (
	"context"
	"iter"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// NodeLookup is a find_node lookup (BEP 5). Range over Nodes; afterwards Closest has the result.
type NodeLookup struct{ *Lookup }

// FindNode prepares a lookup of the nodes closest to target.
func (n *Node) FindNode(target krpc.ID) *NodeLookup {
	return n.FindNodeWith(target, routing.Fast())
}

// FindNodeWith is FindNode with another lookup profile, routing.Thorough for example.
func (n *Node) FindNodeWith(target krpc.ID, profile routing.LookupConfig) *NodeLookup {
	return &NodeLookup{n.Walk(target, krpc.FindNodeArgs{Target: target}, profile)}
}

// Nodes streams the nodes that answer, in the order they answer. An error comes last; see Lookup.Replies.
func (l *NodeLookup) Nodes(ctx context.Context) iter.Seq2[krpc.Node, error] {
	return func(yield func(krpc.Node, error) bool) {
		for r, err := range l.Replies(ctx) {
			if err != nil {
				yield(krpc.Node{}, err)
				return
			}
			if !yield(krpc.Node{ID: krpc.IDOf(r.From.Key), Addr: r.From.Addr}, nil) {
				return
			}
		}
	}
}

// Closest returns the closest nodes that answered, closest first.
func (l *NodeLookup) Closest() []krpc.Node { return nodesOf(l.ClosestNodes()) }

// Pong is what a ping tells.
type Pong struct {
	ID       krpc.ID
	Version  string         // "v" of the answer, as it came; "" if none
	RTT      time.Duration  // from our datagram to the answer
	External netip.AddrPort // our address as the node sees it (BEP 42); not valid if it does not say
}

// Ping asks the node at addr whether it is there. See Query for errors.
func (n *Node) Ping(ctx context.Context, addr netip.AddrPort) (Pong, error) {
	r, err := n.Query(ctx, addr, krpc.PingArgs{})
	if err != nil {
		return Pong{}, err
	}
	ext, _ := r.IP()
	return Pong{ID: krpc.IDOf(r.From.Key), Version: string(r.Version()), RTT: r.RTT, External: ext}, nil
}
