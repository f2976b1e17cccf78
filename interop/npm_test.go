package interop

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// startNodeScript starts a script of interop/js.
func startNodeScript(t *testing.T, file string, flags ...string) *script {
	t.Helper()
	return startScript(t, needNode(t), append([]string{filepath.Join("js", file)}, flags...)...)
}

// A swarm is a network of real bittorrent-dht nodes: node i listens on 127.net.i.1.
type swarm struct{ *script }

func startSwarm(t *testing.T, net, nodes int) swarm {
	t.Helper()
	s := swarm{startNodeScript(t, "swarm.mjs", "--net", strconv.Itoa(net), "--nodes", strconv.Itoa(nodes))}
	require.Len(t, s.nodes, nodes)
	return s
}

// announce lets a node announce a peer (port 0: on the node's own port) and returns the number of
// nodes that took the announce.
func (s swarm) announce(t *testing.T, node int, infoHash string, port int) int {
	t.Helper()
	var result struct{ Stored int }
	s.do(t, "announce", fields{"node": node, "infoHash": infoHash, "port": port}, &result)
	return result.Stored
}

// lookup lets a node look for peers and returns each of them once.
func (s swarm) lookup(t *testing.T, node int, infoHash string) []string {
	t.Helper()
	var result struct{ Peers []string }
	s.do(t, "lookup", fields{"node": node, "infoHash": infoHash}, &result)
	return result.Peers
}

// kill closes the sockets of nodes; they leave without a word.
func (s swarm) kill(t *testing.T, nodes ...int) {
	t.Helper()
	s.do(t, "kill", fields{"nodes": nodes}, nil)
}

// A krpcClient is a real k-rpc client.
type krpcClient struct{ *script }

func startKRPC(t *testing.T, k int, bootstrap ...string) krpcClient {
	t.Helper()
	return krpcClient{startNodeScript(t, "krpc-client.mjs", "--k", strconv.Itoa(k), "--bootstrap", strings.Join(bootstrap, ","))}
}

// closest walks towards target from an empty table and returns the nodes that answered.
func (c krpcClient) closest(t *testing.T, target string) []contact {
	t.Helper()
	var result struct {
		Count   int
		Visited []contact
	}
	c.do(t, "closest", fields{"target": target}, &result)
	require.Len(t, result.Visited, result.Count)
	return result.Visited
}
