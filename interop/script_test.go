package interop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A contact is a node as the scripts and the command's JSON records name it.
type contact struct {
	Addr string `json:"addr"` // "ip:port"
	ID   string `json:"id"`   // hex
}

// A script is a running script of interop/js; lines.mjs describes how one talks to it.
type script struct {
	*child
	nodes []contact // that it runs
	seq   int       // of the last request
}

func startScript(t *testing.T, file string, flags ...string) *script {
	t.Helper()
	node := needNode(t)
	hangUp := func(_ *exec.Cmd, stdin io.Closer) error { return stdin.Close() }
	s := &script{child: start(t, hangUp, node, append([]string{filepath.Join(scripts, file)}, flags...)...)}

	var first struct{ Ready []contact }
	require.NoError(t, s.answer(t.Context(), &first))
	s.nodes = first.Ready
	return s
}

type fields map[string]any

// do sends a request and reads its answer into result, a pointer to a struct, or nil.
func (s *script) do(t *testing.T, name string, args fields, result any) {
	t.Helper()
	s.seq++
	request := maps.Clone(args)
	request["seq"], request["do"] = s.seq, name
	line, err := json.Marshal(request)
	require.NoError(t, err)
	_, err = fmt.Fprintf(s.stdin, "%s\n", line)
	require.NoError(t, err)
	require.NoError(t, s.answer(t.Context(), result), "%s", line)
}

func (s *script) answer(ctx context.Context, result any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	line, err := s.line(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.stderr.String())
	}
	var status struct {
		Seq   int
		Error string
	}
	if err := json.Unmarshal([]byte(line), &status); err != nil {
		return err
	}
	if status.Seq != s.seq {
		return fmt.Errorf("answer to request %d while waiting for %d", status.Seq, s.seq)
	}
	if status.Error != "" {
		return errors.New(status.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal([]byte(line), result)
}

// A swarm is a network of real bittorrent-dht nodes: node i listens on 127.net.i.1.
type swarm struct{ *script }

func startSwarm(t *testing.T, net, nodes int) swarm {
	t.Helper()
	s := swarm{startScript(t, "swarm.mjs", "--net", strconv.Itoa(net), "--nodes", strconv.Itoa(nodes))}
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
	return krpcClient{startScript(t, "krpc-client.mjs", "--k", strconv.Itoa(k), "--bootstrap", strings.Join(bootstrap, ","))}
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
