package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// sizeVerb estimates how many nodes a network has.
type sizeVerb struct {
	*app
	lookups int
	seed    uint64
}

type (
	// estimated is what estimate and summary records have in common.
	estimated struct {
		Nodes        float64      `json:"nodes"` // that answer, our own not among them
		Low          float64      `json:"low"`   // 95 % interval
		High         float64      `json:"high"`
		Method       crawl.Method `json:"method"`
		Lookups      int          `json:"lookups"`      // zones counted
		Counted      int          `json:"counted"`      // nodes that answered in them
		Share        float64      `json:"share"`        // of the key space that they cover
		Completeness float64      `json:"completeness"` // of what is there, as estimated
	}

	estimateRecord struct {
		Type string `json:"type"`
		estimated
		Queries int   `json:"queries"` // so far
		Time    stamp `json:"time"`
	}

	sizeSummary struct {
		Type string `json:"type"`
		estimated
		totals
	}
)

func (s *sizeSummary) line() string {
	return fmt.Sprintf("%d nodes counted in %d lookups; %s", s.Counted, s.Lookups, s.tail())
}

func newEstimated(e crawl.Estimate) estimated {
	return estimated{
		Nodes: rounded(e.Nodes, 1), Low: rounded(e.Low, 1), High: rounded(e.High, 1), Method: e.Method, Lookups: e.Targets,
		Counted: e.Counted, Share: e.Share, Completeness: rounded(e.Completeness, 4),
	}
}

// row is the estimate for people: "1003417 nodes, 978120 to 1028993 (95 %), by density".
func (e *estimated) row() string {
	if e.Method == crawl.Count && e.Low == e.High {
		return fmt.Sprintf("%.0f nodes, by %s", e.Nodes, e.Method)
	}
	return fmt.Sprintf("%.0f nodes, %.0f to %.0f (95 %%), by %s", e.Nodes, e.Low, e.High, e.Method)
}

func (a *app) sizeCommand() *cobra.Command {
	v := &sizeVerb{app: a}
	cmd := &cobra.Command{
		Use:   "size [flags]",
		Short: "Estimate how many nodes a network has",
		Example: `  dhtkit size --public
  dhtkit size --local 300 --lookups 20
  dhtkit size --public --json | jq -c 'select(.type == "estimate") | [.low, .nodes, .high]'`,
		Long: `Counts the nodes around random points of the key space, nearly all of them, and tells from how close together they
are how many there are in all, with the interval that holds the truth 95 times of 100. In a network of a few hundred nodes
that comes to counting them ("by count" instead of "by density"). Nodes that answer count, our own does not.

A hundred lookups are good for 3 %, and take about 400 queries each; four times as many are good for 1.5 %. With --json
there is an estimate after each lookup. One that an interrupt or --deadline cut short ends with 4, and with what it has.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd.Context()) },
	}
	a.localFlag(cmd)
	cmd.Flags().IntVar(&v.lookups, "lookups", 100, "points around which nodes are counted, `N`")
	cmd.Flags().Uint64Var(&v.seed, "seed", 0, "of these points, `S`; 0: a random one")
	return cmd
}

func (v *sizeVerb) run(ctx context.Context) error {
	if err := checkLookups(v.lookups); err != nil {
		return err
	}
	sum := &sizeSummary{Type: "summary"}
	return v.serve(ctx, need{verb: "size", single: true}, sum, func(ctx context.Context, s *session) error {
		return v.work(ctx, s, sum)
	})
}

func (v *sizeVerb) work(ctx context.Context, s *session, sum *sizeSummary) error {
	var done, nodes counter
	s.progress.show(func() string {
		queries, answered := s.net.counts()
		return fmt.Sprintf("about %d nodes after %d of %d lookups; %s", nodes.Load(), done.Load(), v.lookups, queriesText(queries, answered))
	})
	size := crawl.NewSize(s.net.node, crawl.SizeConfig{Targets: v.lookups, Timeout: v.flags.timeout, Seed: v.seed})
	var last error
	for e, err := range size.Estimates(ctx) {
		if last = err; err != nil {
			break
		}
		done.Store(int64(e.Targets))
		nodes.Store(int64(e.Nodes))
		sum.estimated = newEstimated(e)
		s.console.result("", &estimateRecord{Type: "estimate", estimated: sum.estimated, Queries: e.Queries, Time: now()})
	}
	if sum.Lookups > 0 && !s.console.json {
		s.console.result(sum.row(), nil)
	}
	if last != nil {
		return last
	}
	return outcome(ctx, sum.Lookups)
}
