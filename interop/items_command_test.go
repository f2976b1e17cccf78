package interop

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// The command puts values into a network of 30 bittorrent-dht nodes and gets them back, its own and theirs. They name whoever
// has asked them, even if it said that it does not answer (BEP 43): each run meets the ports that those before it have left.
func TestPutAndGetCommands(t *testing.T) {
	t.Parallel()
	theirs := startSwarm(t, 85, 30)
	at := func(node int) []string { return []string{"--timeout", "2s", "--bootstrap", theirs.nodes[node].Addr} }
	run := func(node int, args ...string) string {
		t.Helper()
		return strings.Join(found(t, append(args, at(node)...)...), " ")
	}

	for arg, item := range map[string]*mainline.Item{
		"Hello World!":                newItem(t, "Hello World!"),
		"hex:00ff":                    newItem(t, "\x00\xff"),
		`json:{"b":[1,"two"],"a":-3}`: newItem(t, map[string]any{"a": -3, "b": []any{1, "two"}}),
	} {
		require.Equal(t, item.Target().String(), run(3, "put", arg))
		requireVersion(t, item, theirs.get(t, 22, item.Target(), ""), arg)
		require.Equal(t, string(item.V), run(14, "get", "--bencode", item.Target().String()))
	}
	item := newItem(t, "from bittorrent-dht")
	require.GreaterOrEqual(t, theirs.put(t, 4, item).Stored, 8)
	require.Equal(t, "from bittorrent-dht", run(25, "get", item.Target().String()))

	testSignedCommands(t, theirs, run, at)
	o := dhtkit(t, append(at(1), "get", strings.Repeat("00ff", 10))...)
	require.Equal(t, 1, o.code, "nodes answered, none has it\n%s", o.stderr)
	require.Empty(t, o.stdout)
}

// testSignedCommands lets the command and a bittorrent-dht node, with the same key, take turns as author of an item.
func testSignedCommands(t *testing.T, theirs swarm, run func(int, ...string) string, at func(int) []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	target := run(3, "put", "--key", file, "--new-key", "--salt", "blog", "ours, version 1")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	secret := strings.TrimSpace(string(text))
	seed, err := hex.DecodeString(secret)
	require.NoError(t, err)
	a := newAuthor(seed)
	public := hex.EncodeToString(a.public())

	requireNewest := func(item *mainline.Item) {
		t.Helper()
		require.Equal(t, item.Target().String(), target)
		requireVersion(t, item, theirs.get(t, 22, item.Target(), "blog"))
		require.Equal(t, string(item.V), run(14, "get", "--bencode", "--salt", "blog", public))
	}
	requireNewest(a.sign(t, "blog", 1, "ours, version 1"))
	run(9, "put", "--key", file, "--salt", "blog", "--cas", "1", "ours, version 2")
	requireNewest(a.sign(t, "blog", 2, "ours, version 2"))
	third := a.sign(t, "blog", 3, "theirs, version 3")
	require.GreaterOrEqual(t, theirs.sign(t, 5, a, third, 2).Stored, 8)
	requireNewest(third)

	o := dhtkit(t, append(at(9), "put", "--key", file, "--salt", "blog", "--cas", "2", "--seq", "4", "late")...)
	require.Equal(t, 1, o.code, "another has put version 3\n%s", o.stderr)
	requireNewest(third)
	require.NotContains(t, o.stdout+o.stderr, secret)
}
