package lab

import (
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// SizeRun is one estimate of the size of a swarm by an observer.
type SizeRun struct {
	Setting
	Size     crawl.SizeConfig     // Seed is set from the Setting's
	Estimate func(crawl.Estimate) // called for each estimate; nil: not
}

// SizeResult is what a SizeRun shows.
type SizeResult struct {
	Cost                    // Reachable is the truth
	Estimate crawl.Estimate // the last one
	Recall   float64        // share of the reachable nodes in the zones that were found
}

// Error is how far the estimate is from the truth, as a share of it.
func (r *SizeResult) Error() float64 { return r.Estimate.Nodes/float64(max(r.Reachable, 1)) - 1 }

// Covered reports whether the interval holds the truth.
func (r *SizeResult) Covered() bool {
	truth := float64(r.Reachable)
	return r.Estimate.Low <= truth && truth <= r.Estimate.High
}

// RunSize makes a swarm and estimates its size.
func RunSize(r SizeRun) (res SizeResult, err error) {
	found, there := 0, 0
	each := func(e crawl.Estimate) {
		res.Estimate = e
		if r.Estimate != nil {
			r.Estimate(e)
		}
	}
	res.Cost, err = r.observe(func(w *World, n *mainline.Node, done func(error)) {
		r.Size.Seed = w.seed + 2
		r.Size.Counted = func(z crawl.Zone) {
			f, t := w.count(z)
			found, there = found+f, there+t
		}
		crawl.NewSize(n, r.Size).Drive(each, done)
	})
	res.Recall = float64(found) / float64(max(there, 1))
	return res, err
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
