package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// libtorrent gets what we put, byte for byte, and we what libtorrent puts (BEP 44), immutable and signed, with both kinds
// of nodes storing it.
func TestItemsWithLibtorrent(t *testing.T) {
	t.Parallel()
	ours, theirs := startMixed(t, 80, 8, 5)
	everyone := theirs.nodes
	for _, n := range ours {
		everyone = append(everyone, contactOf(n))
	}

	for name, value := range map[string]any{
		"a text": "Hello World!", "structured": structured("ours"), "the longest": strings.Repeat("x", krpc.MaxValue-len("996:")),
	} {
		item := newItem(t, value)
		requireNearest(t, item.Target(), everyone, putFrom(t, ours[3], item), "our "+name)
		for i := range theirs.nodes {
			requireVersion(t, item, theirs.get(t, i, item.Target()), "%s, from libtorrent node %d", name, i)
		}
	}
	for name, value := range map[string]any{
		"a text": "Hello world!", "structured": structured("theirs"), "the longest": strings.Repeat("y", krpc.MaxValue-len("996:")),
	} {
		item := newItem(t, value)
		require.GreaterOrEqual(t, theirs.put(t, 1, item.V), 6, name)
		for i, n := range ours {
			found := itemAt(t, n, item.Target())
			require.NotNil(t, found, "%s, from our node %d", name, i)
			require.Equal(t, item.V, found.V)
		}
	}
	require.False(t, theirs.get(t, 2, ours[0].ID()).Found, "there is no such item")

	for i, salt := range []string{"", "salt", "\x00\xff" + strings.Repeat("s", krpc.MaxSalt-2)} {
		testSignedWithLibtorrent(t, ours, theirs, someAuthor(byte(i)), salt)
	}
}

// testSignedWithLibtorrent lets libtorrent and us take turns as author of an item.
func testSignedWithLibtorrent(t *testing.T, ours []*mainline.Node, theirs libtorrents, a author, salt string) {
	t.Helper()
	target := mainline.MutableTarget(a.public(), []byte(salt))
	ourTurn := func(item *mainline.Item, opts ...mainline.PutOption) {
		t.Helper()
		require.GreaterOrEqual(t, len(putFrom(t, ours[3], item, opts...)), 6)
		for i := range theirs.nodes {
			requireVersion(t, item, theirs.getSigned(t, i, a, salt), "from libtorrent node %d", i)
		}
	}
	theirTurn := func(seq int64) {
		t.Helper()
		text := fmt.Sprintf("theirs, version %d", seq)
		signed, stored := theirs.putSigned(t, 1, a, salt, text)
		require.GreaterOrEqual(t, stored, 6)
		require.Equal(t, seq, signed.ItemSeq, "one above the newest")
		for _, n := range ours {
			found := itemAt(t, n, target, mainline.Salt([]byte(salt)))
			require.NotNil(t, found)
			require.Equal(t, a.sign(t, salt, seq, text).Sig, found.Sig, "plain ed25519 signs alike everywhere")
			require.Equal(t, seq, found.Seq)
		}
	}
	theirTurn(1)
	ourTurn(a.sign(t, salt, 2, structured("ours")), mainline.Cas(1))
	theirTurn(3)
	ourTurn(a.sign(t, salt, 1<<40, "a number of more than 32 bits"))

	newest := a.sign(t, salt, 1<<40, "a number of more than 32 bits")
	requireConflict(t, newest, putError(t, ours[5], a.sign(t, salt, 4, "late")))
	requireConflict(t, newest, putError(t, ours[5], a.sign(t, salt, 1<<41, "rash"), mainline.Cas(3)))
	requireVersion(t, newest, theirs.getSigned(t, 0, a, salt))
}
