package lab_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
)

func TestCrawlCovers(t *testing.T) {
	points := 0
	r, err := lab.RunCrawl(lab.CrawlRun{
		Setting: lab.Setting{Swarm: swarm.Config{Seed: 1, Nodes: size(100_000, 3000), Skew: 4}},
		Point:   func(lab.CoveragePoint) { points++ },
	})
	require.NoError(t, err)
	require.NoError(t, r.Err)
	t.Logf("coverage %.4f with %.2f queries a node, in %v, %v virtual", r.Coverage, r.PerNode, r.Wall, r.Virtual)
	require.Greater(t, r.Coverage, 0.993)
	require.Less(t, r.PerNode, 3.)
	require.Zero(t, r.False)
	require.Len(t, r.Curve, points)
	require.Greater(t, points, 30)
	last := r.Curve[len(r.Curve)-1]
	require.Equal(t, r.Found, last.Found)
	require.Equal(t, r.Stats.Queries, last.Queries)
	for i, p := range r.Curve[1:] {
		require.GreaterOrEqual(t, p.Found, r.Curve[i].Found)
		require.GreaterOrEqual(t, p.Queries, r.Curve[i].Queries)
	}
}

func TestEqualSeedsEqualCrawls(t *testing.T) {
	run := lab.CrawlRun{Setting: lab.Setting{Swarm: swarm.Config{Seed: 2, Nodes: size(3000, 500)}}}
	a, err := lab.RunCrawl(run)
	require.NoError(t, err)
	b, err := lab.RunCrawl(run)
	require.NoError(t, err)
	require.Equal(t, a.Hash, b.Hash)
	require.Equal(t, a.Curve, b.Curve)
	run.Seed = 9
	c, err := lab.RunCrawl(run)
	require.NoError(t, err)
	require.NotEqual(t, a.Hash, c.Hash)
}

// Inventions cost queries for other buckets, but hardly any for themselves.
func TestDecoysCostQueriesAndAreNotFound(t *testing.T) {
	nodes := size(10_000, 2000)
	honest, err := lab.RunCrawl(lab.CrawlRun{Setting: lab.Setting{Swarm: swarm.Config{Seed: 2, Nodes: nodes, Skew: 4}}})
	require.NoError(t, err)
	decoys, err := lab.RunCrawl(lab.CrawlRun{Setting: lab.Setting{Swarm: swarm.Config{Seed: 2, Nodes: nodes, Skew: 4, Decoys: 0.5}}})
	require.NoError(t, err)
	t.Logf("coverage %.4f with %.2f queries a node, %.4f with %.2f", honest.Coverage, honest.PerNode, decoys.Coverage, decoys.PerNode)
	require.Greater(t, decoys.PerNode, 1.5*honest.PerNode)
	require.Less(t, decoys.PerNode, 3*honest.PerNode)
	require.Zero(t, decoys.False)
	require.Greater(t, decoys.Coverage, 0.93)
}
