package lab_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline/crawl"
)

func estimate(t testing.TB, r lab.SizeRun) lab.SizeResult {
	t.Helper()
	res, err := lab.RunSize(r)
	require.NoError(t, err)
	require.NoError(t, res.Err)
	return res
}

func report(r lab.SizeResult) string {
	e, truth := r.Estimate, float64(r.Reachable)
	return fmt.Sprintf("%.0f of %d: %+.2f %%, interval %+.2f..%+.2f %%, recall %.4f, completeness %.4f, %d queries, %v virtual, %v",
		e.Nodes, r.Reachable, 100*r.Error(), 100*(e.Low/truth-1), 100*(e.High/truth-1), r.Recall, e.Completeness, e.Queries, r.Virtual, r.Wall)
}

// A taste of BenchmarkSize: fewer zones, so the spread is 2.3 %.
func TestSizeIsRight(t *testing.T) {
	for _, dead := range []float64{0.2, 0.4, 0.6} {
		covered, sum := 0, 0.
		seeds := size(4, 1)
		for seed := range seeds {
			r := estimate(t, lab.SizeRun{
				Swarm: swarm.Config{Seed: uint64(seed) + 1, Nodes: size(100_000, 5000), Dead: dead, Skew: 1 + 3*(seed%2)},
				Size:  crawl.SizeConfig{Targets: size(30, 4)},
			})
			t.Logf("dead %.1f, seed %d: %s", dead, seed+1, report(r))
			require.Equal(t, crawl.Density, r.Estimate.Method)
			if testing.Short() {
				continue
			}
			require.Greater(t, r.Recall, 0.985)
			require.InDelta(t, 0, r.Error(), 0.09)
			if sum += r.Error(); r.Covered() {
				covered++
			}
		}
		if !testing.Short() {
			require.InDelta(t, 0, sum/float64(seeds), 0.045)
			require.GreaterOrEqual(t, covered, seeds-1)
		}
	}
}

func TestSizeOfASmallSwarmIsCounted(t *testing.T) {
	for _, nodes := range []int{8, 50, 300} {
		r := estimate(t, lab.SizeRun{Swarm: swarm.Config{Seed: 1, Nodes: nodes}})
		require.InDelta(t, 0, r.Error(), 0.02, report(r))
	}
}

// What others invent is not counted, though it costs queries.
func TestDecoysAreNotCounted(t *testing.T) {
	run := lab.SizeRun{Swarm: swarm.Config{Seed: 1, Nodes: size(20_000, 3000), Dead: 0.2}, Size: crawl.SizeConfig{Targets: size(10, 2), K: 20}}
	honest := estimate(t, run)
	run.Swarm.Decoys = 0.3
	decoys := estimate(t, run)
	t.Log(report(honest))
	t.Log(report(decoys))
	require.Greater(t, decoys.Estimate.Queries, honest.Estimate.Queries)
	require.LessOrEqual(t, decoys.Recall, 1.)
	require.InDelta(t, honest.Error(), decoys.Error(), 0.15)
}

func TestEqualSeedsEqualSizes(t *testing.T) {
	run := lab.SizeRun{Swarm: swarm.Config{Seed: 3, Nodes: 5000}, Size: crawl.SizeConfig{Targets: 3, K: 16}}
	a, b := estimate(t, run), estimate(t, run)
	require.Equal(t, a.Estimate, b.Estimate)
	require.Equal(t, a.Hash, b.Hash)
	run.Seed = 4
	c := estimate(t, run)
	require.NotEqual(t, a.Hash, c.Hash)
	require.Equal(t, a.Reachable, c.Reachable)
}

// Twenty estimates of a million nodes each, with shares of dead contacts from 20 to 60 %, without and with age skew. One
// run each, a minute or two; with -v it prints all of them:
//
//	go test ./internal/simnet/lab -run '^$' -bench Size -benchtime 1x -v
func BenchmarkSize(b *testing.B) {
	for _, skew := range []int{1, 4} {
		for _, dead := range []float64{0.2, 0.4, 0.6} {
			b.Run(fmt.Sprintf("skew=%d/dead=%v", skew, dead), func(b *testing.B) {
				for b.Loop() {
					benchSizes(b, swarm.Config{Nodes: 1_000_000, Dead: dead, Skew: skew})
				}
			})
		}
	}
}

func benchSizes(b *testing.B, cfg swarm.Config) {
	const seeds = 20
	worst, sum, recall, queries, covered := 0., 0., 0., 0, 0
	for seed := range uint64(seeds) {
		cfg.Seed = seed + 1
		r := estimate(b, lab.SizeRun{Swarm: cfg})
		b.Logf("seed %d: %s", cfg.Seed, report(r))
		worst, sum = max(worst, math.Abs(r.Error())), sum+r.Error()
		recall, queries = recall+r.Recall, queries+r.Estimate.Queries
		if r.Covered() {
			covered++
		}
	}
	b.ReportMetric(100*worst, "worst-%")
	b.ReportMetric(100*sum/seeds, "mean-%")
	b.ReportMetric(float64(covered), "covered")
	b.ReportMetric(recall/seeds, "recall")
	b.ReportMetric(float64(queries)/seeds, "queries")
}
