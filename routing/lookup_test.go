package routing

import (
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
