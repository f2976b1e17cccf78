package crawl

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

// population draws n nodes with uniform ids.
func population(rng *rand.Rand, n int) []krpc.Node {
	nodes := make([]krpc.Node, n)
	for i := range nodes {
		nodes[i] = krpc.Node{ID: randomID(rng), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i >> 16), byte(i >> 8), byte(i)}), 1)}
	}
	slices.SortFunc(nodes, func(a, b krpc.Node) int { return cmp.Compare(prefix(a.ID), prefix(b.ID)) })
	return nodes
}

func randomID(rng *rand.Rand) (id krpc.ID) {
	binary.BigEndian.PutUint64(id[:], rng.Uint64())
	return id
}

// zoneOf returns the k nodes nearest to a target, out of nodes sorted by id.
func zoneOf(nodes []krpc.Node, target krpc.ID, k int) Zone {
	z := Zone{Target: target, Whole: k >= len(nodes)}
	lo, hi := 0, len(nodes)
	for bit := uint64(1) << 63; hi-lo > 4*k; bit >>= 1 { // the half that holds the target
		mid := lo + max(slices.IndexFunc(nodes[lo:hi], func(n krpc.Node) bool { return prefix(n.ID)&bit != 0 }), 0)
		l, h := lo, mid
		if prefix(target)&bit != 0 {
			l, h = mid, hi
		}
		if h-l < k {
			break
		}
		lo, hi = l, h
	}
	z.Nodes = slices.Clone(nodes[lo:hi])
	slices.SortFunc(z.Nodes, func(a, b krpc.Node) int {
		return cmp.Compare(prefix(a.ID)^prefix(target), prefix(b.ID)^prefix(target))
	})
	z.Nodes = z.Nodes[:min(k, len(z.Nodes))]
	return z
}

func censusOf(rng *rand.Rand, nodes []krpc.Node, targets, k int) Estimate {
	c := newCensus()
	for range targets {
		c.add(zoneOf(nodes, randomID(rng), k))
	}
	return c.estimate()
}

// From few nodes to many, with zones that hardly meet and zones that overlap a lot: no bias, and 95 of 100 intervals hold
// the truth.
func TestCensusIsUnbiasedAndItsIntervalHolds(t *testing.T) {
	for _, c := range []struct{ nodes, targets, k int }{
		{4000, 1, 20}, {4000, 10, 20}, {1000, 20, 20}, {300, 20, 20}, {100, 4, 8}, {4000, 40, 8},
	} {
		rng := rand.New(rand.NewPCG(1, uint64(c.nodes+c.targets)))
		const runs = 200
		sum, squares, covered := 0., 0., 0
		for range runs {
			truth := float64(c.nodes)
			e := censusOf(rng, population(rng, c.nodes), c.targets, c.k)
			ratio := e.Nodes / truth
			sum, squares = sum+ratio, squares+(ratio-1)*(ratio-1)
			if e.Low <= truth && truth <= e.High {
				covered++
			}
			require.LessOrEqual(t, e.Low, e.Nodes)
			require.LessOrEqual(t, e.Nodes, e.High)
			require.Equal(t, c.targets, e.Targets)
			require.LessOrEqual(t, e.Counted, c.targets*c.k)
		}
		spread := math.Sqrt(squares / runs)
		t.Logf("%+v: mean %.4f, spread %.4f, covered %d of %d", c, sum/runs, spread, covered, runs)
		require.InDelta(t, 1, sum/runs, 3.5*spread/math.Sqrt(runs), "%+v", c)
		require.LessOrEqual(t, spread, 1.3/math.Sqrt(float64(c.targets*c.k)-2), "%+v", c)
		require.GreaterOrEqual(t, covered, runs*92/100, "%+v", c)
		require.LessOrEqual(t, covered, runs*99/100+1, "%+v: the interval says nothing", c)
	}
}

func TestCensusCountsWhatItCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	nodes := population(rng, 50)
	e := censusOf(rng, nodes, 1, 64)
	require.Equal(t, Estimate{Nodes: 50, Low: 50, High: 50, Targets: 1, Counted: 50, Share: 1, Completeness: 1, Method: Count}, e)

	require.Zero(t, newCensus().estimate().Nodes)
	require.False(t, newCensus().add(Zone{}), "nobody is known there")
	require.False(t, newCensus().add(Zone{Whole: true}), "nobody is there")
}

// Nodes in clumps: zones differ more than by chance, and the interval says so.
func TestClumpsWidenTheInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	even := censusOf(rng, population(rng, 20_000), 100, 8)
	clumped := population(rng, 20_000)
	for i := range clumped {
		if clumped[i].ID[0] < 64 {
			clumped[i].ID[0] &= 0x0f // a quarter of the nodes in a sixteenth of the key space
		}
	}
	slices.SortFunc(clumped, func(a, b krpc.Node) int { return cmp.Compare(prefix(a.ID), prefix(b.ID)) })
	uneven := censusOf(rng, clumped, 100, 8)
	width := func(e Estimate) float64 { return (e.High - e.Low) / e.Nodes }
	require.Greater(t, width(uneven), 1.5*width(even))
}

// Who is named by few others is a sign of those that nobody names.
func TestCensusCorrectsForTheUnseen(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	nodes := population(rng, 20_000)
	corrected, raw := newCensus(), newCensus()
	for range 100 {
		z := zoneOf(nodes, randomID(rng), 25)
		edge := z.Nodes[len(z.Nodes)-1]
		z.Nodes = slices.DeleteFunc(z.Nodes, func(n krpc.Node) bool {
			named := 0
			for range 8 {
				if rng.IntN(3) == 0 {
					named++
				}
			}
			switch named {
			case 1:
				z.once++
			case 2:
				z.twice++
			}
			return named == 0 && n != edge
		})
		corrected.add(z)
		z.once, z.twice = 0, 0
		raw.add(z)
	}
	c, r := corrected.estimate(), raw.estimate()
	require.InDelta(t, 1-math.Pow(2./3, 8), c.Completeness, 0.01)
	require.InDelta(t, c.Nodes, r.Nodes/c.Completeness, 1)
	require.Greater(t, (c.High-c.Low)/c.Nodes, (r.High-r.Low)/r.Nodes)
	require.Less(t, c.Low, 20_000.)
	require.Greater(t, c.High, 20_000.)
}

func TestBallsAreBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		target := rng.Uint64()
		radius := rng.Uint64() >> rng.IntN(64)
		blocks := appendBall(nil, target, radius)
		sum := 0.
		for _, b := range blocks {
			sum += float64(b.last-b.first) + 1
			for _, id := range []uint64{b.first, b.last} {
				require.LessOrEqual(t, id^target, radius)
			}
		}
		require.InEpsilon(t, float64(radius)+1, sum, 1e-9)
		in := func(id uint64) bool {
			return slices.ContainsFunc(blocks, func(b block) bool { return b.first <= id && id <= b.last })
		}
		require.True(t, in(target^radius))
		require.True(t, in(target))
		if radius != math.MaxUint64 {
			require.False(t, in(target^(radius+1)))
		}
	}
	require.Equal(t, []block{{0, math.MaxUint64}}, appendBall(nil, 7, math.MaxUint64))
}
