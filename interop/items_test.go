package interop

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// An author signs items.
type author struct {
	seed []byte
	key  ed25519.PrivateKey
}

// newAuthor returns the author with a seed of 32 bytes.
func newAuthor(seed []byte) author { return author{seed, ed25519.NewKeyFromSeed(seed)} }

// someAuthor returns one of 256 authors.
func someAuthor(b byte) author { return newAuthor(slices.Repeat([]byte{b}, ed25519.SeedSize)) }

func (a author) public() ed25519.PublicKey { return a.key.Public().(ed25519.PublicKey) }

// sign makes a version of the author's item with the salt.
func (a author) sign(t *testing.T, salt string, seq int64, value any) *mainline.Item {
	t.Helper()
	item, err := mainline.SignItem(a.key, []byte(salt), seq, value)
	require.NoError(t, err)
	return item
}

// newItem makes an immutable item.
func newItem(t *testing.T, value any) *mainline.Item {
	t.Helper()
	item, err := mainline.NewItem(value)
	require.NoError(t, err)
	return item
}

// structured is a value whose bytes tell whether they were kept: keys in order, one of them "v", numbers, binary, a list.
func structured(name string) map[string]any {
	return map[string]any{
		"": 0, "Z": -1, "list": []any{1, "two", []any{}, map[string]any{}}, "name": name,
		"raw": "\x00\xff" + strings.Repeat("e", 20), "v": int64(1<<53 - 1),
	}
}

// putFrom lets a node of ours put an item and returns the addresses of those who took it.
func putFrom(t *testing.T, n *mainline.Node, item *mainline.Item, opts ...mainline.PutOption) (stored []string) {
	t.Helper()
	for node, err := range n.PutItem(item, opts...).Stored(limited(t)) {
		require.NoError(t, err)
		stored = append(stored, node.Addr.String())
	}
	return stored
}

// putError is putFrom for an item that the network has to refuse.
func putError(t *testing.T, n *mainline.Node, item *mainline.Item, opts ...mainline.PutOption) (last error) {
	t.Helper()
	for _, err := range n.PutItem(item, opts...).Stored(limited(t)) {
		last = err
	}
	return last
}

// itemAt returns what a lookup by a node of ours finds, nil if nothing.
func itemAt(t *testing.T, n *mainline.Node, target krpc.ID, opts ...mainline.GetOption) *mainline.Item {
	t.Helper()
	l := n.GetItem(target, opts...)
	for _, err := range l.Items(limited(t)) {
		require.NoError(t, err)
	}
	return l.Best()
}

// A version is an item as the scripts tell it.
type version struct {
	Found   bool
	Value   string // bencoded, hex; libtorrent's bindings have byte strings only
	ItemSeq int64
	Sig     string // hex
}

// requireVersion requires that a script found an item.
func requireVersion(t *testing.T, want *mainline.Item, got version, msg ...any) {
	t.Helper()
	if value := hex.EncodeToString(want.V); got.Value != "" {
		require.Equal(t, value, got.Value, msg...)
	} else {
		require.Equal(t, byte('d'), want.V[0], msg...)
	}
	got.Value = ""
	require.Equal(t, version{Found: true, ItemSeq: want.Seq, Sig: hex.EncodeToString(want.Sig)}, got, msg...)
}

// requireConflict requires that an item was not put for the sake of another that is there.
func requireConflict(t *testing.T, there *mainline.Item, err error) {
	t.Helper()
	conflict, ok := errors.AsType[*mainline.ConflictError](err)
	require.True(t, ok, "%v", err)
	require.NotNil(t, conflict.Stored)
	require.Equal(t, there.V, conflict.Stored.V)
	require.Equal(t, there.Seq, conflict.Stored.Seq)
}
