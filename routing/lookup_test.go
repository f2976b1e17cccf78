package routing

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// steps is a lookup with one-byte keys towards 0, so that a node's key is its distance, checked after every step.
type steps struct {
	*Lookup
	t testing.TB
}

func newSteps(t testing.TB, cfg LookupConfig, keys ...byte) *steps {
	s := &steps{NewLookup(Key{}, cfg), t}
	for _, k := range keys {
		s.add(k)
	}
	return s
}

func (s *steps) check() { s.t.Helper(); require.NoError(s.t, s.Check()) }

func (s *steps) add(k byte) bool { s.t.Helper(); defer s.check(); return s.Add(at(k), Node{}) }

func (s *steps) settle(k byte, o Outcome) { s.t.Helper(); s.Settle(at(k), o); s.check() }

// asks demands that these nodes, and no more, are to be asked now.
func (s *steps) asks(keys ...byte) {
	s.t.Helper()
	var got []byte
	for n, ok := s.Next(); ok; n, ok = s.Next() {
		s.check()
		require.Equal(s.t, at(n.Key[0]), n)
		got = append(got, n.Key[0])
	}
	require.Equal(s.t, keys, got)
}

func (s *steps) done(want bool) { s.t.Helper(); require.Equal(s.t, want, s.Done()) }

func (s *steps) found(keys ...byte) {
	s.t.Helper()
	var got []byte
	for _, n := range s.AppendClosest(nil, s.cfg.K) {
		got = append(got, n.Key[0])
	}
	require.Equal(s.t, keys, got)
}

func TestLookupAsksNearestFirstWithinWindow(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 2}, 9, 3, 7, 5)
	s.asks(3, 5)
	s.asks()
	s.settle(5, Alive)
	s.asks(7)
	s.settle(3, Alive)
	s.done(true)
	s.asks()
	s.found(3, 5)
}

func TestLookupIsDoneWithoutAnybody(t *testing.T) {
	s := newSteps(t, LookupConfig{})
	s.done(true)
	s.asks()
	require.False(t, s.Add(Node{}, Node{}))
	require.False(t, s.Add(Node{Key: Key{1}}, Node{}), "no address")
	s.done(true)
}

func TestNearerNodeReopensLookup(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 1}, 8)
	s.asks(8)
	s.settle(8, Alive)
	s.done(true)
	require.True(t, s.add(4))
	s.done(false)
	s.asks(4)
	s.settle(4, Failed)
	s.done(true)
	s.found(8)
	require.True(t, s.add(12))
	s.done(true)
	s.asks()
}

func TestNearerNodesDoNotWaitForFartherOnes(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 4, Alpha: 2}, 20, 21, 22)
	s.asks(20, 21)
	s.add(3)
	s.add(4)
	s.add(5)
	s.asks(3, 4) // two nearer than 5 are out
	s.settle(21, Alive)
	s.asks()
	s.settle(4, Late)
	s.asks(5)
}

func TestOnlyQueriesThatMatterCount(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 2}, 20, 21, 22)
	s.asks(20, 21)
	s.settle(20, Alive)
	s.done(true)
	s.add(3)
	s.add(4)
	s.add(5)
	s.asks(3, 4) // 21 is still out, but can change nothing
	s.settle(4, Alive)
	s.asks()
	s.done(false)
	s.settle(3, Alive)
	s.done(true)
	s.settle(21, Alive)
	s.done(true)
}

func TestCountAllCountsEveryQuery(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 2, CountAll: true}, 20, 21)
	s.asks(20, 21)
	s.settle(20, Alive)
	s.add(3)
	s.add(4)
	s.asks(3) // 21 is still out
	s.settle(21, Late)
	s.asks(4)
}

func TestLateIsNotDead(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 1}, 2, 4)
	s.asks(2)
	s.settle(2, Late)
	s.settle(2, Late)
	s.asks(4) // the slot is free
	s.settle(2, Alive)
	s.done(true)
	s.found(2)
	s.settle(2, Failed)
	s.found(2)
}

func TestLateNearerNodeIsNotWaitedForWithEnoughAnswers(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 2}, 2, 4)
	s.asks(2, 4)
	s.settle(2, Late)
	s.done(false)
	s.settle(4, Alive)
	s.done(true)

	w := newSteps(t, LookupConfig{K: 1, Alpha: 2, WaitLate: true}, 2, 4)
	w.asks(2, 4)
	w.settle(2, Late)
	w.settle(4, Alive)
	w.done(false)
	w.settle(2, Failed)
	w.done(true)
}

