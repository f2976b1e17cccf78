package interop

import (
	"encoding/hex"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
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

// A putting is what became of an item that a script put.
type putting struct {
	Target  string
	Stored  int
	Refused string // by the last node, if none took it
}

// put lets a node put an immutable item.
func (s swarm) put(t *testing.T, node int, item *mainline.Item) (p putting) {
	t.Helper()
	s.do(t, "put", fields{"node": node, "value": hex.EncodeToString(item.V)}, &p)
	require.Equal(t, item.Target().String(), p.Target)
	return p
}

// sign lets a node sign the version that item is, and put it; cas is nil or the version to replace.
func (s swarm) sign(t *testing.T, node int, a author, item *mainline.Item, cas any) (p putting) {
	t.Helper()
	args := fields{
		"node": node, "seed": hex.EncodeToString(a.seed), "salt": hex.EncodeToString(item.Salt), "itemSeq": item.Seq,
		"value": hex.EncodeToString(item.V),
	}
	if cas != nil {
		args["cas"] = cas
	}
	s.do(t, "sign", args, &p)
	require.Equal(t, item.Target().String(), p.Target)
	return p
}

// get lets a node look for an item.
func (s swarm) get(t *testing.T, node int, target krpc.ID, salt string) (found version) {
	t.Helper()
	s.do(t, "get", fields{"node": node, "target": target.String(), "salt": hex.EncodeToString([]byte(salt))}, &found)
	return found
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
