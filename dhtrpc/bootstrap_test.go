package dhtrpc

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/hosts"
)

func TestHintsComeBeforeTheirNames(t *testing.T) {
	var b bootstrap
	b.init([]string{"192.0.2.1:5", "192.0.2.9@boot.example:7"})
	asked := 0
	b.behind = hosts.Hosts{}
	b.behind.Init([]string{"boot.example:7"}, func(_ context.Context, host string) ([]netip.Addr, error) {
		asked++
		require.Equal(t, "boot.example", host)
		return []netip.Addr{netip.MustParseAddr("192.0.2.10")}, nil
	}, func() {})
	t.Cleanup(b.close)
	literal, hint := netip.MustParseAddrPort("192.0.2.1:5"), netip.MustParseAddrPort("192.0.2.9:7")

	addrs, asking := b.known(start)
	require.Equal(t, []netip.AddrPort{hint, literal}, addrs)
	require.False(t, asking)
	require.NoError(t, b.resolve(t.Context(), start))
	require.Zero(t, asked, "as long as somebody answers")

	b.silent()
	_, asking = b.known(start)
	require.True(t, asking)
	require.NoError(t, b.resolve(t.Context(), start))
	require.Equal(t, 1, asked)
	addrs, asking = b.known(start)
	require.Equal(t, []netip.AddrPort{hint, literal, netip.MustParseAddrPort("192.0.2.10:7")}, addrs)
	require.False(t, asking)
}
