package dhtrpc_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]dhtrpc.Config{
		"no port":      {Bootstrap: []string{"host"}},
		"port 0":       {Bootstrap: []string{"127.0.0.1:0"}},
		"IPv6":         {Bootstrap: []string{"[::1]:1"}},
		"name as hint": {Bootstrap: []string{"name@host:1"}},
		"IPv6 public":  {Public: netip.MustParseAddrPort("[2001:db8::1]:1")},
	} {
		_, err := dhtrpc.New(cfg)
		require.Error(t, err, name)
	}
	for _, host := range []string{"", "0.0.0.0", "::", "example"} {
		_, err := dhtrpc.Bootstrapper(40000, host, dhtrpc.Config{})
		require.ErrorIs(t, err, dhtrpc.ErrNotIPv4, host)
	}
	_, err := dhtrpc.Bootstrapper(0, "127.0.0.1", dhtrpc.Config{})
	require.Error(t, err)
	require.Equal(t, "adaptive", fmt.Sprint(cmp.Or(dhtrpc.Default, dhtrpc.Adaptive)))
}
