package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

var rpcTarget = strings.Repeat("ab", 32)

// ready starts a verb that prints READY, and returns the address.
func ready(t *testing.T, args ...string) (string, *background) {
	t.Helper()
	b := start(t, args...)
	addr, ok := strings.CutPrefix(b.out.line(1), "READY ")
	require.True(t, ok, "first line: %q, errors: %s", b.out.line(1), b.errs)
	return addr, b
}

func TestRPCTestnet(t *testing.T) {
	t.Parallel()
	at, b := ready(t, "rpc", "testnet", "30")
	near := found(t, "rpc", "lookup", rpcTarget, "--bootstrap", at)
	require.Len(t, near, 20)
	require.Equal(t, near, byDistance(t, near), "nearest first")

	all := records(t, dhtkit(t, "rpc", "lookup", rpcTarget, "--bootstrap", at, "--trace", "--json").stdout)
	require.NotEmpty(t, ofType(all, "hop"))
	nodes := ofType(all, "node")
	require.Len(t, nodes, 20)
	require.Equal(t, near[0], nodes[0]["id"].(string)+" "+nodes[0]["addr"].(string))

	r := b.stop()
	require.Equal(t, exitFound, r.code, r.stderr)
	require.Regexp(t, `\d+ requests served, 30 nodes`, r.stderr)
}

// byDistance sorts lines of ID ADDR by the distance of the id to rpcTarget.
func byDistance(t *testing.T, lines []string) []string {
	t.Helper()
	sorted := append([]string{}, lines...)
	target, err := dhtrpc.ParseID(rpcTarget)
	require.NoError(t, err)
	distance := func(line string) string {
		id, err := dhtrpc.ParseID(line[:64])
		require.NoError(t, err)
		return id.Key().Xor(target.Key()).String()
	}
	for i := range sorted {
		for j := i; j > 0 && distance(sorted[j]) < distance(sorted[j-1]); j-- {
			sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
		}
	}
	return sorted
}

// A private network in three commands: each node is found by the others at once.
func TestRPCNodeByNode(t *testing.T) {
	t.Parallel()
	first, _ := ready(t, "rpc", "bootstrap", "--listen", "127.0.0.1:0")
	second, b := ready(t, "rpc", "node", "--bootstrap", first)
	require.Contains(t, b.errs.line(1)+b.errs.line(2), "joined, 1 nodes", "and persistent, in either order")
	_, shy := ready(t, "rpc", "node", "--bootstrap", first, "--ephemeral")
	require.Contains(t, shy.errs.line(1), "joined")

	for tries := 0; ; tries++ {
		var addrs []string
		for _, line := range found(t, "rpc", "lookup", rpcTarget, "--bootstrap", first) {
			_, addr, _ := strings.Cut(line, " ")
			addrs = append(addrs, addr)
		}
		if len(addrs) == 1 && tries < 100 { // the first has not looked at the second yet
			continue
		}
		require.ElementsMatch(t, []string{first, second}, addrs)
		break
	}

	require.Contains(t, found(t, "rpc", "status", second)[0], "persistent")
	all := records(t, dhtkit(t, "rpc", "status", second, "--json").stdout)
	status := ofType(all, "status")[0]
	require.Equal(t, []any{true, true, []any{first}}, []any{status["persistent"], status["delayed"], status["names"]})
}

// A command of the application, with and without a value and a commit.
func TestRPCCall(t *testing.T) {
	t.Parallel()
	net, err := dhtrpc.Testnet(t.Context(), 5, dhtrpc.TestnetConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { net.Close() })
	for _, n := range net.Nodes {
		n.Handle(7, func(q *dhtrpc.Request) {
			if q.Token != nil {
				q.Reply([]byte("stored"))
				return
			}
			q.Reply(append([]byte("got "), q.Value...))
		})
	}
	at := net.Bootstrap()[0]
	args := []string{"rpc", "call", "--bootstrap", at, "--target", rpcTarget, "--command", "7"}
	for _, line := range found(t, append(args, "--value", "x")...) {
		require.True(t, strings.HasSuffix(line, " 0 676f742078"), line)
	}
	all := records(t, dhtkit(t, append(args, "--value-hex", "ff", "--commit", "--json")...).stdout)
	replies := ofType(all, "reply")
	require.Len(t, replies, 5)
	require.Equal(t, []any{"676f7420ff", 0.}, []any{replies[0]["value"], replies[0]["error"]})
	sum := all[len(all)-1]
	require.Equal(t, []any{5., 5.}, []any{sum["replies"], sum["commits"]})
	require.Len(t, sum["closest"], 5)
	require.Contains(t, sum["closest"], at)

	r := dhtkit(t, "rpc", "call", "--bootstrap", at, "--target", rpcTarget, "--command", "8", "--commit")
	require.Equal(t, exitNothing, r.code, r.stderr)
	require.Contains(t, r.stderr, "error 1")
}

func TestRPCSilence(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"rpc", "status", silentAddr(t)},
		{"rpc", "lookup", rpcTarget, "--bootstrap", silentAddr(t)},
	} {
		r := dhtkit(t, append(args, "--timeout", "1s")...)
		require.Equal(t, exitNoAnswer, r.code, "%q: %s", args, r.stderr)
		require.Contains(t, r.stderr, "timeout")
		require.Contains(t, r.stderr, "127.0.0.1:")
	}
}
