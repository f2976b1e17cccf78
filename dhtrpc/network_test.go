package dhtrpc_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
)

// One node, and two, are a network at once.
func TestSmallNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		begin := time.Now()
		l.add(0, dhtrpc.Config{})
		alone := l.nodes[0]
		require.NoError(t, alone.Ready(t.Context()))
		require.Zero(t, time.Since(begin))
		id, shown := alone.ID()
		require.True(t, shown)
		require.Equal(t, dhtrpc.IDOf(alone.Addr()), id)
		var err error
		for _, err = range alone.FindNode(id, dhtrpc.QueryOptions{}).Replies(t.Context()) {
		}
		require.ErrorIs(t, err, routing.ErrNoNodes)

		second := l.add(1, dhtrpc.Config{})
		require.NoError(t, second.Ready(t.Context()))
		time.Sleep(100 * time.Millisecond)
		require.Less(t, time.Since(begin), time.Second)
		for i, n := range l.nodes {
			other := l.nodes[1-i]
			storing(other)
			stored, err := n.Query(id, 1, []byte("x"), dhtrpc.QueryOptions{}).Commit(t.Context())
			require.NoError(t, err)
			require.Len(t, stored, 1)
			require.Equal(t, []netip.AddrPort{other.Addr()}, addrsOf(n.Contacts(0)))
		}
	})
}

// Networks with different names do not hear each other, nor does one with a name hear one without.
func TestNetworksDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		names := []string{"", "red", "blue"}
		for i := range 18 {
			cfg := dhtrpc.Config{Network: names[i%3], Bootstrap: []string{}}
			for j := range i { // all of them, whatever their network
				cfg.Bootstrap = append(cfg.Bootstrap, at(j).String())
			}
			n := l.add(i, cfg)
			require.NoError(t, n.Ready(t.Context()))
		}
		time.Sleep(10 * time.Minute)
		for i, n := range l.nodes {
			known := n.Contacts(0)
			require.Len(t, known, 5)
			for _, c := range known {
				require.Equal(t, i%3, int(c.Addr.Port()-40000)%3)
			}
			_, err := n.Ping(t.Context(), at((i+1)%18), dhtrpc.PingOptions{CallOptions: dhtrpc.CallOptions{Retries: -1}})
			require.ErrorIs(t, err, dhtrpc.ErrTimeout)
		}
	})
}
