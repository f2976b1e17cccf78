package lab

import (
	"fmt"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// CrawlRun is one crawl of a swarm by an observer.
type CrawlRun struct {
	Swarm  swarm.Config
	Net    *swarm.Swarm   // a swarm made before, to be used again; then Swarm is not looked at
	Links  sim.LinkConfig // zero: swarm A
	Seed   uint64         // of all but the swarm; 0 means the swarm's
	Crawl  crawl.Config   // Seed is set from above; a Window of 0 means 2000
	Memory Memory         // of the observer; Met of 0 means 100
	Node   mainline.Config
	Step   int                   // queries between two points of the curve; 0 means a hundredth of the nodes
	Point  func(p CoveragePoint) // called for each point as it is reached; nil: not
	Stop   func() bool           // asked before each event: true ends the run with what was found; nil: never
}

// CoveragePoint is a point of the curve of a crawl.
type CoveragePoint struct {
	Queries uint64
	Found   int
	At      time.Duration // virtual
}

// CrawlResult is what a CrawlRun shows.
type CrawlResult struct {
	Reachable int     // nodes of the swarm that are alive
	Found     int     // of those, how many the crawl found
	False     int     // nodes it says it found that are none
	Coverage  float64 // Found of Reachable
	PerNode   float64 // queries per reachable node
	Stats     crawl.Stats
	Curve     []CoveragePoint
	Err       error // how the crawl ended, if not well

	Build, Wall, Virtual time.Duration
	Hash                 uint64
	Net                  sim.Stats
}

func (r CrawlRun) withDefaults() CrawlRun {
	if r.Seed == 0 {
		r.Seed = r.Swarm.Seed
	}
	if r.Crawl.Window == 0 {
		r.Crawl.Window = 2000
	}
	if r.Memory.Met == 0 {
		r.Memory.Met = 100
	}
	if r.Node.Window == 0 {
		r.Node.Window = 8 * r.Crawl.Window // late queries count, too
	}
	r.Crawl.Seed = r.Seed + 1
	r.Node.NoUpkeep = true
	return r
}

// RunCrawl makes a swarm and crawls it.
func RunCrawl(r CrawlRun) (CrawlResult, error) {
	r = r.withDefaults()
	start := time.Now()
	if r.Net == nil {
		r.Net = swarm.New(r.Swarm)
	}
	res := CrawlResult{Build: time.Since(start), Reachable: r.Net.Reachable()}
	if r.Step == 0 {
		r.Step = max(res.Reachable/100, 1)
	}
	start = time.Now()
	w := NewWorld(r.Net, r.Seed, r.Links)
	node, err := w.Observe(r.Memory, r.Node)
	if err != nil {
		return res, err
	}
	if err := w.crawl(crawl.New(node, r.Crawl), r, &res); err != nil {
		return res, err
	}
	res.Coverage = float64(res.Found) / float64(max(res.Reachable, 1))
	res.PerNode = float64(res.Stats.Queries) / float64(max(res.Reachable, 1))
	res.Wall, res.Virtual = time.Since(start), w.Engine.Now()
	res.Hash, res.Net = w.Engine.Hash(), w.Engine.Stats()
	return res, nil
}

func (w *World) crawl(c *crawl.Crawl, r CrawlRun, res *CrawlResult) error {
	ended := false
	next := uint64(0)
	note := func(s crawl.Stats) {
		p := CoveragePoint{Queries: s.Queries, Found: res.Found, At: w.Engine.Now()}
		res.Curve = append(res.Curve, p)
		if r.Point != nil {
			r.Point(p)
		}
		next = s.Queries + uint64(r.Step)
	}
	found := func(f crawl.Found) {
		if n, ok := sim.NodeAt(f.Addr); ok && int(n) < w.Swarm.Len() && w.Swarm.ID(n) == f.ID {
			res.Found++
		} else {
			res.False++
		}
		if res.Found%64 == 0 {
			if s := c.Stats(); s.Queries >= next {
				note(s)
			}
		}
	}
	w.Fleet.Do(w.Observer, func(*mainline.Node) {
		c.Drive(found, func(err error) { ended, res.Err = true, err })
	})
	if w.Engine.RunWhile(10000*time.Hour, func() bool { return !ended && !stopped(r.Stop) }) && !ended {
		return fmt.Errorf("lab: the crawl did not end")
	}
	res.Stats = c.Stats()
	note(res.Stats)
	return nil
}
