package swarm

import (
	"cmp"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
)

func target(i int) krpc.ID { return idFrom(sim.Mix(99, uint64(i)), sim.Mix(98, uint64(i))) }

// all returns the nodes for which keep says so, nearest to target first.
func all(s *Swarm, target uint64, keep func(sim.Node) bool) []sim.Node {
	var nodes []sim.Node
	for i := range s.Len() {
		if n := sim.Node(i); keep(n) {
			nodes = append(nodes, n)
		}
	}
	slices.SortFunc(nodes, func(a, b sim.Node) int { return cmp.Compare(s.ids.sorted[a]^target, s.ids.sorted[b]^target) })
	return nodes
}

func TestIDsAreSortedAndFound(t *testing.T) {
	for _, n := range []int{1, 2, 63, 64, 1000, 50_000} {
		l := newIDs(n, 7)
		require.True(t, slices.IsSorted(l.sorted))
		require.Equal(t, n, len(slices.Compact(slices.Clone(l.sorted))))
		for i := range 200 {
			p := sim.Mix(3, uint64(i))
			want, _ := slices.BinarySearch(l.sorted, p)
			require.EqualValues(t, want, l.position(p))
			at := i % n
			require.EqualValues(t, at, l.position(l.sorted[at]))
		}
	}
}

func TestBucketRanges(t *testing.T) {
	l := newIDs(3000, 1)
	for i := range 50 {
		p := l.sorted[i*60]
		if i%2 == 0 {
			p = sim.Mix(5, uint64(i))
		}
		for d := range 65 {
			lo, hi := l.bucket(p, d)
			for j, id := range l.sorted {
				in := uint32(j) >= lo && uint32(j) < hi
				require.Equal(t, d < 64 && bits.LeadingZeros64(id^p) == d, in, "bucket %d", d)
			}
			lo, hi = l.around(p, d)
			require.Equal(t, d == 0 || bits.LeadingZeros64(l.sorted[0]^p) >= d, lo == 0 && hi > 0, "around %d", d)
		}
	}
}

func TestClosestIsTheTruth(t *testing.T) {
	for _, dead := range []float64{-1, 0.4, 0.9} {
		s := New(Config{Seed: 4, Nodes: 800, Dead: dead})
		for i := range 100 {
			want := all(s, prefixOf(target(i)), s.Alive)[:8]
			require.Equal(t, want, s.Closest(nil, target(i), 8))
		}
		require.Equal(t, len(all(s, 0, s.Alive)), s.Reachable())
		require.Len(t, s.Closest(nil, target(0), 10_000), s.Reachable())
	}
}

// table returns the whole table of a node, bucket by bucket.
func table(s *Swarm, n sim.Node) (contacts []sim.Node) {
	for d := range 64 {
		var l list
		s.bucket(&l, n, d)
		lo, hi := s.ids.bucket(s.ids.sorted[n], d)
		if capacity := s.capacity(n, d); hi-lo > capacity+30 {
			if l.n != int(capacity) {
				panic("a full bucket is not full")
			}
		}
		for _, c := range l.nodes[:l.n] {
			if uint32(c) < lo || uint32(c) >= hi {
				panic("a contact in the wrong bucket")
			}
			contacts = append(contacts, c)
		}
	}
	return contacts
}

func TestNearestIsTheBestOfTheTable(t *testing.T) {
	for name, cfg := range map[string]Config{
		"plain": {Seed: 1, Nodes: 700},
		"skew":  {Seed: 2, Nodes: 700, Skew: 4},
		"wide":  {Seed: 3, Nodes: 3000, Wide: 0.5},
		"small": {Seed: 4, Nodes: 5},
		"k 3":   {Seed: 5, Nodes: 700, K: 3},
	} {
		s := New(cfg)
		for i := range 300 {
			n := sim.Node(i % s.Len())
			contacts := table(s, n)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(contacts))), len(contacts), "%s: a contact twice", name)
			require.NotContains(t, contacts, n)
			to := prefixOf(target(i))
			switch i % 3 {
			case 1:
				to = s.ids.sorted[n]
			case 2:
				to = s.ids.sorted[(i*7)%s.Len()]
			}
			slices.SortFunc(contacts, func(a, b sim.Node) int { return cmp.Compare(s.ids.sorted[a]^to, s.ids.sorted[b]^to) })
			var l list
			s.nearest(&l, n, to)
			require.Equal(t, contacts[:min(s.cfg.K, len(contacts))], append([]sim.Node(nil), l.nodes[:l.n]...), "%s: node %d", name, n)
		}
	}
}

func TestNeighboursKnowEachOther(t *testing.T) {
	s := New(Config{Seed: 1, Nodes: 100_000, Skew: 4})
	for i := range 200 {
		n := sim.Node(i * 500)
		own := s.ids.sorted[n]
		var l list
		s.nearest(&l, n, own)
		lo, hi := s.ids.around(own, 12) // about 40 nodes
		near := all(s, own, func(o sim.Node) bool { return uint32(o) >= lo && uint32(o) < hi })
		require.Equal(t, near[1:4], append([]sim.Node(nil), l.nodes[:3]...), "after the node itself")
	}
}

func TestSharesOfDeadAndOld(t *testing.T) {
	contacts := func(skew int) (dead, older float64) {
		s := New(Config{Seed: 6, Nodes: 60_000, Dead: 0.4, Skew: skew})
		require.InEpsilon(t, 60_000, s.Reachable(), 0.02)
		count := 0.
		for i := range 2000 {
			var l list
			s.bucket(&l, sim.Node(i*40), i%8)
			for _, c := range l.nodes[:l.n] {
				count++
				if !s.Alive(c) {
					dead++
				}
				older += float64(s.Age(c)) / (1 << 64)
			}
		}
		return dead / count, older / count
	}
	dead, older := contacts(0)
	require.InDelta(t, 0.4, dead, 0.01)
	require.InDelta(t, 0.5, older, 0.01)
	dead, older = contacts(4)
	require.InDelta(t, 0.4, dead, 0.01, "the old ones are not more alive")
	require.InDelta(t, 0.8, older, 0.01, "the mean of the largest of four")
}

func TestSeedsMakeSwarms(t *testing.T) {
	a, b, c := New(Config{Seed: 1, Nodes: 1000}), New(Config{Seed: 1, Nodes: 1000}), New(Config{Seed: 2, Nodes: 1000})
	require.Equal(t, a.ids, b.ids)
	require.Equal(t, table(a, 5), table(b, 5))
	require.NotEqual(t, a.ids.sorted, c.ids.sorted)
	require.InDelta(t, 8, float64(8*len(a.ids.sorted)+4*len(a.ids.starts))/float64(a.Len()), 0.2, "bytes a node")
}

func TestAroundHoldsWhoSharesBits(t *testing.T) {
	s := New(Config{Seed: 8, Nodes: 3000})
	for bits := range 12 {
		lo, hi := s.Around(s.ID(700), bits)
		require.True(t, lo <= 700 && 700 < hi)
		for i := range sim.Node(s.Len()) {
			id, own := s.ID(i), s.ID(700)
			require.Equal(t, i >= lo && i < hi, routing.CommonBits(id.Key(), own.Key()) >= bits)
		}
	}
}
