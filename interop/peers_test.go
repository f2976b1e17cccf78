package interop

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const infoHash = "2c6b6858d61da9543d4231a71db4b1c9264b0685"

// A peer that bittorrent-dht nodes announced is found, whoever announced it and wherever we begin.
func TestPeersOfRealClients(t *testing.T) {
	t.Parallel()
	theirs := startSwarm(t, 61, 30)
	var want []string
	for i := 3; i < 30; i += 3 {
		theirs.announce(t, i, infoHash, 7000+i)
		want = append(want, fmt.Sprintf("127.61.%d.1:%d", i, 7000+i))
	}
	theirs.announce(t, 1, infoHash, 0) // implied_port: the peer is where the node is
	want = append(want, theirs.nodes[1].Addr)

	for _, node := range []int{0, 17, 29} {
		got := found(t, "peers", infoHash, "--bootstrap", theirs.nodes[node].Addr)
		require.ElementsMatch(t, want, got, "each once, beginning at node %d", node)
	}

	nobodys := strings.Repeat("00ff", 10)
	o := dhtkit(t, "peers", nobodys, "--bootstrap", theirs.nodes[0].Addr)
	require.Equal(t, 1, o.code, "nodes answered, none has a peer\n%s", o.stderr)
	require.Empty(t, o.stdout)
}

// A peer that the command announced is found by any bittorrent-dht node, and by the command.
func TestAnnounceToRealClients(t *testing.T) {
	t.Parallel()
	theirs := startSwarm(t, 62, 30)
	o := dhtkit(t, "announce", infoHash, "6999", "--once", "--bootstrap", theirs.nodes[4].Addr, "--listen", "127.63.1.1:0")
	require.Zero(t, o.code, o.stderr)

	want := []string{"127.63.1.1:6999"}
	for _, node := range []int{0, 11, 29} {
		require.Equal(t, want, theirs.lookup(t, node, infoHash), "node %d", node)
	}
	require.Equal(t, want, found(t, "peers", infoHash, "--bootstrap", theirs.nodes[20].Addr))
}

// With a third of the nodes dead, and still in everybody's table, lookups go on to work.
func TestLookupsAmongTheDead(t *testing.T) {
	t.Parallel()
	theirs := startSwarm(t, 64, 30)
	theirs.announce(t, 2, infoHash, 7002)
	theirs.announce(t, 25, infoHash, 7025)
	want := []string{"127.64.2.1:7002", "127.64.25.1:7025"}

	dead := []int{0, 4, 7, 10, 13, 16, 19, 22, 25, 28}
	theirs.kill(t, dead...)
	var living []contact
	for i, n := range theirs.nodes {
		if !slices.Contains(dead, i) {
			living = append(living, n)
		}
	}

	deadAndAlive := theirs.nodes[0].Addr + "," + theirs.nodes[1].Addr
	require.ElementsMatch(t, want, found(t, "peers", infoHash, "--bootstrap", deadAndAlive))
	require.ElementsMatch(t, want, theirs.lookup(t, 3, infoHash))

	near := nodesOf(records(t, "find", infoHash, "--bootstrap", deadAndAlive))
	require.Subset(t, living, near, "only nodes that answer")
	nearest := sortedByDistance(t, infoHash, living)[:8]
	require.GreaterOrEqual(t, countIn(nearest, near), 6, "of the 8 nearest living nodes: %v\nfound %v", nearest, near)

	o := dhtkit(t, "peers", infoHash, "--bootstrap", theirs.nodes[0].Addr)
	require.Equal(t, 3, o.code, "the only bootstrap node is dead")
	require.Contains(t, o.stderr, theirs.nodes[0].Addr, "whom it tried")
	require.Empty(t, o.stdout)
}

func sortedByDistance(t *testing.T, target string, nodes []contact) []contact {
	t.Helper()
	return slices.SortedFunc(slices.Values(nodes), func(a, b contact) int {
		return bytes.Compare(distance(t, target, a.ID), distance(t, target, b.ID))
	})
}

func distance(t *testing.T, a, b string) []byte {
	t.Helper()
	x, err := hex.DecodeString(a)
	require.NoError(t, err)
	y, err := hex.DecodeString(b)
	require.NoError(t, err)
	for i := range x {
		x[i] ^= y[i]
	}
	return x
}

func countIn(all, some []contact) (n int) {
	for _, c := range some {
		if slices.Contains(all, c) {
			n++
		}
	}
	return n
}
