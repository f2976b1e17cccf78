package routing

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

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
