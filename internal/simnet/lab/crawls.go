package lab

import (
	"cmp"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// CrawlRun is one crawl of a swarm by an observer.
type CrawlRun struct {
	Setting                       // Memory.Met of 0 means 100
	Crawl   crawl.Config          // Seed is set from the Setting's; a Window of 0 means 2000
	Step    int                   // queries between two points of the curve; 0 means a hundredth of the nodes
	Point   func(p CoveragePoint) // called for each point as it is reached; nil: not
}

// CoveragePoint is a point of the curve of a crawl.
type CoveragePoint struct {
	Queries uint64
	Found   int
	At      time.Duration // virtual
}

// CrawlResult is what a CrawlRun shows.
type CrawlResult struct {
	Cost
	Found    int     // of the reachable nodes, how many the crawl found
	False    int     // nodes it says it found that are none
	Coverage float64 // Found of Reachable
	PerNode  float64 // queries per reachable node
	Stats    crawl.Stats
	Curve    []CoveragePoint
}

// RunCrawl makes a swarm and crawls it.
func RunCrawl(r CrawlRun) (res CrawlResult, err error) {
	r.Crawl.Window = cmp.Or(r.Crawl.Window, 2000)
	r.Memory.Met = cmp.Or(r.Memory.Met, 100)
	r.Node.Window = cmp.Or(r.Node.Window, 8*r.Crawl.Window) // late queries count, too
	var v *surveyor
	res.Cost, err = r.observe(func(w *World, n *mainline.Node, done func(error)) {
		r.Crawl.Seed = w.seed + 1
		r.Step = cmp.Or(r.Step, max(w.Swarm.Reachable()/100, 1))
		v = &surveyor{world: w, crawl: crawl.New(n, r.Crawl), run: &r, res: &res}
		v.crawl.Drive(v.found, done)
	})
	if err != nil {
		return res, err
	}
	res.Stats = v.crawl.Stats()
	v.note(res.Stats)
	res.Coverage = float64(res.Found) / float64(max(res.Reachable, 1))
	res.PerNode = float64(res.Stats.Queries) / float64(max(res.Reachable, 1))
	return res, nil
}

// surveyor compares what a crawl finds with the truth.
type surveyor struct {
	world *World
	crawl *crawl.Crawl
	run   *CrawlRun
	res   *CrawlResult
	next  uint64 // queries at the next point of the curve
}

func (v *surveyor) found(f crawl.Found) {
	if n, ok := sim.NodeAt(f.Addr); ok && int(n) < v.world.Swarm.Len() && v.world.Swarm.ID(n) == f.ID {
		v.res.Found++
	} else {
		v.res.False++
	}
	if v.res.Found%64 == 0 {
		if s := v.crawl.Stats(); s.Queries >= v.next {
			v.note(s)
		}
	}
}

// note adds a point to the curve.
func (v *surveyor) note(s crawl.Stats) {
	p := CoveragePoint{Queries: s.Queries, Found: v.res.Found, At: v.world.Engine.Now()}
	v.res.Curve = append(v.res.Curve, p)
	if v.run.Point != nil {
		v.run.Point(p)
	}
	v.next = s.Queries + uint64(v.run.Step)
}
