package routing

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForgottenNodeIsAskedAgain(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 1, MaxQueries: 1}, 5)
	s.asks(5)
	s.Forget(at(5))
	s.check()
	s.done(false)
	s.asks(5)
	s.settle(5, Alive)
	s.Forget(at(5))
	s.check()
	s.done(true)
	s.found(5)

	s.AddSeed(addr(300))
	seeds := newSteps(t, LookupConfig{})
	seeds.AddSeed(addr(300))
	for range 2 {
		n, ok := seeds.Next()
		require.True(t, ok)
		seeds.Forget(n)
		seeds.check()
	}
}

func TestQueriesAreLimited(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 8, Alpha: 8, MaxQueries: 3}, 1, 2, 3, 4, 5)
	s.asks(1, 2, 3)
	s.done(false)
	for k := byte(1); k <= 3; k++ {
		s.settle(k, Failed)
	}
	s.asks()
	s.done(true)
}

func TestCandidatesAreBounded(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 2, MaxCandidates: 4}, 10, 20, 30, 40)
	require.False(t, s.add(50), "full of nearer ones")
	require.True(t, s.add(15), "in place of 40")
	require.False(t, s.add(40))
	s.asks(10, 15)
	s.settle(10, Failed)
	s.settle(15, Failed)
	s.asks(20, 30)
	require.False(t, s.add(25), "nothing farther that is free")
	require.True(t, s.add(5), "in place of one that failed")
	require.Len(t, s.slab, 4)
	s.settle(20, Alive)
	s.asks(5)
}

func TestSettleOfWhatIsNotOpen(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 1}, 5, 6)
	for _, o := range []Outcome{Alive, Late, Failed, Room} {
		s.settle(5, o)
		s.settle(99, o)
	}
	s.asks(5)
	s.settle(5, Room)
	s.asks()
	s.settle(5, Failed)
	s.settle(5, Alive)
	require.Empty(t, s.AppendClosest(nil, 8), "what failed stays failed")
}

func TestTrace(t *testing.T) {
	var hops []Hop
	s := newSteps(t, LookupConfig{K: 1, Alpha: 1, Trace: func(h Hop) { hops = append(hops, h) }}, 64)
	s.asks(64)
	s.settle(64, Alive)
	s.Add(at(1), at(64))
	s.asks(1)
	s.settle(1, Late)
	require.Equal(t, []Hop{
		{Node: at(64), Bits: 1, Asked: true},
		{Node: at(64), Bits: 1, Outcome: Alive},
		{Node: at(1), From: at(64), Bits: 7, Asked: true},
		{Node: at(1), From: at(64), Bits: 7, Outcome: Late},
	}, hops)
}

// A lookup allocates when it starts and when its lists grow, not with each step.
func TestLookupAllocations(t *testing.T) {
	r := seeded(61)
	target := RandomKey(r, 20, Key{}, 0)
	nodes := make([]Node, 300)
	for i := range nodes {
		nodes[i] = Node{RandomKey(r, 20, target, i%20), addr(i)}
	}
	whole := testing.AllocsPerRun(20, func() {
		l := NewLookup(target, Fast())
		for i, n := range nodes {
			l.Add(n, Node{})
			if i%8 != 7 {
				continue
			}
			for m, ok := l.Next(); ok; m, ok = l.Next() {
				l.Settle(m, Outcome(m.Key[10]%3))
			}
		}
	})
	require.LessOrEqual(t, whole, 12.0, "the lookup and its lists as they double; not the 300 nodes")
}
