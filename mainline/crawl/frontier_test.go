package crawl

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

func TestFrontierAsksOwnIDThenRandom(t *testing.T) {
	f := newFrontier(2, rand.New(rand.NewPCG(1, 2)))
	a, b := netip.MustParseAddrPort("198.51.100.1:1"), netip.MustParseAddrPort("198.51.100.2:1")
	require.True(t, f.add(a, krpc.ID{}), "a seed: its id is not known")
	require.True(t, f.add(b, krpc.ID{7}))
	require.False(t, f.add(b, krpc.ID{8}), "one endpoint, one record")

	n, target, ok := f.next()
	require.True(t, ok)
	require.Equal(t, a, n.Addr)
	require.NotZero(t, target)
	require.True(t, f.answered(a, krpc.ID{9}))

	n, target, _ = f.next()
	require.Equal(t, b, n.Addr)
	require.Equal(t, krpc.ID{7}, target, "its own id")
	require.True(t, f.answered(b, krpc.ID{7}))

	n, target, _ = f.next()
	require.Equal(t, a, n.Addr)
	require.Equal(t, krpc.ID{9}, target, "now it is known")
	require.False(t, f.answered(a, krpc.ID{9}))

	n, target, _ = f.next()
	require.Equal(t, b, n.Addr)
	require.NotEqual(t, krpc.ID{7}, target)
	require.False(t, f.answered(b, krpc.ID{7}))

	_, _, ok = f.next()
	require.False(t, ok, "two queries a node")
}

func TestFrontierTriesTheSilentTwice(t *testing.T) {
	f := newFrontier(2, rand.New(rand.NewPCG(1, 2)))
	a := netip.MustParseAddrPort("198.51.100.1:1")
	f.add(a, krpc.ID{1})
	for range 2 {
		_, _, ok := f.next()
		require.True(t, ok)
		f.unasked(a) // no room: costs no try
		_, _, ok = f.next()
		require.True(t, ok)
		f.failed(a)
	}
	require.Zero(t, f.waiting())
	f.add(netip.MustParseAddrPort("198.51.100.2:1"), krpc.ID{2})
	f.next()
	f.answered(netip.MustParseAddrPort("198.51.100.2:1"), krpc.ID{2})
	f.next()
	f.failed(netip.MustParseAddrPort("198.51.100.2:1"))
	require.Zero(t, f.waiting(), "of a node that has answered nothing more is wanted")
}
