package main

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/internal/plot"
	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
)

// simCrawlVerb crawls a simulated network.
type simCrawlVerb struct {
	simVerb
	decoys float64
	window int
}

type (
	crawlRecord struct {
		Type      string  `json:"type"`
		Reachable int     `json:"reachable"` // nodes there are
		Found     int     `json:"found"`
		False     int     `json:"false"` // said to be found, and are none
		Coverage  float64 `json:"coverage"`
		PerNode   float64 `json:"queries_per_node"` // for each reachable one
		Queries   uint64  `json:"queries"`
		Virtual   seconds `json:"virtual_seconds"`
		Hash      string  `json:"hash"`
	}

	coverageRecord struct {
		Type     string  `json:"type"`
		Queries  uint64  `json:"queries"`
		Found    int     `json:"found"`
		Coverage float64 `json:"coverage"`
		Virtual  seconds `json:"virtual_seconds"`
	}
)

func (a *app) simCrawlCommand() *cobra.Command {
	v := &simCrawlVerb{simVerb: simVerb{app: a}}
	cmd := &cobra.Command{
		Use:   "crawl [flags]",
		Short: "Crawl a simulated network: how complete, and at what price",
		Example: `  dhtkit sim crawl --nodes 1000000 --skew
  dhtkit sim crawl --nodes 100000 --decoys 0.5 --svg crawl.svg
  dhtkit sim crawl --skew --json | jq -r 'select(.type == "point") | [.queries, .coverage] | @tsv'`,
		Long: "Crawls a network of which the truth is known, and prints one line, the columns named on standard error:\n\n" +
			crawlColumns,
		Args: v.swarmArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	f := cmd.Flags()
	v.swarmFlags(f, 100_000)
	f.Float64Var(&v.decoys, "decoys", 0, "share of the contacts in answers that are invented, `SHARE`")
	f.IntVar(&v.window, "window", 2000, "queries in flight, `N`")
	v.commonFlags(f)
	return cmd
}

const crawlColumns = `  COVERAGE   share of the reachable nodes that were found
  PER-NODE   queries for each reachable node
  FOUND      nodes found
  REACHABLE  nodes there are
  FALSE      nodes it says it found that are none
  QUERIES    sent
  SECONDS    virtual ones
  HASH       of all packets and their times: equal for equal flags
`

const crawlHeader = "COVERAGE PER-NODE    FOUND REACHABLE    FALSE   QUERIES   SECONDS HASH"

func (r *crawlRecord) row() string {
	return fmt.Sprintf("%8.4f %8.3f %8d %9d %8d %9d %9.0f %s",
		r.Coverage, r.PerNode, r.Found, r.Reachable, r.False, r.Queries, time.Duration(r.Virtual).Seconds(), r.Hash)
}

// Ours: a crawler with more in flight is none that somebody could run.
const mostWindow = 100_000

func (v *simCrawlVerb) run(cmd *cobra.Command) error {
	cfg, err := v.swarm()
	if err := cmp.Or(err, v.checkCrawl(), v.check(cmd)); err != nil {
		return err
	}
	cfg.Decoys = v.decoys
	return v.simulate(cmd, func(s *simulation) (*plot.Chart, error) { return v.work(s, cfg) })
}

func (v *simCrawlVerb) checkCrawl() error {
	switch {
	case math.IsNaN(v.decoys) || v.decoys < 0 || v.decoys > 0.95:
		return usagef("--decoys %v is not a share from 0 to 0.95", v.decoys)
	case v.window < 1 || v.window > mostWindow:
		return usagef("--window %d is not within 1..%d", v.window, mostWindow)
	}
	return nil
}

func (v *simCrawlVerb) work(s *simulation, cfg swarm.Config) (*plot.Chart, error) {
	var found, queries counter
	s.progress.show(func() string {
		return fmt.Sprintf("%d of about %d nodes found, %d queries", found.Load(), v.nodes, queries.Load())
	})
	s.header(crawlHeader)
	net := swarm.New(cfg)
	reachable := net.Reachable()
	run := lab.CrawlRun{Net: net, Seed: v.seed, Stop: s.stop}
	run.Crawl.Window = v.window
	run.Point = func(p lab.CoveragePoint) {
		found.Store(int64(p.Found))
		queries.Store(int64(p.Queries))
		s.result("", &coverageRecord{
			Type: "point", Queries: p.Queries, Found: p.Found, Coverage: share(p.Found, reachable), Virtual: seconds(p.At),
		})
	}
	res, err := lab.RunCrawl(run)
	if err = cmp.Or(err, res.Err); err != nil {
		return nil, err
	}
	s.sum.count(res.Stats.Queries, res.Stats.Answered, res.Virtual, res.Net)
	r := &crawlRecord{
		Type: "crawl", Reachable: res.Reachable, Found: res.Found, False: res.False, Coverage: share(res.Found, reachable),
		PerNode: rounded(res.PerNode, 4), Queries: res.Stats.Queries, Virtual: seconds(res.Virtual), Hash: hashText(res.Hash),
	}
	s.result(r.row(), r)
	return v.chart(res), nil
}

func share(part, whole int) float64 { return rounded(float64(part)/float64(max(whole, 1)), 6) }

// chart draws coverage over queries, and over time.
func (v *simCrawlVerb) chart(res lab.CrawlResult) *plot.Chart {
	queries, times := plot.Line{Points: []plot.Point{{}}}, plot.Line{Points: []plot.Point{{}}}
	for _, p := range res.Curve {
		coverage := 100 * float64(p.Found) / float64(max(res.Reachable, 1))
		queries.Points = append(queries.Points, plot.Point{X: float64(p.Queries) / float64(max(res.Reachable, 1)), Y: coverage})
		times.Points = append(times.Points, plot.Point{X: p.At.Minutes(), Y: coverage})
	}
	y := plot.Axis{Label: "reachable nodes found, %", Ticks: []float64{0, 20, 40, 60, 80, 100}}
	return &plot.Chart{
		Title: fmt.Sprintf("A crawl of %s nodes", grouped(res.Reachable)),
		Subtitle: fmt.Sprintf("%.2f %% found with %.2f queries a node; %.0f %% of contacts gone, %.0f %% invented; %s",
			100*res.Coverage, res.PerNode, 100*v.dead, 100*v.decoys, skewText(v.skew)),
		Panels: []plot.Panel{
			{Title: "Over queries", X: plot.Axis{Label: "queries for each reachable node", Zero: true}, Y: y, Lines: []plot.Line{queries}},
			{Title: "Over time", X: plot.Axis{Label: "virtual minutes", Zero: true}, Y: y, Lines: []plot.Line{times}},
		},
	}
}
