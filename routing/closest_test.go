package routing

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendClosestIsExact(t *testing.T) {
	for name, cfg := range map[string]Config{
		"mainline": {}, "wide": {Far: WideFar}, "huge": {K: 1000}, "deep": {K: 1}, "long ids": {KeyLen: 32, K: 20},
		"no net limit": {PerNetBucket: -1, PerNetTable: -1, PerIP: -1},
	} {
		t.Run(name, func(t *testing.T) {
			r := seeded(4)
			b := newBench(t, RandomKey(r, 20, Key{}, 0), cfg)
			b.fill(5, 1500)
			for i, n := range b.live() {
				if i%7 == 0 || i%14 == 3 {
					b.Failed(n, b.now)
				}
				if i%14 == 3 {
					b.Failed(n, b.now)
				}
				b.Answered(b.live()[1], 0, b.now)
			}
			var want, once []Node
			for c := range b.All() {
				if b.has(c.Node) && c.Fails == 0 {
					want = append(want, c.Node)
				}
				if b.has(c.Node) && c.Fails <= 1 {
					once = append(once, c.Node)
				}
			}
			if name != "deep" { // where others take the place of those that fail
				require.Less(t, len(want), len(once))
				require.Less(t, len(once), b.Len())
			}
			for range 100 {
				target := RandomKey(r, b.cfg.KeyLen, b.Self(), r.IntN(20))
				slices.SortFunc(want, func(x, y Node) int { return CompareDistance(target, x.Key, y.Key) })
				for _, n := range []int{1, 8, 16, 17, 100} {
					n = min(n, len(want))
					require.Equal(t, want[:n], b.AppendClosest(nil, target, n))
				}
			}
			slices.SortFunc(once, func(x, y Node) int { return CompareDistance(b.Self(), x.Key, y.Key) })
			require.Equal(t, once, b.AppendClosest(nil, b.Self(), b.Len()), "more than there are: those that failed once, too")
			kept := []Node{at(7)}
			require.Equal(t, at(7), b.AppendClosest(kept, b.Self(), 3)[0], "what dst holds stays")
			require.Empty(t, b.AppendClosest(nil, b.Self(), 0))
			require.Empty(t, b.AppendClosest(nil, b.Self(), -1))
		})
	}
}

// Keys made to agree in their first 64 bits are told apart by the rest.
func TestAppendClosestOfTwins(t *testing.T) {
	r := seeded(34)
	b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{K: 40})
	stem := RandomKey(r, 20, Key{}, 0)
	for i := range 40 {
		b.answered(Node{RandomKey(r, 20, stem, 64), addr(i)}, 1)
	}
	b.failed(b.live()[3])
	b.failed(b.live()[3])
	want := slices.Delete(b.live(), 3, 4)
	for range 20 {
		target := RandomKey(r, 20, stem, 64)
		slices.SortFunc(want, func(x, y Node) int { return CompareDistance(target, x.Key, y.Key) })
		for _, n := range []int{1, 8, 39} {
			require.Equal(t, want[:n], b.AppendClosest(nil, target, n))
		}
		require.Equal(t, want, b.AppendClosest(nil, target, 40))
	}
}

func TestAppendClosestAllocatesNothing(t *testing.T) {
	for _, far := range [][]int{nil, WideFar} {
		r := seeded(6)
		b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{Far: far})
		b.fill(7, 5000)
		dst, target := make([]Node, 0, 64), RandomKey(r, 20, Key{}, 0)
		require.Zero(t, testing.AllocsPerRun(100, func() { dst = b.AppendClosest(dst[:0], target, 8) }))
		require.Zero(t, testing.AllocsPerRun(100, func() { dst = b.AppendClosest(dst[:0], target, 40) }))
	}
}
