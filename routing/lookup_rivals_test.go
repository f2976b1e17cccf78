package routing

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

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
