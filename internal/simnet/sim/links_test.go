package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
)

// observer is a well connected node in Europe, from where swarm A is looked at.
const observer sim.Node = 5_000_000

func vantage(l *sim.Links) { l.Pin(observer, sim.Profile{Region: sim.Europe}) }

// trips returns sorted round trips from the observer to nodes, datagram by datagram as they are sent.
func trips(l *sim.Links, n int) []time.Duration {
	var all []time.Duration
	for i := range n {
		there := l.Fate(0, observer, sim.Node(i), sim.Mix(1, uint64(i)))
		back := l.Fate(0, sim.Node(i), observer, sim.Mix(2, uint64(i)))
		if !there.Lost && !back.Lost {
			all = append(all, there.Delay+back.Delay)
		}
	}
	slices.Sort(all)
	return all
}

func TestSwarmARoundTrips(t *testing.T) {
	l := sim.NewLinks(sim.SwarmA(1))
	vantage(l)
	const nodes = 200_000
	all := trips(l, nodes)
	require.InEpsilon(t, 0.99*0.99*nodes, len(all), 0.002, "one percent is lost each way")
	for _, q := range []struct {
		share float64
		want  time.Duration
	}{{0.1, 39 * time.Millisecond}, {0.5, 163 * time.Millisecond}, {0.9, 272 * time.Millisecond}, {0.99, 1810 * time.Millisecond}} {
		got := all[int(q.share*float64(len(all)))]
		require.InEpsilon(t, q.want, got, 0.03, "quantile %v", q.share)
	}
}

func TestRoundTripIsThePairsOwn(t *testing.T) {
	cfg := sim.SwarmA(3)
	cfg.Loss, cfg.Jitter, cfg.Slow = 0, 0, 0
	l := sim.NewLinks(cfg)
	seen := make(map[time.Duration]bool)
	for i := range sim.Node(1000) {
		rtt := l.RTT(i, 2000)
		require.Equal(t, rtt, l.RTT(2000, i))
		require.InDelta(t, rtt/2, l.Fate(0, i, 2000, 9).Delay, 1)
		require.Equal(t, l.Fate(0, i, 2000, 9), l.Fate(0, 2000, i, 77))
		seen[rtt] = true
	}
	require.Greater(t, len(seen), 990)
}

func TestRegionsHaveTheirShares(t *testing.T) {
	l := sim.NewLinks(sim.SwarmA(5))
	var got [5]int
	slow := 0
	for i := range sim.Node(100_000) {
		p := l.Profile(i)
		got[p.Region]++
		if p.Slow > 0 {
			slow++
			require.GreaterOrEqual(t, p.Slow, 300*time.Millisecond)
			require.LessOrEqual(t, p.Slow, 2*time.Second)
		}
	}
	for r, want := range []int{38_000, 14_000, 34_000, 8000, 6000} {
		require.InDelta(t, want, got[r], 600, "region %d", r)
	}
	require.InDelta(t, 5000, slow, 300)
}

// carried sends n datagrams a second apart over a network and returns which arrived, in order of arrival.
func carried(t *testing.T, cfg sim.LinkConfig, n int, prepare func(l *sim.Links, e *sim.Engine)) []byte {
	t.Helper()
	l := sim.NewLinks(cfg)
	var got []byte
	e := sim.New(sim.Config{Seed: cfg.Seed, Link: l})
	e.Attach(0, 2, receiver(func(to, _ sim.Node, b []byte) {
		if to == 1 {
			got = append(got, b...)
		}
	}))
	if prepare != nil {
		prepare(l, e)
	}
	for i := range n {
		e.At(time.Duration(i)*time.Second, func() { e.Send(0, 1, []byte{byte(i)}) })
	}
	e.Run(time.Duration(n+10) * time.Second)
	return got
}

func TestLossDuplicatesAndReordering(t *testing.T) {
	flat := sim.LinkConfig{Seed: 2, Flat: 100 * time.Millisecond}
	clean := carried(t, flat, 200, nil)
	require.Len(t, clean, 200)
	require.True(t, slices.IsSorted(clean))

	lossy := flat
	lossy.Loss = 0.3
	require.InDelta(t, 140, len(carried(t, lossy, 200, nil)), 25)

	twice := flat
	twice.Duplicate = 0.2
	require.InDelta(t, 240, len(carried(t, twice, 200, nil)), 25)

	mixed := flat
	mixed.Reorder, mixed.ReorderBy = 0.2, 5*time.Second
	late := carried(t, mixed, 200, nil)
	require.Len(t, late, 200)
	require.False(t, slices.IsSorted(late))
	slices.Sort(late)
	require.Equal(t, clean, late, "nothing else happened to them")
}

func TestFaultsOfOneNode(t *testing.T) {
	flat := sim.LinkConfig{Seed: 2, Flat: 100 * time.Millisecond}
	down := carried(t, flat, 30, func(l *sim.Links, e *sim.Engine) {
		e.At(9500*time.Millisecond, func() { l.SetDown(1, true) })
		e.At(19500*time.Millisecond, func() { l.SetDown(1, false) })
	})
	require.Len(t, down, 20)
	require.NotContains(t, down, byte(12))
	require.Empty(t, carried(t, flat, 30, func(l *sim.Links, _ *sim.Engine) { l.SetDown(0, true) }))
	require.InDelta(t, 100, len(carried(t, flat, 200, func(l *sim.Links, _ *sim.Engine) { l.SetLoss(1, 0.5) })), 25)
	require.Len(t, carried(t, flat, 30, func(l *sim.Links, _ *sim.Engine) {
		l.SetDown(1, true)
		l.Reset(1)
	}), 30)
}

func TestNATs(t *testing.T) {
	const minute = 60
	flat := sim.LinkConfig{Flat: 100 * time.Millisecond}
	reached := func(class sim.NAT, to sim.Node, at int) []byte {
		return carried(t, flat, 5*minute, func(l *sim.Links, e *sim.Engine) {
			l.SetNAT(1, class)
			e.At(time.Duration(at)*time.Second+time.Millisecond, func() { e.Send(1, to, []byte("hello")) })
		})
	}
	require.Len(t, reached(sim.Open, 7, minute), 5*minute)
	require.Len(t, reached(sim.FullCone, 7, minute), 2*minute, "it let in everybody for two minutes")
	require.Len(t, reached(sim.Restricted, 0, minute), 2*minute, "it let in whom it had sent something")
	require.Empty(t, reached(sim.Restricted, 7, minute), "it had sent something to somebody else")
	require.Len(t, reached(sim.Firewalled, 0, minute), 30)
}

func TestSessions(t *testing.T) {
	const n = 100_000
	var lives, left []time.Duration
	var sum time.Duration
	for i := range uint64(n) {
		lives, left = append(lives, sim.Session(sim.Mix(1, i))), append(left, sim.Residual(sim.Mix(2, i)))
		sum += lives[i]
	}
	slices.Sort(lives)
	slices.Sort(left)
	require.InEpsilon(t, 455*time.Minute, sum/n, 0.02)
	require.InEpsilon(t, 200*time.Minute, lives[n/2], 0.04)
	require.InEpsilon(t, 425*time.Minute, left[n/2], 0.04)
	gone, _ := slices.BinarySearch(left, time.Hour)
	require.InDelta(t, 0.116, float64(gone)/n, 0.005)
}
