package main

import (
	"cmp"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/internal/plot"
	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
)

// simGrowthVerb shows what lookups cost as the network grows.
type simGrowthVerb struct {
	simLookupVerb
	from   int
	factor int
}

type growthRecord struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"` // of the profile
	Nodes   int      `json:"nodes"`
	Log2    float64  `json:"log2"`
	Queries float64  `json:"queries_mean"`
	Step    *float64 `json:"queries_per_doubling,omitempty"` // more than at the size before, for each doubling between
	DoneP50 millis   `json:"done_p50_ms"`
	DoneP95 millis   `json:"done_p95_ms"`
	Recall  float64  `json:"recall"`
	Hash    string   `json:"hash"`
}

func (a *app) simGrowthCommand() *cobra.Command {
	v := &simGrowthVerb{simLookupVerb: simLookupVerb{simVerb: simVerb{app: a}}}
	cmd := &cobra.Command{
		Use:   "growth [flags]",
		Short: "What a lookup costs as the network grows",
		Example: `  dhtkit sim growth
  dhtkit sim growth --nodes 100000 --factor 2 --profile fast,libtorrent --svg growth.svg`,
		Long: "Looks up in networks from --from to --nodes nodes, each --factor times as large as the one before, and prints one line\n" +
			"for each, the columns named on standard error:\n\n" + growthColumns,
		Args: v.swarmArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	f := cmd.Flags()
	v.swarmFlags(f, 10_000_000)
	f.IntVar(&v.from, "from", 1000, "nodes of the smallest network, `N`")
	f.IntVar(&v.factor, "factor", 4, "each is `N` times as large")
	f.IntVar(&v.lookups, "lookups", 1000, "lookups of each profile and size, `N`")
	f.StringSliceVar(&v.profiles, "profile", []string{"fast"}, "`NAMES` with commas between, or all (see sim lookup --help)")
	f.BoolVar(&v.warm, "warm", false, "the nodes know round trips of lookups before")
	v.commonFlags(f)
	return cmd
}

const growthColumns = `  PROFILE            a way to look up (see sim lookup --help)
  NODES LOG2         reachable nodes, and how often 1 is doubled to get there
  QUERIES            nodes asked, on average
  PER-DOUBLING       how many more than at the size before, for each doubling between the two; - for the first
  DONE-P50 DONE-P95  ms until the lookup ended: half of the lookups, 95 of 100
  RECALL             share of the 8 closest reachable nodes that were found
  HASH               of all packets and their times: equal for equal flags
`

const growthHeader = "PROFILE         NODES  LOG2   QUERIES PER-DOUBLING  DONE-P50  DONE-P95    RECALL HASH"

func (r *growthRecord) row() string {
	step := "-"
	if r.Step != nil {
		step = fmt.Sprintf("%+.2f", *r.Step)
	}
	return fmt.Sprintf("%-12s %8d %5.2f %9.2f %12s %9d %9d %9.3f %s",
		r.Name, r.Nodes, r.Log2, r.Queries, step, wholeMillis(r.DoneP50), wholeMillis(r.DoneP95), r.Recall, r.Hash)
}

func (v *simGrowthVerb) run(cmd *cobra.Command) error {
	cfg, err := v.swarm()
	profiles, unknown := profilesNamed(v.profiles)
	if err := cmp.Or(err, unknown, checkLookups(v.lookups), v.checkSizes(), v.check(cmd)); err != nil {
		return err
	}
	return v.simulate(cmd, func(s *simulation) (*plot.Chart, error) { return v.work(s, cfg, profiles) })
}

func (v *simGrowthVerb) checkSizes() error {
	switch {
	case v.from < leastNodes || v.from > v.nodes:
		return usagef("--from %d is not within %d..%d, the --nodes of the largest network", v.from, leastNodes, v.nodes)
	case v.factor < 2 || v.factor > 1000:
		return usagef("--factor %d is not within 2..1000", v.factor)
	}
	return nil
}

// sizes returns the sizes of the networks, smallest first; the last one is --nodes.
func (v *simGrowthVerb) sizes() (sizes []int) {
	for n := v.from; n < v.nodes; n *= v.factor {
		sizes = append(sizes, n)
	}
	// A last step that is a small one would say little: the size before gives way.
	if last := len(sizes) - 1; last > 0 && float64(v.nodes) < math.Sqrt2*float64(sizes[last]) {
		sizes = sizes[:last]
	}
	return append(sizes, v.nodes)
}

func (v *simGrowthVerb) work(s *simulation, cfg swarm.Config, profiles []lab.Profile) (*plot.Chart, error) {
	var size, done counter
	s.progress.show(func() string {
		return fmt.Sprintf("%s nodes: %d of %d lookups", grouped(int(size.Load())), done.Load(), v.lookups*len(profiles))
	})
	s.header(growthHeader)
	before := make([]*growthRecord, len(profiles))
	chart := v.chart(profiles)
	for _, n := range v.sizes() {
		size.Store(int64(n))
		done.Store(0)
		cfg.Nodes = n
		net := swarm.New(cfg)
		for i, p := range profiles {
			res, err := lab.RunLookups(lab.LookupRun{
				Net: net, Seed: v.seed, Lookups: v.lookups, Profile: p.Config, WarmRTTs: v.warm,
				Progress: func(int) { done.Add(1) }, Stop: s.stop,
			})
			if err != nil {
				return chart, err
			}
			if s.stop() {
				return chart, nil // fewer lookups than of the others are no point of the curve
			}
			s.count(res)
			r := newGrowthRecord(p.Name, n, &res, before[i])
			before[i] = r
			s.result(r.row(), r)
			addGrowth(chart, i, r)
		}
	}
	return chart, nil
}

func newGrowthRecord(name string, nodes int, res *lab.LookupResult, before *growthRecord) *growthRecord {
	s := res.Summary()
	r := &growthRecord{
		Type: "growth", Name: name, Nodes: nodes, Log2: rounded(math.Log2(float64(nodes)), 3), Queries: rounded(s.QueriesMean, 3),
		DoneP50: millis(s.DoneP50), DoneP95: millis(s.DoneP95), Recall: rounded(s.Recall, 4), Hash: hashText(res.Hash),
	}
	if before != nil {
		r.Step = new(rounded((r.Queries-before.Queries)/math.Log2(float64(nodes)/float64(before.Nodes)), 3))
	}
	return r
}

// chart is the plot without points, one line for each profile in each panel.
func (v *simGrowthVerb) chart(profiles []lab.Profile) *plot.Chart {
	lines := func() (lines []plot.Line) {
		for _, p := range profiles {
			lines = append(lines, plot.Line{Name: p.Name, Dots: true})
		}
		return lines
	}
	var ticks []float64
	for n := math.Ceil(math.Log2(float64(v.from))); n <= math.Log2(float64(v.nodes)); n += 2 {
		ticks = append(ticks, n)
	}
	x := plot.Axis{Label: "log₂ of the number of nodes (10: 1 k, 20: 1 M)", Ticks: ticks}
	return &plot.Chart{
		Title: fmt.Sprintf("Lookups in networks from %s to %s nodes", grouped(v.from), grouped(v.nodes)),
		Subtitle: fmt.Sprintf("%s lookups of each size; %.0f %% of the contacts in tables are gone; %s",
			grouped(v.lookups), 100*v.dead, skewText(v.skew)),
		Panels: []plot.Panel{
			{Title: "Queries of a lookup, on average", X: x, Y: plot.Axis{Label: "queries", Zero: true}, Lines: lines()},
			{Title: "End of 95 of 100 lookups", X: x, Y: plot.Axis{Label: "ms", Zero: true}, Lines: lines()},
		},
	}
}

func addGrowth(c *plot.Chart, i int, r *growthRecord) {
	for panel, y := range []float64{r.Queries, float64(r.DoneP95) / 1e6} {
		line := &c.Panels[panel].Lines[i]
		line.Points = append(line.Points, plot.Point{X: r.Log2, Y: y})
	}
}
