package routing_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

func TestStackAsksTheLastNamedFirst(t *testing.T) {
	at := func(distance byte) routing.Node {
		return routing.Node{Key: routing.Key{distance}, Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, distance, 1}), 1)}
	}
	l := routing.NewLookup(routing.Key{}, routing.LookupConfig{K: 2, Alpha: 1, CountAll: true, Stack: true, Soft: time.Second})
	next := func(want routing.Node) {
		t.Helper()
		n, ok := l.Next()
		require.True(t, ok)
		require.Equal(t, want, n)
	}
	for _, d := range []byte{1, 9, 5} {
		l.Add(at(d), routing.Node{})
	}
	next(at(5))
	require.True(t, l.Improves(at(200).Key), "nobody has answered")
	l.Settle(at(5), routing.Alive)
	l.Add(at(3), at(5))
	next(at(3))
	l.Settle(at(3), routing.Alive)
	require.True(t, l.Improves(at(4).Key))
	require.False(t, l.Improves(at(5).Key), "that is the second closest itself")
	require.False(t, l.Improves(at(6).Key))
	next(at(1)) // not 9, which is too far now
	require.False(t, l.Done())
	l.Settle(at(1), routing.Late)
	require.True(t, l.Done())
	require.NoError(t, l.Check())
}

// What is out is waited for, though it can change nothing any more.
func TestStackWaitsForAll(t *testing.T) {
	for _, stack := range []bool{true, false} {
		l := routing.NewLookup(routing.Key{}, routing.LookupConfig{K: 1, Alpha: 2, CountAll: true, Stack: stack})
		near, far := routing.Node{Key: routing.Key{1}, Addr: netip.MustParseAddrPort("10.0.0.1:1")}, routing.Node{Key: routing.Key{2}, Addr: netip.MustParseAddrPort("10.0.1.1:1")}
		l.Add(near, routing.Node{})
		l.Add(far, routing.Node{})
		for range 2 {
			_, ok := l.Next()
			require.True(t, ok)
		}
		l.Settle(near, routing.Alive)
		require.Equal(t, !stack, l.Done())
		l.Settle(far, routing.Failed)
		require.True(t, l.Done())
	}
}
