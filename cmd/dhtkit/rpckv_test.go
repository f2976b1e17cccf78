package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

func TestRPCSetGet(t *testing.T) {
	t.Parallel()
	at, _ := ready(t, "rpc", "testnet", "30")
	to := []string{"--bootstrap", at}
	set := func(stdin string, args ...string) result {
		return dhtkitWith(t, stdin, append(append([]string{"rpc", "set"}, to...), args...)...)
	}
	get := func(args ...string) result {
		return dhtkit(t, append(append([]string{"rpc", "get"}, to...), args...)...)
	}

	require.Equal(t, exitNothing, get("motd").code)
	r := set("", "motd", "hello, world", "--json")
	require.Equal(t, exitFound, r.code, r.stderr)
	all := records(t, r.stdout)
	stored := ofType(all, "set")[0]
	require.Equal(t, []any{"name", "motd", 20.}, []any{stored["kind"], stored["name"], stored["nodes"]})
	require.Equal(t, 20., all[len(all)-1]["stored"])
	require.Equal(t, "hello, world\n", get("motd").stdout)
	r = set("", "motd", "goodbye")
	require.Equal(t, exitNothing, r.code, r.stderr)
	require.Contains(t, r.stderr, "--key FILE")
	require.Empty(t, r.stdout)

	r = set("\x00\x01", "--hash", "-")
	require.Equal(t, exitFound, r.code, r.stderr)
	hash := strings.TrimSpace(r.stdout)
	require.Equal(t, dhtrpc.Hash([]byte{0, 1}).String(), hash)
	require.Equal(t, "hex:0001\n", get("--hash", hash).stdout)
	require.Equal(t, "\x00\x01", get("--hash", "--raw", hash).stdout)
	require.Equal(t, exitNothing, get("--hash", rpcTarget).code)
}

// An owner replaces what is under a name, in run after run, and others have the same name for themselves.
func TestRPCSetOwned(t *testing.T) {
	t.Parallel()
	at, _ := ready(t, "rpc", "testnet", "3")
	dir := t.TempDir()
	set := func(file string, args ...string) string {
		return found(t, append([]string{"rpc", "set", "--bootstrap", at, "--key", filepath.Join(dir, file)}, args...)...)[0]
	}
	ours, theirs := set("a", "--new-key", "status", "at home"), set("b", "--new-key", "status", "asleep")
	require.Equal(t, ours, set("a", "status", "on the road"))
	get := []string{"rpc", "get", "--bootstrap", at, "status"}
	require.Equal(t, []string{"on the road"}, found(t, append(get, "--owner", ours)...))
	require.Equal(t, []string{"asleep"}, found(t, append(get, "--owner", theirs)...))
	require.Equal(t, exitNothing, dhtkit(t, get...).code, "nobody's name")

	all := records(t, dhtkit(t, append(get, "--owner", ours, "--json")...).stdout)
	value := ofType(all, "value")[0]
	require.Equal(t, []any{"owned", "on the road", "status", ours}, []any{value["kind"], value["value"], value["name"], value["owner"]})
	require.NotZero(t, value["seq"])
	require.InDelta(t, 24*3600, value["ttl_s"], 600)
}

// Values are kept by bootstrap and node, too, and the verbs work on a network of their own.
func TestRPCSetNodeByNode(t *testing.T) {
	t.Parallel()
	first, _ := ready(t, "rpc", "bootstrap", "--listen", "127.0.0.1:0")
	require.Equal(t, []string{"motd"}, found(t, "rpc", "set", "--bootstrap", first, "motd", "x"))
	second, b := ready(t, "rpc", "node", "--bootstrap", first)
	require.Contains(t, b.errs.line(1)+b.errs.line(2), "joined")
	require.Equal(t, []string{"x"}, found(t, "rpc", "get", "--bootstrap", second, "motd"))
	require.Equal(t, []string{"motd"}, found(t, "rpc", "set", "--local", "3", "motd", "x"))
	require.Equal(t, exitNothing, dhtkit(t, "rpc", "get", "--local", "3", "motd").code)
}

func TestRPCSetWithoutStores(t *testing.T) {
	t.Parallel()
	net, err := dhtrpc.Testnet(t.Context(), 3, dhtrpc.TestnetConfig{})
	require.NoError(t, err)
	t.Cleanup(func() { net.Close() })
	at := net.Bootstrap()[0]
	for _, args := range [][]string{{"rpc", "set", "motd", "x"}, {"rpc", "get", "motd"}} {
		r := dhtkit(t, append(args, "--bootstrap", at)...)
		require.Equal(t, exitNothing, r.code, r.stderr)
		require.Contains(t, r.stderr, "keep no values")
		r = dhtkit(t, append(args, "--bootstrap", silentAddr(t), "--timeout", "1s")...)
		require.Equal(t, exitNoAnswer, r.code, r.stderr)
		require.Contains(t, r.stderr, "timeout")
	}
}
