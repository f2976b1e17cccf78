package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// Ours: info hashes that are looked up at the same time.
const parallelLookups = 8

// errEnough ends a lookup that has as many results as were wanted.
var errEnough = errors.New("enough results")

// peersVerb finds the peers of info hashes.
type peersVerb struct {
	*app
	first    bool
	announce string

	port    uint16 // of announce
	implied bool
}

type peersSummary struct {
	Type     string `json:"type"`
	Hashes   int    `json:"hashes"`
	WithPeer int    `json:"with_peers"` // of the hashes
	Peers    int    `json:"peers"`
	Stored   int    `json:"stored"` // announcements taken, with --announce
	totals
}

func (s *peersSummary) line() string {
	text := fmt.Sprintf("peers: %d, of %d hashes %d have any", s.Peers, s.Hashes, s.WithPeer)
	if s.Stored > 0 {
		text += fmt.Sprintf("; nodes that stored the announcement: %d", s.Stored)
	}
	return text + "; " + s.tail()
}

func (a *app) peersCommand() *cobra.Command {
	v := &peersVerb{app: a}
	cmd := &cobra.Command{
		Use:   "peers HASH... [flags]",
		Short: "Find the peers of info hashes",
		Example: `  dhtkit peers --public 2c6b6858d61da9543d4231a71db4b1c9264b0685
  dhtkit peers --bootstrap 192.0.2.7:6881 --first 'magnet:?xt=urn:btih:…'
  dhtkit peers --local 50 --announce 6881 2c6b6858d61da9543d4231a71db4b1c9264b0685`,
		Long: `Finds the peers of info hashes or magnet links and prints them as they are heard of, one IP:PORT a line, each once for
each hash. "-" reads hashes from standard input, one a line. With several hashes --json says which one a peer belongs to.`,
		Args: arguments(1, -1, "info hashes or magnet links"),
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd.Context(), args) },
	}
	a.localFlag(cmd)
	cmd.Flags().BoolVar(&v.first, "first", false, "one peer of each hash is enough, as --max 1")
	cmd.Flags().StringVar(&v.announce, "announce", "", "then announce this host at `PORT`, or at the port of our socket with \"implied\", and look again")
	return cmd
}

func (v *peersVerb) run(ctx context.Context, args []string) error {
	all, err := words(args, v.stdin)
	if err != nil {
		return err
	}
	ids, err := hashes(all, anInfoHash)
	if err != nil {
		return err
	}
	if v.announce == "implied" {
		v.implied = true
	} else if v.announce != "" {
		if v.port, err = parsePort(v.announce); err != nil {
			return usagef("--announce %v", err)
		}
	}
	if v.first {
		v.flags.max = 1
	}
	sum := &peersSummary{Type: "summary", Hashes: len(ids)}
	return v.serve(ctx, need{verb: "peers", upkeep: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, ids, sum)
	})
}

// peersTally adds up what the lookups of several hashes found. Safe for concurrent use.
type peersTally struct {
	peers, stored, hashes counter
	failures
}

func (t *peersTally) done(found int, err error) {
	if found > 0 {
		t.hashes.Add(1)
	}
	t.note(err)
}

func (v *peersVerb) work(ctx context.Context, s *session, ids []krpc.ID, sum *peersSummary) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	tally := new(peersTally)
	s.progress.show(func() string {
		queries, answered := s.net.counts()
		return fmt.Sprintf("%d peers of %d hashes; %s", tally.peers.Load(), len(ids), queriesText(queries, answered))
	})
	eachHash(ctx, ids, parallelLookups, func(id krpc.ID) {
		l := &peersLookup{peersVerb: v, s: s, hash: id, tally: tally, seen: make(map[netip.AddrPort]struct{})}
		tally.done(l.run(ctx))
	})
	sum.WithPeer, sum.Peers, sum.Stored = int(tally.hashes.Load()), int(tally.peers.Load()), int(tally.stored.Load())
	return tally.end(ctx, sum.Peers)
}

// peersLookup is the work on one hash.
type peersLookup struct {
	*peersVerb
	s     *session
	hash  krpc.ID
	tally *peersTally
	seen  map[netip.AddrPort]struct{}
}

// run returns how many peers there are.
func (l *peersLookup) run(ctx context.Context) (int, error) {
	lookup := l.s.net.node.GetPeers(l.hash)
	err := l.peers(ctx, lookup)
	if err == nil && (l.port != 0 || l.implied) {
		err = l.store(ctx, lookup)
	}
	if errors.Is(err, errEnough) || (len(l.seen) > 0 && unanswered(err)) {
		err = nil
	}
	return len(l.seen), err
}

// peers prints the peers of one lookup, each once.
func (l *peersLookup) peers(ctx context.Context, lookup *mainline.PeerLookup) error {
	for p, err := range lookup.Peers(ctx) {
		if err != nil {
			return err
		}
		if _, known := l.seen[p]; known {
			continue
		}
		l.seen[p] = struct{}{}
		l.tally.peers.Add(1)
		l.console.result(p.String(), &peerRecord{Type: "peer", InfoHash: l.hash, Addr: p, Time: now()})
		if l.flags.max > 0 && len(l.seen) >= l.flags.max {
			return errEnough
		}
	}
	return nil
}

// store announces to the nodes that the lookup found, then looks again: now this host is among the peers, if the
// announcement was worth something.
func (l *peersLookup) store(ctx context.Context, lookup *mainline.PeerLookup) error {
	for n, err := range lookup.Announce(announcedPort(l.s, l.port), announceOptions(l.implied)...).Stored(ctx) {
		if err != nil {
			return refusal(err)
		}
		l.tally.stored.Add(1)
		l.console.result("", &storedRecord{Type: "stored", InfoHash: &l.hash, ID: n.ID, Addr: n.Addr, Time: now()})
		l.console.detail("dhtkit: %v stored the announcement of %v", n.Addr, l.hash)
	}
	return l.peers(ctx, l.s.net.node.GetPeers(l.hash))
}
