package torrentdht

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"slices"

	"github.com/anacrolix/dht/v2"
	theirs "github.com/anacrolix/dht/v2/krpc"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// Announce looks for the peers of an info hash and tells the nodes closest to it that this host is one, at port. It returns
// at once; the error is ErrClosed or nil.
//
// One lookup finds who is there now. The handle goes on: it looks again after 5 seconds (1 second if the node knew nobody to
// ask), then after twice as long each time, up to 5 minutes, or 5 minutes after a lookup that found somebody, until
// Config.Window is over. So a client whose node has just started, or whose torrent has no peers yet, need not wait for the
// next announcement. What could not be announced, or to few nodes only, is announced by a later lookup; what was is not
// repeated within the window.
//
// The client asks for impliedPort whenever it announces. It is given only if the node's own port is the same one, because
// they share it (see Share); else port is announced as it is. Nothing is announced if there is no port.
func (s *Server) Announce(infoHash [20]byte, port int, impliedPort bool) (*Announce, error) {
	a := &Announce{server: s, infoHash: krpc.ID(infoHash), peers: make(chan dht.PeersValues)}
	a.port, a.pending = s.portOf(port, impliedPort)
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Window)
	a.cancel = cancel
	if !s.start(func() { a.run(ctx) }) {
		cancel()
		return nil, ErrClosed
	}
	return a, nil
}

// Announce is an announcement in progress. It has a goroutine of its own, until its channel is closed.
type Announce struct {
	server   *Server // immutable, like what follows
	infoHash krpc.ID
	port     aPort
	peers    chan dht.PeersValues
	cancel   context.CancelFunc

	pending bool // the port has to be announced; of the goroutine
}

// Peers returns the channel on which peers come as nodes name them, those of one node at a time: with the answer it gave, or,
// if they were announced to our own node, with that node's id and address. Each lookup names a peer once, and never ourselves.
// The channel has to be drained until it is closed, which it is when the window is over, after Close, and when Server or node
// are closed.
func (a *Announce) Peers() <-chan dht.PeersValues { return a.peers }

// Close ends the announcement: nothing more is sent to other nodes, and the channel is closed soon, whether or not anybody
// reads from it. It does not wait, and may be called more than once.
func (a *Announce) Close() { a.cancel() }

// run is the goroutine of an announcement.
func (a *Announce) run(ctx context.Context) {
	defer close(a.peers)
	defer a.cancel()
	s := a.server
	s.count.announces.Add(1)
	defer s.count.announces.Add(-1)
	var wait backOff
	for first := true; ; first = false {
		leave, err := s.turns.take(ctx, first)
		if err != nil {
			return
		}
		found, err := a.look(ctx)
		leave()
		if errors.Is(err, krpc.ErrClosed) || errors.Is(err, socket.ErrClosed) {
			return
		}
		if err := sleep(ctx, wait.next(found, err)); err != nil {
			return
		}
	}
}

// look does one lookup, and announces at its end if that is still to be done. It returns how many peers it found.
func (a *Announce) look(ctx context.Context) (found int, err error) {
	s := a.server
	s.count.lookups.Add(1)
	defer s.count.lookups.Add(-1)
	s.count.looked.Add(1)
	profile := routing.Fast()
	if a.pending {
		profile = routing.Thorough()
	}
	l := s.node.GetPeersWith(a.infoHash, profile)
	seen := make(map[netip.AddrPort]bool)
	if !a.send(ctx, s.ownValues(a.fresh(seen, slices.Values(l.Own())))) {
		return len(seen), ctx.Err()
	}
	for r, err := range l.Replies(ctx) {
		if err != nil {
			return len(seen), err
		}
		if peers := a.fresh(seen, r.Values); len(peers) > 0 && !a.send(ctx, valuesOf(r, peers)) {
			return len(seen), ctx.Err()
		}
	}
	if a.pending {
		a.announce(ctx, l)
	}
	return len(seen), nil
}

// Ours: an announcement that fewer nodes took is made again by the next lookup. It may come from a node that has just
// started, and knows too little to find the right ones.
const enoughStored = 4

// announce writes to the closest nodes of a finished lookup.
func (a *Announce) announce(ctx context.Context, l *mainline.PeerLookup) {
	s := a.server
	stored := 0
	for _, err := range l.Announce(a.port.port, s.options(a.infoHash, a.port)...).Stored(ctx) {
		if err != nil {
			s.cfg.Logger.Debug("torrentdht: announce", "info_hash", a.infoHash, "err", err)
			break
		}
		stored++
	}
	s.count.stored.Add(uint64(stored))
	a.pending = stored < enoughStored
}

// Ours: what a lookup remembers to name no peer twice. What comes after as many is dropped.
const maxSeen = 10_000

// fresh returns the peers that are new, without ourselves: what we announced comes back from those who stored it.
func (a *Announce) fresh(seen map[netip.AddrPort]bool, peers iter.Seq[netip.AddrPort]) (out []theirs.NodeAddr) {
	for p := range peers {
		if !seen[p] && len(seen) < maxSeen && !a.isSelf(p) {
			seen[p] = true
			out = append(out, ToAddr(p))
		}
	}
	return out
}

// isSelf reports whether p is what others make of our announcement.
func (a *Announce) isSelf(p netip.AddrPort) bool {
	for _, e := range a.server.node.Endpoints() {
		seen, _ := e.External()
		if p.Addr() == seen.Addr() && (p.Port() == a.port.port || a.port.implied && p.Port() == seen.Port()) {
			return true
		}
	}
	return false
}

func valuesOf(r *krpc.Reply, peers []theirs.NodeAddr) dht.PeersValues {
	from := krpc.Node{ID: krpc.IDOf(r.From.Key), Addr: r.From.Addr}
	return dht.PeersValues{Peers: peers, NodeInfo: ToNode(from), Return: ToReturn(&r.Message)}
}

// ownValues are peers that were announced to our own node, as if it had answered.
func (s *Server) ownValues(peers []theirs.NodeAddr) dht.PeersValues {
	self := krpc.Node{ID: s.node.ID(), Addr: s.node.Addr()}
	return dht.PeersValues{Peers: peers, NodeInfo: ToNode(self)}
}

// send hands over peers; false if the announcement was closed meanwhile.
func (a *Announce) send(ctx context.Context, v dht.PeersValues) bool {
	if len(v.Peers) == 0 {
		return ctx.Err() == nil
	}
	select {
	case a.peers <- v:
		a.server.count.peers.Add(uint64(len(v.Peers)))
		return true
	case <-ctx.Done():
		return false
	}
}
