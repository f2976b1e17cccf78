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
		Swarm: swarm.Config{Seed: 1, Nodes: size(100_000, 3000), Skew: 4},
		Point: func(lab.CoveragePoint) { points++ },
	})
	require.NoError(t, err)
	require.NoError(t, r.Err)
	t.Logf("coverage %.4f with %.2f queries a node, in %v, %v virtual", r.Coverage, r.PerNode, r.Wall, r.Virtual)
	require.Greater(t, r.Coverage, 0.985)
	require.Less(t, r.PerNode, 3.5)
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
	run := lab.CrawlRun{Swarm: swarm.Config{Seed: 2, Nodes: size(3000, 500)}}
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

func TestDecoysCostQueriesAndAreNotFound(t *testing.T) {
	honest, err := lab.RunCrawl(lab.CrawlRun{Swarm: swarm.Config{Seed: 2, Nodes: size(3000, 500)}})
	require.NoError(t, err)
	decoys, err := lab.RunCrawl(lab.CrawlRun{Swarm: swarm.Config{Seed: 2, Nodes: size(3000, 500), Decoys: 0.5}})
	require.NoError(t, err)
	require.Greater(t, decoys.PerNode, 2*honest.PerNode)
	require.Zero(t, decoys.False)
	require.Greater(t, decoys.Coverage, 0.9)
}
