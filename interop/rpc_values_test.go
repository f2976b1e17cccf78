package interop

import (
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// TestRPCValues: what a node of one kind commits to a mixed network, readers of both kinds find.
func TestRPCValues(t *testing.T) {
	l := startRPCLab(t)
	net := l.network(20, 20, 20)
	s := rpcSetting{ephemeral: true, bootstrap: []string{net[0].addr()}}
	members := map[string]rpcNode{"go": l.node(true, s), "npm": l.node(false, s)}
	for writes, writer := range members {
		commits, atOurs, read := 0, 0, make(map[string]int)
		for i := range rpcTargets {
			target := dhtrpc.Hash(fmt.Append(nil, writes, i)).String()
			value := hexOf(fmt.Sprint("value ", i, " of ", writes))
			put := writer.query(t, rpcQuery{command: rpcStore, target: target, value: value, commit: true})
			require.Empty(t, put.Failed)
			require.ElementsMatch(t, addrsOf(put.Closest), storedAt(t, target, net))
			commits, atOurs = commits+put.Commits, atOurs+len(storedAt(t, target, net[:20]))

			for reads, reader := range members {
				found := reader.query(t, rpcQuery{command: rpcStore, target: target})
				require.Empty(t, found.Failed)
				values := slices.DeleteFunc(found.Replies, func(a rpcAnswer) bool { return a.Value == nil })
				require.NotEmpty(t, values)
				for _, a := range values {
					require.Equal(t, *value, *a.Value)
				}
				read[reads] += len(values)
			}
		}
		t.Logf("%s commits %d values: taken by %d nodes, %d of them ours; answered to a reader of go %d, of npm %d times",
			writes, rpcTargets, commits, atOurs, read["go"], read["npm"])
		require.GreaterOrEqual(t, commits, 20*rpcTargets-20)
	}
}

// TestRPCEmptyValue: an empty value is one, on both sides.
func TestRPCEmptyValue(t *testing.T) {
	eachRPCCast(t, 2, func(t *testing.T, l *rpcLab, cast []bool) {
		server, client := l.node(cast[0], rpcSetting{}), l.node(cast[1], rpcSetting{})
		for _, value := range []*string{nil, new(""), new(hex.EncodeToString(make([]byte, 1000)))} {
			a := client.request(t, server.addr(), rpcRequest{command: rpcEcho, value: value})
			require.Empty(t, a.Failed)
			require.Equal(t, value, a.Value)
		}
	})
}
