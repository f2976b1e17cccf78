package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/dhtkit/dhtkit/internal/plot"
	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline/crawl"
)

// simSizeVerb estimates the size of a simulated network.
type simSizeVerb struct {
	simVerb
	lookups int
}

type (
	simSizeRecord struct {
		Type      string `json:"type"`
		Reachable int    `json:"reachable"` // the truth
		estimated
		Error   float64 `json:"error"`   // share by which the estimate is off
		Covered bool    `json:"covered"` // the interval holds the truth
		Recall  float64 `json:"recall"`  // of the nodes in the zones, how many were found
		Queries int     `json:"queries"`
		Virtual seconds `json:"virtual_seconds"`
		Hash    string  `json:"hash"`
	}

	sizePointRecord struct {
		Type string `json:"type"`
		estimated
		Queries int `json:"queries"`
	}
)

func (a *app) simSizeCommand() *cobra.Command {
	v := &simSizeVerb{simVerb: simVerb{app: a}}
	cmd := &cobra.Command{
		Use:   "size [flags]",
		Short: "Estimate the size of a simulated network: how right, and at what price",
		Example: `  dhtkit sim size --nodes 1000000 --dead 0.6 --skew
  dhtkit sim size --lookups 400 --svg size.svg
  for s in 1 2 3 4; do dhtkit sim size -q --seed $s; done`,
		Long: "Estimates how many nodes there are, as dhtkit size does, where the truth is known, and prints one line, the\n" +
			"columns named on standard error:\n\n" + sizeColumns,
		Args: v.swarmArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd) },
	}
	f := cmd.Flags()
	v.swarmFlags(f, 1_000_000)
	f.IntVar(&v.lookups, "lookups", 100, "points around which nodes are counted, `N`")
	v.commonFlags(f)
	return cmd
}

const sizeColumns = `  ESTIMATE   reachable nodes
  LOW HIGH   the interval that holds the truth 95 times of 100
  TRUTH      reachable nodes there are
  ERROR      of the estimate, in percent
  COVERED    whether the interval holds the truth
  RECALL     share of the nodes around the points that were found
  QUERIES    sent
  SECONDS    virtual ones
  HASH       of all packets and their times: equal for equal flags
`

const sizeHeader = "ESTIMATE       LOW      HIGH     TRUTH  ERROR COVERED RECALL   QUERIES  SECONDS HASH"

func (r *simSizeRecord) row() string {
	covered := "no"
	if r.Covered {
		covered = "yes"
	}
	return fmt.Sprintf("%8.0f %9.0f %9.0f %9d %+6.2f %7s %6.4f %9d %8.0f %s",
		r.Nodes, r.Low, r.High, r.Reachable, 100*r.Error, covered, r.Recall, r.Queries, time.Duration(r.Virtual).Seconds(), r.Hash)
}

func (v *simSizeVerb) run(cmd *cobra.Command) error {
	cfg, err := v.swarm()
	if err := cmp.Or(err, checkLookups(v.lookups), v.check(cmd)); err != nil {
		return err
	}
	return v.simulate(cmd, func(s *simulation) (*plot.Chart, error) { return v.work(s, cfg) })
}

func (v *simSizeVerb) work(s *simulation, cfg swarm.Config) (*plot.Chart, error) {
	var done, nodes counter
	s.progress.show(func() string {
		return fmt.Sprintf("about %d nodes after %d of %d lookups", nodes.Load(), done.Load(), v.lookups)
	})
	s.header(sizeHeader)
	var all []crawl.Estimate
	res, err := lab.RunSize(lab.SizeRun{
		Swarm: cfg, Seed: v.seed, Size: crawl.SizeConfig{Targets: v.lookups}, Stop: s.stop,
		Estimate: func(e crawl.Estimate) {
			done.Store(int64(e.Targets))
			nodes.Store(int64(e.Nodes))
			all = append(all, e)
			s.result("", &sizePointRecord{Type: "estimate", estimated: newEstimated(e), Queries: e.Queries})
		},
	})
	if err = cmp.Or(err, res.Err); err != nil || len(all) == 0 {
		return nil, err
	}
	s.sum.count(uint64(res.Estimate.Queries), uint64(res.Estimate.Answered), res.Virtual, res.Net)
	r := &simSizeRecord{
		Type: "size", Reachable: res.Reachable, estimated: newEstimated(res.Estimate), Error: rounded(res.Error(), 5),
		Covered: res.Covered(), Recall: rounded(res.Recall, 5), Queries: res.Estimate.Queries, Virtual: seconds(res.Virtual),
		Hash: hashText(res.Hash),
	}
	s.result(r.row(), r)
	return v.chart(res, all), nil
}

// chart draws how the estimate closes in on the truth.
func (v *simSizeVerb) chart(res lab.SizeResult, all []crawl.Estimate) *plot.Chart {
	truth := float64(max(res.Reachable, 1))
	line := func(name string, of func(crawl.Estimate) float64) plot.Line {
		l := plot.Line{Name: name}
		for _, e := range all {
			if off := 100 * (of(e)/truth - 1); off > -50 && off < 50 { // the first ones may be far off
				l.Points = append(l.Points, plot.Point{X: float64(e.Targets), Y: off})
			}
		}
		return l
	}
	return &plot.Chart{
		Title: fmt.Sprintf("The size of a network of %s nodes, estimated", grouped(res.Reachable)),
		Subtitle: fmt.Sprintf("%+.2f %% with %s queries; %.0f %% of contacts gone; %s",
			100*res.Error(), grouped(res.Estimate.Queries), 100*v.dead, skewText(v.skew)),
		Panels: []plot.Panel{{
			Title: "Estimate and 95 % interval",
			X:     plot.Axis{Label: "lookups", Zero: true},
			Y:     plot.Axis{Label: "off the truth, %", Ticks: []float64{-50, -25, -10, 0, 10, 25, 50}},
			Lines: []plot.Line{
				line("estimate", func(e crawl.Estimate) float64 { return e.Nodes }),
				line("95 % interval", func(e crawl.Estimate) float64 { return e.Low }),
				line("95 % interval", func(e crawl.Estimate) float64 { return e.High }),
			},
		}},
	}
}
