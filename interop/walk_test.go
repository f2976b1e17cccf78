package interop

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The crawl lists every bittorrent-dht node with its id, nobody else, and adds up.
func TestCrawlOfRealNodes(t *testing.T) {
	t.Parallel()
	theirs := startSwarm(t, 65, 30)
	all := records(t, "crawl", "--bootstrap", theirs.nodes[0].Addr)
	require.ElementsMatch(t, theirs.nodes, nodesOf(all))

	summary := all[len(all)-1]
	require.Equal(t, "summary", summary.Type)
	require.Equal(t, 30, summary.Nodes)
	require.GreaterOrEqual(t, summary.Answered, 30)
	require.GreaterOrEqual(t, summary.Queries, summary.Answered)

	plain := found(t, "crawl", "--bootstrap", theirs.nodes[7].Addr)
	for _, n := range theirs.nodes {
		require.Contains(t, plain, n.Addr)
	}
}

// A network half of our nodes, half of bittorrent-dht nodes is one network: a k-rpc client walks all of
// it, announces land on both halves, and a lookup may begin in either.
func TestMixedNetwork(t *testing.T) {
	t.Parallel()
	const half = 15
	theirs := startSwarm(t, 66, half)
	var everyone, ours []string
	for i, n := range theirs.nodes {
		addr := startNode(t, fmt.Sprintf("127.67.%d.1", i), theirs.nodes[0].Addr)
		ours = append(ours, addr)
		everyone = append(everyone, addr, n.Addr)
	}

	client := startKRPC(t, 2*len(everyone), theirs.nodes[0].Addr, ours[0])
	visited := walkUntil(t, client, everyone)
	require.ElementsMatch(t, everyone, visited, "the k-rpc client's walk")

	stored := theirs.announce(t, 5, infoHash, 7005)
	require.Greater(t, stored, half, "some of our nodes took the announce")
	want := []string{"127.66.5.1:7005"}
	require.Equal(t, want, found(t, "peers", infoHash, "--bootstrap", ours[3]))
	require.Equal(t, want, theirs.lookup(t, 12, infoHash))
}

// walkUntil walks the network until a walk meets everyone: a node that says READY may still be joining.
// It returns the addresses of the last walk, which is the one to judge.
func walkUntil(t *testing.T, client krpcClient, everyone []string) []string {
	t.Helper()
	pace := time.NewTicker(patience / 300)
	defer pace.Stop()
	for deadline := time.Now().Add(patience); ; <-pace.C {
		var visited []string
		for _, n := range client.closest(t, infoHash) {
			if !slices.Contains(visited, n.Addr) { // k-rpc asks a bootstrap node again that another one names first
				visited = append(visited, n.Addr)
			}
		}
		missed := func(addr string) bool { return !slices.Contains(visited, addr) }
		if !slices.ContainsFunc(everyone, missed) || time.Now().After(deadline) {
			return visited
		}
	}
}
