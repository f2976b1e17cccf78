package dhtrpc_test

import (
	"bytes"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

func TestTestnet(t *testing.T) {
	sizes := []int{1, 2, 3, 20}
	if !testing.Short() {
		sizes = append(sizes, 1000)
	}
	for _, size := range sizes {
		begin := time.Now()
		net, err := dhtrpc.Testnet(t.Context(), size, dhtrpc.TestnetConfig{})
		require.NoError(t, err)
		t.Logf("%d nodes ready after %v", size, time.Since(begin))
		for _, n := range net.Nodes {
			require.False(t, n.State().Ephemeral)
			storing(n)
		}
		if size > 1 {
			n := net.Nodes[size-1]
			stored, err := n.Query(dhtrpc.Hash(nil), 1, []byte("x"), dhtrpc.QueryOptions{}).Commit(t.Context())
			require.NoError(t, err)
			require.Len(t, stored, min(20, size-1))
		}
		require.NoError(t, net.Close())
	}
	_, err := dhtrpc.Testnet(t.Context(), 0, dhtrpc.TestnetConfig{})
	require.Error(t, err)
}

// Over real sockets: ports that are taken, and the same ones after a suspension.
func TestListen(t *testing.T) {
	first, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Private: true, Mode: dhtrpc.Adaptive})
	require.NoError(t, err)
	defer first.Close()
	port := first.Addr().Port()
	taken := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	_, err = dhtrpc.Listen(taken, dhtrpc.Config{Private: true, ExactPort: true})
	require.Error(t, err)
	second, err := dhtrpc.Listen(taken, dhtrpc.Config{Private: true})
	require.NoError(t, err)
	defer second.Close()
	require.NotEqual(t, port, second.Addr().Port())

	client := first.Socket().Addr(1)
	require.NoError(t, first.Suspend())
	require.NoError(t, first.Resume())
	require.NoError(t, first.Resume())
	require.Equal(t, port, first.Addr().Port())
	require.Equal(t, client, first.Socket().Addr(1))
	_, err = second.Ping(t.Context(), first.Addr(), dhtrpc.PingOptions{Size: 1000})
	require.NoError(t, err)
}

// A bootstrapper, by its address before a name that nobody can resolve.
func TestBootstrapper(t *testing.T) {
	spare, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	require.NoError(t, err)
	port := spare.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	require.NoError(t, spare.Close())
	first, err := dhtrpc.Bootstrapper(port, "127.0.0.1", dhtrpc.Config{Private: true})
	require.NoError(t, err)
	defer first.Close()
	require.False(t, first.State().Ephemeral)
	hint := "127.0.0.1@nobody.invalid:" + strconv.Itoa(int(port))
	n, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Private: true, Bootstrap: []string{hint}})
	require.NoError(t, err)
	defer n.Close()
	require.NoError(t, n.Ready(t.Context()))
	require.Equal(t, 1, n.Len())

	lost, err := dhtrpc.Listen("127.0.0.1:0", dhtrpc.Config{Private: true, Bootstrap: []string{"nobody.invalid:1"}})
	require.NoError(t, err)
	defer lost.Close()
	require.NoError(t, lost.Ready(t.Context()))
	for _, err = range lost.FindNode(dhtrpc.ID{}, dhtrpc.QueryOptions{}).Replies(t.Context()) {
	}
	var e *dhtrpc.BootstrapError
	require.ErrorAs(t, err, &e)
	require.ErrorContains(t, err, "nobody.invalid")
}

func TestLoadNodesIsBounded(t *testing.T) {
	nodes, err := dhtrpc.LoadNodes(bytes.NewReader(bytes.Repeat([]byte("10.0.0.1:1\n"), 1<<15)))
	require.NoError(t, err)
	require.Less(t, len(nodes), 1<<15)
}
