package lab

import (
	"fmt"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline"
)

// Setting is where an observer does its work: a swarm, links, and what it knows of them. Embed it in a run.
type Setting struct {
	Swarm  swarm.Config
	Net    *swarm.Swarm   // a swarm made before, to be used again; then Swarm is not looked at
	Links  sim.LinkConfig // zero: swarm A
	Seed   uint64         // of all but the swarm; 0 means the swarm's
	Memory Memory         // of the observer
	Node   mainline.Config
	Stop   func() bool // asked before each event: true ends the run with what is known then; nil: never
}

// Cost is what a run in a Setting took. Embed it in a result.
type Cost struct {
	Reachable            int // nodes of the swarm that are alive
	Build, Wall, Virtual time.Duration
	Hash                 uint64 // of the trace
	Net                  sim.Stats
	Err                  error // how the observer's work ended, if not well
}

// driven starts an observer's work, which calls done with how it ended.
type driven func(w *World, n *mainline.Node, done func(error))

// observe makes the swarm, if it has to, puts an observer in it and runs its work to the end.
func (s *Setting) observe(work driven) (c Cost, err error) {
	start := time.Now()
	if s.Net == nil {
		s.Net = swarm.New(s.Swarm)
	}
	if s.Seed == 0 {
		s.Seed = s.Swarm.Seed
	}
	s.Node.NoUpkeep = true
	c.Build, c.Reachable = time.Since(start), s.Net.Reachable()
	start = time.Now()
	w := NewWorld(s.Net, s.Seed, s.Links)
	node, err := w.Observe(s.Memory, s.Node)
	if err != nil {
		return c, err
	}
	ended := false
	w.Fleet.Do(w.Observer, func(*mainline.Node) {
		work(w, node, func(err error) { ended, c.Err = true, err })
	})
	if w.Engine.RunWhile(10000*time.Hour, func() bool { return !ended && !stopped(s.Stop) }) && !ended {
		return c, fmt.Errorf("lab: the observer's work did not end")
	}
	c.Wall, c.Virtual = time.Since(start), w.Engine.Now()
	c.Hash, c.Net = w.Engine.Hash(), w.Engine.Stats()
	return c, nil
}

// stopped asks a run's Stop.
func stopped(stop func() bool) bool { return stop != nil && stop() }