func TestTooFewAnswersWaitForLateOnes(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 2}, 2, 4)
	s.asks(2, 4)
	s.settle(2, Late)
	s.settle(4, Alive)
	s.done(false)
	s.settle(2, Failed)
	s.done(true)
	s.found(4)
}

// libtorrent's traversal_done: a late reply of the farthest after the end does not end the lookup once more.
func TestLateFarthestReplyChangesNothing(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 3}, 2, 4, 9)
	s.asks(2, 4, 9)
	s.settle(2, Alive)
	s.settle(4, Alive)
	s.done(true)
	s.settle(9, Alive)
	s.done(true)
	s.asks()
	s.found(2, 4)
}

// k-rpc's trap: k silent near contacts ended its lookup although live ones were known.
func TestDeadNearContactsAreReplaced(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 4, Alpha: 4}, 1, 2, 3, 4, 11, 12, 13, 14)
	s.asks(1, 2, 3, 4)
	for k := byte(1); k <= 4; k++ {
		s.settle(k, Failed)
	}
	s.done(false)
	s.asks(11, 12, 13, 14)
	for k := byte(11); k <= 14; k++ {
		s.settle(k, Alive)
	}
	s.done(true)
	s.found(11, 12, 13, 14)
}

func TestSeedsComeLastAndSortForward(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 2}, 50)
	first, second := addr(300), addr(301)
	s.AddSeed(first)
	s.AddSeed(second)
	s.AddSeed(first)
	s.AddSeed(netip.AddrPort{})
	s.asks(50)
	s.done(false)
	s.settle(50, Failed)

	n, ok := s.Next()
	require.True(t, ok)
	require.Equal(t, Node{Addr: first}, n, "in the order given, without a key")
	n, ok = s.Next()
	require.True(t, ok)
	require.Equal(t, Node{Addr: second}, n)
	s.check()
	s.asks()
	s.Settle(Node{Key{60}, second}, Alive)
	s.Settle(Node{Key{7}, first}, Alive)
	s.check()
	s.done(true)
	require.Equal(t, []Node{{Key{7}, first}, {Key{60}, second}}, s.AppendClosest(nil, 2))
}

func TestSeedsAreNotNeededWithEnoughContacts(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 1, Alpha: 1}, 50)
	s.AddSeed(addr(300))
	s.asks(50)
	s.settle(50, Alive)
	s.done(true)
	s.asks()
}

func TestSeedThatIsAContactIsAskedOnce(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 2}, 50)
	s.AddSeed(at(50).Addr)
	s.asks(50)
	s.settle(50, Alive)
	s.asks()
	s.done(true)

	other := newSteps(t, LookupConfig{K: 2, Alpha: 2})
	other.AddSeed(at(50).Addr)
	n, ok := other.Next()
	require.True(t, ok)
	other.add(50)
	other.asks() // the seed is asked already
	other.done(false)
	n.Key = Key{50}
	other.Settle(n, Alive)
	other.check()
	other.done(true)
	other.found(50)
}

func TestSeedFailures(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 2, Alpha: 2})
	s.AddSeed(addr(300))
	n, _ := s.Next()
	s.done(false)
	s.Settle(n, Late)
	s.check()
	s.done(false)
	s.Settle(n, Failed)
	s.check()
	s.done(true)
	require.Empty(t, s.AppendClosest(nil, 8))
}

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

func TestGrowingWindow(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 8, Alpha: 2, PerReply: 3, PerTimeout: 1}, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	s.asks(1, 2)
	s.settle(1, Alive)
	s.asks(3, 4, 5)
	s.settle(2, Late)
	s.asks(6)
	s.settle(2, Failed) // its timeout has been counted
	s.asks()
	s.settle(3, Failed)
	s.asks(7)

	stuck := newSteps(t, LookupConfig{K: 8, Alpha: 1, PerReply: 3}, 1, 2)
	stuck.asks(1)
	stuck.settle(1, Failed)
	stuck.asks(2) // nothing is out: go on whatever the window says
}

