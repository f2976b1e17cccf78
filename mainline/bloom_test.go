package mainline

import (
	"math"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFilterCountsAndKnows(t *testing.T) {
	var f Filter
	require.True(t, f.IsZero())
	require.Zero(t, f.Estimate())
	for i := range 500 {
		f.Insert(peerAt(i).Addr())
		f.Insert(peerAt(i).Addr())
	}
	require.InDelta(t, 500, f.Estimate(), 25)
	known := 0
	for i := range 500 {
		require.True(t, f.Contains(peerAt(i).Addr()))
		if f.Contains(peerAt(10_000 + i).Addr()) {
			known++
		}
	}
	require.Less(t, known, 125, "a seventh of strangers pass")
}

func TestFilterTakesMappedAddressesForIPv4(t *testing.T) {
	var a, b Filter
	a.Insert(netip.MustParseAddr("192.168.1.1"))
	b.Insert(netip.MustParseAddr("::ffff:192.168.1.1"))
	require.Equal(t, a, b)
}

func TestOverfullFilter(t *testing.T) {
	var f Filter
	for i := range 4000 {
		f.Insert(peerAt(i).Addr())
	}
	require.False(t, f.overfull())
	for i := range 9000 {
		f.Insert(peerAt(i).Addr())
	}
	require.True(t, f.overfull())
	for i := range f {
		f[i] = 0xff
	}
	require.Equal(t, math.Inf(1), f.Estimate())
}
