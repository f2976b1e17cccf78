package legacy

import (
	"context"
	"errors"
	"net/netip"

	"github.com/dhtkit/dhtkit/routing"
)

// Ping asks a node whether it is there. If its id is given, a node with another id does not answer. Reply.To is our own
// address as it sees us.
func (n *Node) Ping(ctx context.Context, to Contact) (*Reply, error) {
	return n.one(ctx, ask{kind: TypeQuery, command: CommandPing}, nodeOf(to), nil)
}

// Holepunch makes the NAT of peer let us in, with the help of referrer, which has to be able to reach it: whoever named peer
// to us. No error means that peer hears us now.
func (n *Node) Holepunch(ctx context.Context, peer, referrer netip.AddrPort) error {
	if !isIPv4(peer) || !isIPv4(referrer) {
		return ErrNotIPv4
	}
	_, err := n.one(ctx, ask{kind: TypeQuery, command: CommandHolepunch}, routing.Node{Addr: peer}, referrers{peer: referrer})
	return err
}

// one asks one node and waits for its answer.
func (n *Node) one(ctx context.Context, a ask, to routing.Node, refs referrers) (*Reply, error) {
	s := n.newAsker(a, false, refs, nil)
	defer s.Close()
	for asked := false; ; {
		if !asked {
			err := s.Ask(to, -1, timeout)
			if err != nil && !errors.Is(err, routing.ErrFull) {
				return nil, err
			}
			asked = err == nil
		}
		ev, err := s.Wait(ctx)
		switch {
		case err != nil:
			return nil, err
		case ev.Outcome == routing.Failed:
			return nil, ev.Err
		case ev.Outcome == routing.Alive && ev.Reply.err != nil:
			return nil, ev.Reply.err
		case ev.Outcome == routing.Alive:
			return ev.Reply, nil
		}
	}
}