func TestOneNodePerNet(t *testing.T) {
	same := func(k byte, host byte, port uint16) Node {
		return Node{Key{k}, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, host}), port)}
	}
	ask := func(t *testing.T, l *Lookup) []byte {
		var got []byte
		for n, ok := l.Next(); ok; n, ok = l.Next() {
			got = append(got, n.Key[0])
			require.NoError(t, l.Check())
		}
		return got
	}
	for name, nodes := range map[string][]Node{
		"one net":          {same(1, 1, 1), same(2, 2, 2), same(3, 3, 3), same(4, 4, 4)},
		"one address":      {same(1, 1, 1), same(2, 1, 2), same(3, 1, 3), same(4, 1, 4)},
		"one endpoint":     {same(1, 1, 1), same(2, 1, 1), same(3, 1, 1), same(4, 1, 1)},
		"one net, reverse": {same(4, 4, 4), same(3, 3, 3), same(2, 2, 2), same(1, 1, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLookup(Key{}, LookupConfig{K: 4, Alpha: 4})
			byKey := map[byte]Node{}
			for _, n := range nodes {
				l.Add(n, Node{})
				byKey[n.Key[0]] = n
			}
			require.Equal(t, []byte{1}, ask(t, l))
			l.Settle(byKey[1], Late)
			require.Empty(t, ask(t, l), "it may still answer")
			l.Settle(byKey[1], Failed)
			require.Equal(t, []byte{2}, ask(t, l), "another one, once")
			l.Settle(byKey[2], Failed)
			require.Empty(t, ask(t, l))
			require.True(t, l.Done())
		})
		t.Run(name+", shared", func(t *testing.T) {
			l := NewLookup(Key{}, LookupConfig{K: 4, Alpha: 4, ShareNets: true})
			for _, n := range nodes {
				l.Add(n, Node{})
			}
			if name == "one endpoint" {
				require.Equal(t, []byte{1}, ask(t, l))
			} else {
				require.Equal(t, []byte{1, 2, 3, 4}, ask(t, l))
			}
		})
	}
}

// Attacks 6 and 7: whatever one net claims, at most one of its nodes is in the result.
func TestOneNetInResult(t *testing.T) {
	r := seeded(60)
	target := RandomKey(r, 20, Key{}, 0)
	l := NewLookup(target, LookupConfig{})
	for i := range 256 {
		ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		l.Add(Node{RandomKey(r, 20, target, 30), netip.AddrPortFrom(ip, 1)}, Node{})
	}
	for i := range 100 {
		l.Add(Node{RandomKey(r, 20, target, 10), addr(i)}, Node{})
	}
	for !l.Done() {
		n, ok := l.Next()
		require.True(t, ok)
		l.Settle(n, Alive)
		require.NoError(t, l.Check())
	}
	hostile := 0
	for _, n := range l.AppendClosest(nil, 8) {
		if n.Addr.Addr().As4()[0] == 10 {
			hostile++
		}
	}
	require.Equal(t, 1, hostile)
}

func TestEndpointGoesToTheMostRecommended(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 4, Alpha: 4}, 40, 41, 42)
	s.asks(40, 41, 42)
	for k := byte(40); k <= 42; k++ {
		s.settle(k, Alive)
	}
	honest, lie := Node{Key{20}, addr(500)}, Node{Key{2}, addr(500)}
	s.Add(lie, at(40))
	s.Add(honest, at(41))
	s.Add(honest, at(41))
	s.Add(honest, at(42))
	n, ok := s.Next()
	require.True(t, ok)
	require.Equal(t, honest, n)
	s.Settle(honest, Alive)
	s.check()
	_, ok = s.Next()
	require.False(t, ok, "its endpoint is known now")
}

func TestOneKeyAtTwoAddresses(t *testing.T) {
	s := newSteps(t, LookupConfig{K: 4, Alpha: 4})
	for i := range 3 {
		require.Equal(t, i < 2, s.Add(Node{Key{9}, addr(600 + i)}, Node{}), "two claims are tried at most")
	}
	n, _ := s.Next()
	_, ok := s.Next()
	require.False(t, ok)
	s.Settle(n, Failed)
	n, ok = s.Next()
	require.True(t, ok)
	require.Equal(t, addr(601), n.Addr)
	s.check()
}

func TestSelfIsNeverAsked(t *testing.T) {
	s := newSteps(t, LookupConfig{Self: Key{9}})
	require.False(t, s.add(9))
	s.AddSeed(at(9).Addr)
	n, _ := s.Next()
	n.Key = Key{9}
	s.Settle(n, Alive)
	s.check()
	require.Empty(t, s.AppendClosest(nil, 8))
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
