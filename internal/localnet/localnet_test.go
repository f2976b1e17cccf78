package localnet

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/mainline"
)

// Every node is known to others, has an address of its own, and nothing is left when the network is closed.
func TestStart(t *testing.T) {
	const n = 200
	var waves []int
	net, err := Start(t.Context(), n, Config{Progress: func(ready, total int) {
		require.Equal(t, n, total)
		waves = append(waves, ready)
	}})
	require.NoError(t, err)
	require.Len(t, net.Nodes, n)
	require.Empty(t, net.Strangers())
	require.Len(t, net.known(), n)
	require.Equal(t, []int{1, 2, 4, 8, 16, 32, 64, 128, 192, 200}, waves)

	hosts := make(map[netip.Addr]bool)
	for _, node := range net.Nodes {
		require.True(t, node.Addr().Addr().IsLoopback())
		hosts[node.Addr().Addr()] = true
	}
	if runtime.GOOS == "linux" {
		require.Len(t, hosts, n)
	}
	require.NoError(t, net.Close())
	require.Eventually(t, func() bool {
		return !strings.Contains(stacks(), "dhtkit/krpc") && !strings.Contains(stacks(), "dhtkit/socket")
	},
		10*time.Second, time.Millisecond, "goroutines left")
}

// stacks returns the stacks of all goroutines.
func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

// A stranger joins through Bootstrap.
func TestBootstrap(t *testing.T) {
	net, err := Start(t.Context(), 20, Config{})
	require.NoError(t, err)
	defer net.Close()
	node, err := mainline.Listen("127.0.0.1:0", mainline.Config{Private: true, Bootstrap: net.Bootstrap()})
	require.NoError(t, err)
	defer node.Close()
	require.NoError(t, node.Ready(t.Context()))
	require.GreaterOrEqual(t, node.Len(), 8)
}

func TestStartIsCanceled(t *testing.T) {
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := Start(ctx, 100, Config{Progress: func(ready, _ int) {
		if ready == 8 {
			cancel(why)
		}
	}})
	require.ErrorIs(t, err, why)
}

func TestLimits(t *testing.T) {
	for _, n := range []int{-1, 0, MaxNodes + 1} {
		_, err := Start(t.Context(), n, Config{})
		limit, ok := errors.AsType[*LimitError](err)
		require.True(t, ok, n)
		require.Equal(t, n, limit.Nodes)
		require.False(t, limit.Files)
	}
}

func TestOpenFiles(t *testing.T) {
	require.NoError(t, fitsIn(1000, 1064, true))
	require.NoError(t, fitsIn(1000, 10, false), "no limit is known")
	err := fitsIn(1001, 1064, true)
	require.Equal(t, &LimitError{Nodes: 1001, Most: 1000, Files: true}, err)
	require.ErrorContains(t, err, "ulimit -n 1065")
	require.Equal(t, 0, fitsIn(1, 10, true).(*LimitError).Most)
	require.NoError(t, fitsIn(1000, 1<<63, true))
}
