package interop

import (
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// In a network of 30 bittorrent-dht nodes they get what we put, byte for byte, and we what they put (BEP 44).
func TestItemsWithBittorrentDHT(t *testing.T) {
	t.Parallel()
	theirs := startSwarm(t, 83, 30)
	ours := startOurs(t, "127.84.%d.1", 2, mainline.Config{Bootstrap: []string{theirs.nodes[0].Addr}})
	writer, reader := ours[0], ours[1]

	for name, value := range map[string]any{
		"a text": "Hello World!", "structured": structured("ours"), "the longest": strings.Repeat("x", krpc.MaxValue-len("996:")),
	} {
		item := newItem(t, value)
		require.GreaterOrEqual(t, len(putFrom(t, writer, item)), 6, name)
		for _, node := range []int{0, 17, 29} {
			requireVersion(t, item, theirs.get(t, node, item.Target(), ""), "%s, from node %d", name, node)
		}
	}
	// Values of 1000 bytes and more its put refuses, although it means the bytes of a text, not those of its encoding.
	for name, value := range map[string]any{
		"a text": "Hello world!", "structured": structured("theirs"), "the longest": strings.Repeat("y", krpc.MaxValue-len("996:")),
	} {
		item := newItem(t, value)
		require.GreaterOrEqual(t, theirs.put(t, 4, item).Stored, 8, name)
		found := itemAt(t, reader, item.Target())
		require.NotNil(t, found, name)
		require.Equal(t, item.V, found.V, name)
	}
	require.False(t, theirs.get(t, 2, writer.ID(), "").Found, "there is no such item")
	require.Nil(t, itemAt(t, reader, writer.ID()))

	for i, salt := range []string{"", "salt", "\x00\xff" + strings.Repeat("s", krpc.MaxSalt-2)} {
		testSignedWithBittorrentDHT(t, writer, reader, theirs, someAuthor(byte(10+i)), salt)
	}
}

// testSignedWithBittorrentDHT lets them and us take turns as author of an item, with and without cas.
func testSignedWithBittorrentDHT(t *testing.T, writer, reader *mainline.Node, theirs swarm, a author, salt string) {
	t.Helper()
	requireNewest := func(item *mainline.Item) {
		t.Helper()
		for _, node := range []int{1, 13, 28} {
			requireVersion(t, item, theirs.get(t, node, item.Target(), salt), "from node %d", node)
		}
		found := itemAt(t, reader, item.Target(), mainline.Salt([]byte(salt)))
		require.NotNil(t, found)
		require.Equal(t, item.Seq, found.Seq)
		require.Equal(t, [][]byte{item.V, item.Sig}, [][]byte{found.V, found.Sig})
	}
	ourTurn := func(item *mainline.Item, opts ...mainline.PutOption) {
		t.Helper()
		require.GreaterOrEqual(t, len(putFrom(t, writer, item, opts...)), 6)
		requireNewest(item)
	}
	theirTurn := func(item *mainline.Item, cas any) {
		t.Helper()
		require.GreaterOrEqual(t, theirs.sign(t, 5, a, item, cas).Stored, 8)
		requireNewest(item)
	}
	ourTurn(a.sign(t, salt, 1, "ours, version 1"))
	theirTurn(a.sign(t, salt, 2, "theirs, version 2"), 1)
	ourTurn(a.sign(t, salt, 3, structured("ours, version 3")), mainline.Cas(2))
	newest := a.sign(t, salt, 1<<53-1, "theirs, with the highest number that JavaScript counts to")
	theirTurn(newest, nil)

	requireConflict(t, newest, putError(t, reader, a.sign(t, salt, 4, "late")))
	requireConflict(t, newest, putError(t, reader, a.sign(t, salt, 1<<53, "rash"), mainline.Cas(3)))
	late := theirs.sign(t, 5, a, a.sign(t, salt, 4, "late"), nil)
	require.Zero(t, late.Stored)
	require.NotEmpty(t, late.Refused)
	requireNewest(newest)

	// Put once more, as it has to be every hour, bittorrent-dht refuses the version that it has, and keeps it.
	for _, err := range writer.PutItem(newest).Stored(limited(t)) {
		require.NoError(t, err)
	}
	requireNewest(newest)
}
