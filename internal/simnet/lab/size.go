package lab

import (
	"fmt"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// SizeRun is one estimate of the size of a swarm by an observer.
type SizeRun struct {
	Swarm    swarm.Config
	Net      *swarm.Swarm     // a swarm made before, to be used again; then Swarm is not looked at
	Links    sim.LinkConfig   // zero: swarm A
	Seed     uint64           // of all but the swarm; 0 means the swarm's
	Size     crawl.SizeConfig // Seed is set from above
	Memory   Memory           // of the observer
	Node     mainline.Config
	Stop     func() bool          // asked before each event: true ends the run with the last estimate; nil: never
	Estimate func(crawl.Estimate) // called for each estimate; nil: not
}

// SizeResult is what a SizeRun shows.
type SizeResult struct {
	Reachable int            // the truth
	Estimate  crawl.Estimate // the last one
	Recall    float64        // share of the reachable nodes in the zones that were found
	Err       error          // how it ended, if not well

	Build, Wall, Virtual time.Duration
	Hash                 uint64
	Net                  sim.Stats
}

// Error is how far the estimate is from the truth, as a share of it.
func (r *SizeResult) Error() float64 { return r.Estimate.Nodes/float64(max(r.Reachable, 1)) - 1 }

// Covered reports whether the interval holds the truth.
func (r *SizeResult) Covered() bool {
	truth := float64(r.Reachable)
	return r.Estimate.Low <= truth && truth <= r.Estimate.High
}

func (r SizeRun) withDefaults() SizeRun {
	if r.Seed == 0 {
		r.Seed = r.Swarm.Seed
	}
	r.Size.Seed = r.Seed + 2
	r.Node.NoUpkeep = true
	return r
}

// RunSize makes a swarm and estimates its size.
func RunSize(r SizeRun) (SizeResult, error) {
	r = r.withDefaults()
	start := time.Now()
	if r.Net == nil {
		r.Net = swarm.New(r.Swarm)
	}
	res := SizeResult{Build: time.Since(start), Reachable: r.Net.Reachable()}
	start = time.Now()
	w := NewWorld(r.Net, r.Seed, r.Links)
	node, err := w.Observe(r.Memory, r.Node)
	if err != nil {
		return res, err
	}
	found, there := 0, 0
	r.Size.Counted = func(z crawl.Zone) {
		f, t := w.count(z)
		found, there = found+f, there+t
	}
	ended := false
	each := func(e crawl.Estimate) {
		res.Estimate = e
		if r.Estimate != nil {
			r.Estimate(e)
		}
	}
	w.Fleet.Do(w.Observer, func(*mainline.Node) {
		crawl.NewSize(node, r.Size).Drive(each, func(err error) { ended, res.Err = true, err })
	})
	if w.Engine.RunWhile(10000*time.Hour, func() bool { return !ended && !stopped(r.Stop) }) && !ended {
		return res, fmt.Errorf("lab: the estimate did not end")
	}
	res.Recall = float64(found) / float64(max(there, 1))
	res.Wall, res.Virtual = time.Since(start), w.Engine.Now()
	res.Hash, res.Net = w.Engine.Hash(), w.Engine.Stats()
	return res, nil
}

// count returns how many nodes were found in a zone, and how many are there.
func (w *World) count(z crawl.Zone) (found, there int) {
	if z.Whole || len(z.Nodes) == 0 {
		return len(z.Nodes), w.Swarm.Reachable()
	}
	edge := z.Nodes[len(z.Nodes)-1].ID.Key().Xor(z.Target.Key())
	for n := 2 * len(z.Nodes); ; n *= 2 {
		nodes := w.Swarm.Closest(nil, z.Target, n)
		for i, o := range nodes {
			if w.Swarm.ID(o).Key().Xor(z.Target.Key()).Compare(edge) > 0 {
				return len(z.Nodes), i
			}
		}
		if len(nodes) < n {
			return len(z.Nodes), len(nodes)
		}
	}
}
