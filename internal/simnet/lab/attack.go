package lab

import (
	"fmt"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// EclipseRun lets a node start that knows nobody, in a swarm some of whose nodes are a clique of liars, through bootstrap
// nodes some of which are liars, too.
type EclipseRun struct {
	Swarm           swarm.Config // Lie is Clique
	Seed            uint64       // 0: that of the swarm
	Honest, Hostile int          // bootstrap nodes
	Node            mainline.Config
	For             time.Duration // 0 means 10 min
}

// EclipseResult is the node's table in the end.
type EclipseResult struct {
	Table  int
	Honest int // of them no liars
	Hash   uint64
}

// RunEclipse starts the node and looks at its table after a while.
func RunEclipse(r EclipseRun) (res EclipseResult, err error) {
	if r.Seed == 0 {
		r.Seed = r.Swarm.Seed
	}
	if r.For == 0 {
		r.For = 10 * time.Minute
	}
	r.Swarm.Lie = swarm.Clique
	w := NewWorld(swarm.New(r.Swarm), r.Seed, sim.LinkConfig{})
	cfg := r.Node
	for i := range r.Honest + r.Hostile {
		cfg.Bootstrap = append(cfg.Bootstrap, sim.Addr(w.someone(i >= r.Honest)).String())
	}
	node, err := w.Fleet.Start(w.Observer, cfg)
	if err != nil {
		return res, fmt.Errorf("lab: eclipse: %w", err)
	}
	w.Engine.Run(r.For)
	for _, c := range node.RPC().Nearest(node.RPC().Key(), w.Swarm.Len()) {
		n, ok := sim.NodeAt(c.Addr)
		res.Table++
		if ok && int(n) < w.Swarm.Len() && !w.Swarm.Lies(n) {
			res.Honest++
		}
	}
	res.Hash = w.Engine.Hash()
	w.Fleet.Crash(w.Observer)
	return res, nil
}

// someone returns a random node that is alive: a liar, or an honest one.
func (w *World) someone(lies bool) sim.Node {
	for {
		if n := w.node(true); w.Swarm.Lies(n) == lies {
			return n
		}
	}
}

// HonestHits counts the nodes in the result of a lookup that are honest ones of the 8 closest honest reachable nodes.
func HonestHits(s *swarm.Swarm, l Lookup) (hits int) {
	truth := make(map[krpc.ID]bool)
	for n := closest; len(truth) < closest && n < s.Len(); n *= 2 {
		for _, c := range s.Closest(nil, l.Target, n) {
			if len(truth) < closest && !s.Lies(c) {
				truth[s.ID(c)] = true
			}
		}
	}
	for _, id := range l.Found {
		if truth[id] {
			hits++
		}
	}
	return hits
}
