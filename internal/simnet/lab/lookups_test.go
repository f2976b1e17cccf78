package lab_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/routing"
)

// size is n, or few of it under -short: the race detector makes these tests a hundred times slower, and has little to see
// on one thread.
func size(n, few int) int {
	if testing.Short() {
		return few
	}
	return n
}

func lookups(t *testing.T, r lab.LookupRun) lab.LookupResult {
	t.Helper()
	res, err := lab.RunLookups(r)
	require.NoError(t, err)
	require.Len(t, res.Lookups, r.Lookups)
	return res
}

func TestEqualSeedsEqualLookups(t *testing.T) {
	run := lab.LookupRun{Swarm: swarm.Config{Seed: 3, Nodes: 5000}, Lookups: size(20, 3)}
	a, b := lookups(t, run), lookups(t, run)
	require.Equal(t, a.Lookups, b.Lookups)
	require.Equal(t, a.Hash, b.Hash)
	require.Equal(t, a.Net, b.Net)
	run.Seed = 4 // another observer in the same swarm
	c := lookups(t, run)
	require.NotEqual(t, a.Hash, c.Hash)
	require.Equal(t, a.Reachable, c.Reachable)
	run.Swarm.Seed = 4
	require.NotEqual(t, c.Hash, lookups(t, run).Hash)
}

// In a network without faults everything is found, and the times are those of the links.
func TestLookupsOfAPerfectWorld(t *testing.T) {
	res := lookups(t, lab.LookupRun{
		Swarm: swarm.Config{Seed: 1, Nodes: 20_000, Dead: -1}, Lookups: size(100, 4),
		Links: sim.LinkConfig{Seed: 1, Flat: 100e6}, Memory: lab.Memory{Stale: -1}, NodeTargets: true,
	})
	s := res.Summary()
	require.Greater(t, s.Recall, 0.99)
	require.Zero(t, s.Missed+s.Failed)
	hits := 0
	for _, l := range res.Lookups {
		require.Zero(t, l.First%100e6, "whole round trips: %v", l.First)
		require.GreaterOrEqual(t, l.Done, l.First)
		require.LessOrEqual(t, l.Answered, l.Queries)
		require.Len(t, l.Found, 8)
		if l.Found[0] == l.Target {
			hits++
		}
	}
	require.GreaterOrEqual(t, hits, size(97, 3))
}

func TestProfilesDiffer(t *testing.T) {
	net := swarm.New(swarm.Config{Seed: 1, Nodes: size(100_000, 10_000)})
	got := make(map[string]lab.LookupSummary)
	for _, p := range lab.Profiles {
		named, ok := lab.ProfileNamed(p.Name)
		require.True(t, ok)
		res := lookups(t, lab.LookupRun{Net: net, Seed: 1, Lookups: size(60, 4), Profile: named.Config})
		got[p.Name] = res.Summary()
		t.Log(p.Name, got[p.Name])
	}
	_, ok := lab.ProfileNamed("best")
	require.False(t, ok)
	if testing.Short() {
		return // too few to compare
	}
	fast, alpha3, thorough := got["fast"], got["alpha3"], got["thorough"]
	require.Less(t, 3*fast.DoneP50, alpha3.DoneP50)
	require.Less(t, 2*fast.FirstP95, alpha3.FirstP95)
	require.Greater(t, thorough.Recall, fast.Recall)
	require.Less(t, alpha3.QueriesP50, fast.QueriesP50)
}

func TestDeadContactsCostTime(t *testing.T) {
	at := func(dead float64) lab.LookupSummary {
		res := lookups(t, lab.LookupRun{Swarm: swarm.Config{Seed: 2, Nodes: 30_000, Dead: dead}, Lookups: size(80, 10)})
		return res.Summary()
	}
	some, most := at(0.2), at(0.7)
	require.Less(t, some.DoneP50, most.DoneP50)
	require.Less(t, some.Unanswered, most.Unanswered)
	require.Greater(t, some.Recall, most.Recall)
}

func TestOneObserverLearns(t *testing.T) {
	run := lab.LookupRun{Swarm: swarm.Config{Seed: 2, Nodes: 50_000}, Lookups: size(150, 60), Memory: lab.Memory{Met: 20}, WarmRTTs: true}
	strangers := lookups(t, run)
	run.OneObserver = true
	regular := lookups(t, run)
	first := func(r lab.LookupResult) float64 {
		r.Lookups = r.Lookups[len(r.Lookups)/2:]
		return r.Summary().QueriesMean
	}
	require.Less(t, first(regular), first(strangers))
}

func TestLiarsDoNotStopLookups(t *testing.T) {
	for _, lie := range []swarm.Lie{swarm.WrongID, swarm.Invented, swarm.Endless, swarm.Flood, swarm.Mirror, swarm.Garbage} {
		res := lookups(t, lab.LookupRun{
			Swarm: swarm.Config{Seed: 5, Nodes: 20_000, Dead: 0.2, Liars: 0.1, Lie: lie}, Lookups: size(40, 2), Profile: routing.Thorough(),
		})
		s := res.Summary()
		t.Log(lie, s)
		require.Zero(t, s.Failed)
		require.Greater(t, s.Recall, 0.5, "lie %d", lie)
	}
}
