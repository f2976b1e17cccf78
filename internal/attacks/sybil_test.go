package attacks

import (
	"testing"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline/crawl"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// lies are what the liars of a swarm do.
var lies = map[swarm.Lie]string{
	swarm.WrongID: "another id each time", swarm.Invented: "invented contacts", swarm.Endless: "ever nearer contacts",
	swarm.Flood: "a /24 around the target", swarm.Mirror: "whoever asks", swarm.Garbage: "garbage", swarm.Clique: "each other",
}

// lying is a network of swarm A's kind, a share of which lies.
func lying(share float64, lie swarm.Lie) *swarm.Swarm {
	return swarm.New(swarm.Config{Seed: 1, Nodes: size(100_000, 20_000), Skew: 4, Liars: share, Lie: lie})
}

// lookups returns the share of lookups that found at least one of the 8 closest honest nodes, how many of them on average,
// and the summary.
func lookups(t *testing.T, s *swarm.Swarm, profile routing.LookupConfig, n int) (success, hits float64, sum lab.LookupSummary) {
	t.Helper()
	res, err := lab.RunLookups(lab.LookupRun{Net: s, Seed: 3, Lookups: n, Profile: profile})
	require.NoError(t, err)
	for _, l := range res.Lookups {
		h := lab.HonestHits(s, l)
		hits += float64(h) / float64(n)
		if h > 0 {
			success += 1 / float64(n)
		}
	}
	return success, hits, res.Summary()
}

// Row 8: an attacker with nodes in some /24s stands around a hash, nearer than any honest node.
func TestVerticalSybils(t *testing.T) {
	net := swarm.Config{Seed: 1, Nodes: size(100_000, 20_000), Skew: 4}
	run := func(nets int) (holders, full, found float64) {
		rounds := size(100, 30)
		res, err := lab.RunVertical(lab.VerticalRun{Swarm: net, Seed: 2, Nets: nets, Bits: 2, Rounds: rounds})
		require.NoError(t, err)
		for i, n := range res.Holders {
			holders += float64(n) / float64(rounds)
			if n >= 8 {
				full += 1 / float64(rounds)
			}
			if res.Found[i] {
				found += 1 / float64(rounds)
			}
		}
		t.Logf("%2d nets: %.1f honest nodes take an announcement, at least 8 of them in %.0f %%; %.0f %% find it", nets, holders, 100*full, 100*found)
		return holders, full, found
	}
	holders, _, _ := run(0)
	require.Less(t, holders, 12., "without an attacker not many are bothered beyond the 8")
	for _, nets := range []int{1, 2, 4} {
		holders, _, found := run(nets)
		require.GreaterOrEqual(t, holders, 8.)
		require.GreaterOrEqual(t, found, 0.9)
	}
	_, full, found := run(8)
	require.GreaterOrEqual(t, full, 0.9)
	require.GreaterOrEqual(t, found, 0.95)
	_, _, found = run(16)
	require.GreaterOrEqual(t, found, 0.8)
}

// Row 9: a fifth of all nodes lie, those in our table included.
func TestHorizontalSybils(t *testing.T) {
	n := size(150, 30)
	for lie, name := range lies {
		s := lying(0.2, lie)
		fast, hits, sum := lookups(t, s, routing.Fast(), n)
		t.Logf("%-25s fast: success %.3f, %.2f of 8, %.0f queries", name, fast, hits, sum.QueriesMean)
		require.GreaterOrEqual(t, fast, 0.9, name)
		thorough, hits, sum := lookups(t, s, routing.Thorough(), n)
		t.Logf("%-25s thorough: success %.3f, %.2f of 8, %.0f queries", name, thorough, hits, sum.QueriesMean)
		require.GreaterOrEqual(t, thorough, 0.99, name)
	}
}

// Row 16: a node that knows nobody starts through four bootstrap nodes, two of which belong to a clique of liars that make up
// a twentieth of the network.
func TestEclipseAtStart(t *testing.T) {
	runs := size(20, 6)
	honest, table, poor, worst := 0, 0, 0, 1.
	for seed := range uint64(runs) {
		net := swarm.Config{Seed: seed + 1, Nodes: 20_000, Skew: 4, Liars: 0.05}
		res, err := lab.RunEclipse(lab.EclipseRun{Swarm: net, Honest: 2, Hostile: 2})
		require.NoError(t, err)
		require.Greater(t, res.Table, 100)
		share := float64(res.Honest) / float64(res.Table)
		if worst = min(worst, share); share < 0.9 {
			poor++
		}
		honest, table = honest+res.Honest, table+res.Table
	}
	share := float64(honest) / float64(table)
	t.Logf("%.1f %% of %.0f nodes in a table are honest after ten minutes; in %d of %d runs less than 90 %%, at worst %.1f %%", 100*share, float64(table)/float64(runs), poor, runs, 100*worst)
	require.Greater(t, worst, 0.7)
	require.GreaterOrEqual(t, share, 0.9)
	require.LessOrEqual(t, poor, runs/5)
}

// Row 18: one node in a hundred invents eight contacts in each reply.
func TestTraps(t *testing.T) {
	n := size(200, 60)
	clean := lying(0, 0)
	_, _, base := lookups(t, clean, routing.Fast(), n)
	for _, lie := range []swarm.Lie{swarm.Invented, swarm.Endless, swarm.Flood} {
		_, _, sum := lookups(t, lying(0.01, lie), routing.Fast(), n)
		extra := sum.QueriesMean/base.QueriesMean - 1
		t.Logf("lookups, %s: %+.1f %% queries", lies[lie], 100*extra)
		require.LessOrEqual(t, extra, 0.1)
	}
	for lie, most := range map[swarm.Lie]float64{swarm.Invented: 0.1, swarm.Endless: 0.2} { // see docs/defences.md
		queries := func(liars float64) (perNode, coverage float64) {
			net := swarm.Config{Seed: 1, Nodes: size(20_000, 5_000), Skew: 4, Liars: liars, Lie: lie}
			res, err := lab.RunCrawl(lab.CrawlRun{Swarm: net, Crawl: crawl.Config{}})
			require.NoError(t, err)
			return res.PerNode, res.Coverage
		}
		base, all := queries(0)
		with, found := queries(0.01)
		t.Logf("crawls, %s: %+.1f %% queries, %.2f %% found instead of %.2f %%", lies[lie], 100*(with/base-1), 100*found, 100*all)
		require.LessOrEqual(t, with/base-1, most)
		require.Greater(t, found, all-0.005)
	}
}
