package mainline

import (
	"context"
	"iter"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

// AnnounceOption changes an announcement.
type AnnounceOption func(*krpc.AnnouncePeerArgs)

// ImpliedPort asks the nodes to take the source port of the datagram for the peer's (BEP 5). The port given to Announce is
// still sent, for nodes that know no better.
func ImpliedPort() AnnounceOption {
	return func(a *krpc.AnnouncePeerArgs) { a.ImpliedPort = true }
}

// Seed says that the torrent is complete here (BEP 33).
func Seed() AnnounceOption {
	return func(a *krpc.AnnouncePeerArgs) { a.Seed = true }
}

func announceArgs(infoHash krpc.ID, port uint16, opts []AnnounceOption) krpc.AnnouncePeerArgs {
	args := krpc.AnnouncePeerArgs{InfoHash: infoHash, Port: port}
	for _, o := range opts {
		o(&args)
	}
	return args
}

// Announcement is a lookup followed by writes to the closest nodes. Range over Stored.
type Announcement struct {
	lookup *PeerLookup
	args   krpc.AnnouncePeerArgs
	looked bool // the lookup is over
	stats  routing.Stats
}

// Announce prepares to tell the nodes closest to an info hash that this host has the torrent at port, 1..65535 (0 only
// with ImpliedPort). Nodes forget it after 15 to 60 minutes, so it has to be repeated, every 15 minutes for example.
func (n *Node) Announce(infoHash krpc.ID, port uint16, opts ...AnnounceOption) *Announcement {
	l := n.getPeers(infoHash, routing.Thorough())
	return &Announcement{lookup: l, args: announceArgs(infoHash, port, opts)}
}

// Stored does the lookup, then streams the nodes that took the announcement. The error is last: that of the lookup,
// ErrNoToken, or the answer of the nodes that refused (*krpc.Error) if none took it.
func (a *Announcement) Stored(ctx context.Context) iter.Seq2[krpc.Node, error] {
	return func(yield func(krpc.Node, error) bool) {
		if err := a.look(ctx); err != nil {
			yield(krpc.Node{}, err)
			return
		}
		write := a.lookup.Write(a.args)
		defer func() { a.stats = write.Stats() }()
		for r, err := range write.Replies(ctx) {
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

// look finds the closest nodes, unless that was done.
func (a *Announcement) look(ctx context.Context) error {
	if a.looked {
		return nil
	}
	a.looked = true
	for _, err := range a.lookup.Replies(ctx) {
		if err != nil {
			return err
		}
	}
	return nil
}

// Lookup returns the lookup that comes before the writes.
func (a *Announcement) Lookup() *PeerLookup { return a.lookup }

// Stats counts the writes.
func (a *Announcement) Stats() routing.Stats { return a.stats }
