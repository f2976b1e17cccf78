package lab_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

func fleet(t *testing.T, r lab.FleetRun) lab.FleetResult {
	t.Helper()
	res, err := lab.RunFleet(r)
	require.NoError(t, err)
	return res
}

func TestTenThousandNodesBoot(t *testing.T) {
	r := lab.FleetRun{Nodes: size(10_000, 500), Seed: 1, Boot: 3 * time.Minute, For: time.Minute}
	before, most := runtime.NumGoroutine(), 0
	r.Minute = func(lab.FleetPoint) { most = max(most, runtime.NumGoroutine()) }
	res := fleet(t, r)
	last := res.Points[len(res.Points)-1]
	require.LessOrEqual(t, most, before+2, "nodes have no goroutines")
	t.Logf("boot %v, then %v a virtual minute; %.0f bytes a node; %v a packet; table %.1f", res.Boot, res.PerMinute, res.BytesPerNode, res.PacketCost, last.Table)
	require.Equal(t, r.Nodes, last.Nodes)
	require.Equal(t, r.Nodes, last.Joined)
	require.Len(t, res.Points, 4)
	require.Greater(t, last.Table, 8., "everybody knows somebody")
	require.Zero(t, last.Gone)
	require.Less(t, res.BytesPerNode, 100_000.)
}

func TestEqualSeedsEqualFleets(t *testing.T) {
	run := lab.FleetRun{
		Nodes: size(150, 40), Seed: 5, For: time.Duration(size(90, 40)) * time.Minute, Churn: true, Return: 0.5, Restricted: 0.2, Firewalled: 0.1,
		Liars: 0.05, Lie: swarm.Endless, Probes: 4,
	}
	type trace struct {
		hash   uint64
		net    sim.Stats
		probes []lab.Lookup
	}
	of := func(r lab.FleetRun) trace {
		res := fleet(t, r)
		return trace{res.Hash, res.Net, res.Lookups().Lookups}
	}
	a := of(run)
	require.Equal(t, a, of(run))
	run.Seed = 6
	require.NotEqual(t, a.hash, of(run).hash)
}

func TestChurnLeavesItsMark(t *testing.T) {
	nodes := size(200, 60)
	run := lab.FleetRun{Nodes: nodes, Seed: 2, Boot: 10 * time.Minute, For: 3 * time.Hour, Probes: 2}
	calm := fleet(t, run)
	run.Churn, run.Return = true, 0.3
	lively := fleet(t, run)
	last := func(r lab.FleetResult) lab.FleetPoint { return r.Points[len(r.Points)-1] }
	require.Zero(t, last(calm).Left)
	require.Zero(t, last(calm).Gone)
	require.InEpsilon(t, 0.3*float64(nodes), last(lively).Left, 0.4, "three hours take three of ten")
	require.Greater(t, last(lively).Joined, nodes)
	require.InEpsilon(t, nodes, last(lively).Nodes, 0.06, "some are away for half an hour")
	require.Greater(t, last(lively).Gone, 0.)
	require.Less(t, last(lively).Gone, 0.25)
	s, l := calm.Lookups(), lively.Lookups()
	t.Log(s.Summary(), "\n", l.Summary())
	require.Greater(t, s.Summary().Recall, 0.7)
	require.Greater(t, l.Summary().Recall, 0.6)
}

// pair is two full nodes that know each other, on a link of 100 ms.
type pair struct {
	e     *sim.Engine
	links *sim.Links
	fleet *lab.Fleet
}

func newPair(t *testing.T, cfg sim.LinkConfig) *pair {
	cfg.Flat = 100 * time.Millisecond
	p := &pair{links: sim.NewLinks(cfg)}
	p.e = sim.New(sim.Config{Link: p.links})
	p.fleet = lab.NewFleet(p.e, 0, 3)
	p.start(t, 0, mainline.Config{ID: krpc.ID{0x11}})
	p.start(t, 1, mainline.Config{ID: krpc.ID{0x91}, Bootstrap: []string{sim.Addr(0).String()}})
	p.e.Run(5 * time.Minute)
	require.Equal(t, 1, p.fleet.Node(0).Len())
	require.Equal(t, 1, p.fleet.Node(1).Len())
	return p
}

func (p *pair) start(t *testing.T, n sim.Node, cfg mainline.Config) {
	t.Helper()
	_, err := p.fleet.Start(n, cfg)
	require.NoError(t, err)
}

// lookup has node 0 look for something within 20 s, and returns how many answered.
func (p *pair) lookup(t *testing.T) int {
	t.Helper()
	answers, ended := 0, false
	p.fleet.Do(0, func(n *mainline.Node) {
		n.FindNode(krpc.ID{0x90}).Drive(func(*krpc.Reply) { answers++ }, func(error) { ended = true })
	})
	p.e.Run(p.e.Now() + 20*time.Second)
	require.True(t, ended)
	return answers
}

func TestNodesTalk(t *testing.T) {
	require.Equal(t, 1, newPair(t, sim.LinkConfig{}).lookup(t))
	require.Equal(t, 1, newPair(t, sim.LinkConfig{Duplicate: 1, Reorder: 0.5}).lookup(t))
}

func TestCrashAndRestart(t *testing.T) {
	p := newPair(t, sim.LinkConfig{})
	p.fleet.Crash(1)
	require.Nil(t, p.fleet.Node(1))
	require.Zero(t, p.lookup(t))
	p.start(t, 1, mainline.Config{ID: krpc.ID{0x91}, NoUpkeep: true})
	p.e.Run(p.e.Now() + 5*time.Minute) // whoever did not answer is pinged
	require.Equal(t, 1, p.lookup(t), "the same id again")
	p.start(t, 1, mainline.Config{ID: krpc.ID{0x92}, NoUpkeep: true})
	require.Zero(t, p.lookup(t), "another id there")
	require.EqualValues(t, 1, p.fleet.Node(0).RPC().Counts().Mismatches)
}

func TestOwnLinkDown(t *testing.T) {
	p := newPair(t, sim.LinkConfig{})
	p.links.SetDown(0, true)
	require.Zero(t, p.lookup(t))
	p.links.SetDown(0, false)
	p.e.Run(p.e.Now() + 5*time.Minute)
	require.Equal(t, 1, p.lookup(t))
}

func TestClockSteps(t *testing.T) {
	p := newPair(t, sim.LinkConfig{})
	before := p.fleet.Time(0)
	p.fleet.StepClock(0, 3*time.Hour)
	require.Equal(t, before.Add(3*time.Hour), p.fleet.Time(0))
	require.Equal(t, before, p.fleet.Time(1))
	require.Equal(t, 1, p.lookup(t))
	p.e.Run(p.e.Now() + 10*time.Minute)
	require.Equal(t, 1, p.fleet.Node(0).Len(), "it was pinged, and was there")
	p.fleet.StepClock(0, -5*time.Hour)
	require.Equal(t, 1, p.lookup(t))
}
