package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// crawlVerb lists every node of a network.
type crawlVerb struct {
	*app
	maxNodes int
	maxTime  time.Duration
	window   int
	seed     uint64
}

type crawlSummary struct {
	Type  string `json:"type"`
	Nodes int    `json:"nodes"`
	totals
	PerNode float64 `json:"queries_per_node"`
	Seen    int     `json:"seen"` // endpoints that were named
}

func (s *crawlSummary) line() string {
	return fmt.Sprintf("%d nodes, %.2f queries per node; %s", s.Nodes, s.PerNode, s.tail())
}

func (a *app) crawlCommand() *cobra.Command {
	v := &crawlVerb{app: a}
	cmd := &cobra.Command{
		Use:   "crawl [flags]",
		Short: "List every node of a network",
		Example: `  dhtkit crawl --local 1000
  dhtkit crawl --bootstrap 192.0.2.7:6881 --json > nodes.ndjson
  dhtkit crawl --public --max-nodes 10000 --rate 200`,
		Long: `Asks every node for its neighbours until nobody new is named, and prints each node that answers, one ID IP:PORT a line.
A crawl that --max-nodes, --max-time or an interrupt cut short ends with 4: what was printed is valid.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd.Context()) },
	}
	a.localFlag(cmd)
	cmd.Flags().IntVar(&v.maxNodes, "max-nodes", 0, "stop after `N` nodes, as --max; 0: all")
	cmd.Flags().DurationVar(&v.maxTime, "max-time", 0, "stop after this time; 0: no limit")
	cmd.Flags().IntVar(&v.window, "window", 0, "queries in flight, `N` (default 128)")
	cmd.Flags().Uint64Var(&v.seed, "seed", 0, "of the random targets, `N`; 0: a random one")
	return cmd
}

// Ours: what the node's socket has in flight at most.
const maxWindow = 1024

func (v *crawlVerb) run(ctx context.Context) error {
	switch {
	case v.maxNodes < 0:
		return usagef("--max-nodes %d is negative", v.maxNodes)
	case v.maxTime < 0:
		return usagef("--max-time %v is negative", v.maxTime)
	case v.window < 0 || v.window > maxWindow:
		return usagef("--window %d is not within 1..%d", v.window, maxWindow)
	}
	if v.maxNodes == 0 || (v.flags.max > 0 && v.flags.max < v.maxNodes) {
		v.maxNodes = v.flags.max
	}
	sum := &crawlSummary{Type: "summary"}
	return v.serve(ctx, need{verb: "crawl", single: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, sum)
	})
}

func (v *crawlVerb) work(ctx context.Context, s *session, sum *crawlSummary) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if v.maxTime > 0 {
		timer := time.AfterFunc(v.maxTime, func() { stop(errLimit) })
		defer timer.Stop()
	}
	cfg := crawl.Config{Window: v.window, Timeout: v.flags.timeout, Seed: v.seed}
	if s.net.local != nil {
		cfg.Targets = 2 // nobody is dead here, so there are queries to spare for the last few nodes
	}
	c := crawl.New(s.net.node, cfg)
	defer context.AfterFunc(ctx, c.Stop)()
	s.progress.show(func() string { return crawlProgress(c.Stats(), time.Since(s.began)) })

	found, err := v.nodes(ctx, s, c, func() { stop(errLimit) })
	stats := c.Stats()
	sum.Nodes, sum.Seen, sum.totals = found, stats.Seen, s.totals(ctx)
	sum.Queries, sum.Answered, sum.Losses = stats.Queries, stats.Answered, stats.Losses
	if found > 0 {
		sum.PerNode = math.Round(100*float64(stats.Queries)/float64(found)) / 100
	}
	return cmp.Or(err, outcome(ctx, found))
}

// nodes prints every node and returns how many there are. enough is called when there are as many as were wanted.
func (v *crawlVerb) nodes(ctx context.Context, s *session, c *crawl.Crawl, enough func()) (found int, err error) {
	if _, err := s.net.node.RPC().Bootstrap(ctx); err != nil { // names take time to resolve: ctx may end that
		return 0, err
	}
	// Not with ctx: its end is the order to stop asking, and answers in flight are still wanted.
	for n, err := range c.Nodes(context.WithoutCancel(ctx)) {
		if err != nil {
			return found, err
		}
		found++
		s.console.result(fmt.Sprintf("%v %v", n.ID, n.Addr), &nodeRecord{
			Type: "node", ID: n.ID, Addr: n.Addr, Version: clientVersion(n.Version), RTT: millis(n.RTT), Time: now(),
		})
		if found == v.maxNodes {
			enough()
			break
		}
	}
	return found, nil
}

func crawlProgress(s crawl.Stats, elapsed time.Duration) string {
	return fmt.Sprintf("%d nodes of %d named; %s, %d waiting, %.0f queries/s",
		s.Nodes, s.Seen, queriesText(s.Queries, s.Answered), s.Waiting, float64(s.Queries)/max(elapsed.Seconds(), 1e-3))
}
