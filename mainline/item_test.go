package mainline

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"testing"

	"github.com/anacrolix/torrent/bencode"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

// testKey is a key made of one byte.
func testKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func signed(t testing.TB, key crypto.Signer, salt string, seq int64, value any) *Item {
	t.Helper()
	it, err := SignItem(key, []byte(salt), seq, value)
	require.NoError(t, err)
	return it
}

func TestItemsOfEveryShape(t *testing.T) {
	for _, value := range []any{"", "text", 42, []any{"a", 1}, map[string]any{"b": 1, "a": []string{}}, bencode.Bytes("d1:v1:xe")} {
		fixed, err := NewItem(value)
		require.NoError(t, err)
		require.NoError(t, fixed.Verify())
		require.False(t, fixed.Mutable())
		for _, salt := range []string{"", "s", string(make([]byte, krpc.MaxSalt))} {
			it := signed(t, testKey(1), salt, 7, value)
			require.NoError(t, it.Verify())
			require.Equal(t, fixed.V, it.V)
			require.Equal(t, MutableTarget(it.K, []byte(salt)), it.Target())
			require.NotEqual(t, fixed.Target(), it.Target())
			require.Equal(t, it, it.clone())
		}
	}
	text, err := NewItem("Hello World!")
	require.NoError(t, err)
	var got string
	require.NoError(t, text.Decode(&got))
	require.Equal(t, "Hello World!", got)
	require.Error(t, text.Decode(new(int)))
	require.ErrorIs(t, (&Item{V: []byte("d1:b0:1:a0:e")}).Decode(new(any)), ErrItemValue)
}

func TestItemsThatAreNone(t *testing.T) {
	for _, value := range []any{make(chan int), string(make([]byte, 997)), bencode.Bytes("i05e"), bencode.Bytes("")} {
		_, err := NewItem(value)
		require.ErrorIs(t, err, ErrItemValue)
		_, err = SignItem(testKey(1), nil, 1, value)
		require.ErrorIs(t, err, ErrItemValue)
	}
	largest, err := NewItem(string(make([]byte, 996)))
	require.NoError(t, err)
	require.Len(t, largest.V, krpc.MaxValue)
	_, err = SignItem(testKey(1), make([]byte, 65), 1, "x")
	require.ErrorIs(t, err, ErrItemSalt)
	_, err = SignItem(testKey(1), nil, -1, "x")
	require.ErrorIs(t, err, ErrItemSeq)
	foreign, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, err = SignItem(foreign, nil, 1, "x")
	require.ErrorIs(t, err, ErrKey)
}

func TestVerifyNeedsEveryByte(t *testing.T) {
	good := signed(t, testKey(1), "salt", 7, "value")
	for name, spoil := range map[string]func(*Item){
		"value":               func(it *Item) { it.V = []byte("5:Value") },
		"salt":                func(it *Item) { it.Salt = []byte("Salt") },
		"no salt":             func(it *Item) { it.Salt = nil },
		"seq":                 func(it *Item) { it.Seq++ },
		"key":                 func(it *Item) { it.K = testKey(2).Public().(ed25519.PublicKey) },
		"signature":           func(it *Item) { it.Sig[5] ^= 1 },
		"signature cut":       func(it *Item) { it.Sig = it.Sig[:63] },
		"no signature":        func(it *Item) { it.Sig = nil },
		"key cut":             func(it *Item) { it.K = it.K[:31] },
		"empty key":           func(it *Item) { it.K = []byte{} },
		"signature, no key":   func(it *Item) { it.K = nil },
		"seq, no key":         func(it *Item) { *it = Item{V: it.V, Seq: 1} },
		"salt, no key":        func(it *Item) { *it = Item{V: it.V, Salt: it.Salt} },
		"no value":            func(it *Item) { it.V = nil },
		"salt of 1200 bytes":  func(it *Item) { it.Salt = make([]byte, 1200) },
		"value of 1200 bytes": func(it *Item) { it.V = make([]byte, 1200) },
	} {
		it := good.clone()
		require.NoError(t, it.Verify())
		spoil(it)
		require.Error(t, it.Verify(), name)
	}
}

func TestNewerItem(t *testing.T) {
	at := func(seq int64, value string) *Item { return signed(t, testKey(1), "", seq, value) }
	require.True(t, at(0, "").newer(nil))
	require.True(t, at(2, "a").newer(at(1, "b")))
	require.False(t, at(1, "b").newer(at(2, "a")))
	require.True(t, at(1, "b").newer(at(1, "a")))
	require.False(t, at(1, "a").newer(at(1, "a")))
}

func FuzzVerify(f *testing.F) {
	it := signed(f, testKey(1), "salt", 7, map[string]int{"a": 1})
	f.Add(it.V, []byte(it.K), it.Salt, it.Seq, it.Sig)
	f.Add([]byte("0:"), []byte(nil), []byte(nil), int64(0), []byte(nil))
	f.Fuzz(func(t *testing.T, v, k, salt []byte, seq int64, sig []byte) {
		it := &Item{V: v, K: k, Salt: salt, Seq: seq, Sig: sig}
		it.Target()
		var value any
		if err := it.Decode(&value); err == nil {
			require.True(t, krpc.Canonical(v))
		}
		if it.Verify() == nil {
			require.LessOrEqual(t, len(it.V), krpc.MaxValue)
			require.NoError(t, it.clone().Verify())
		}
	})
}

func TestPrivateKeysOfAllForms(t *testing.T) {
	key := testKey(3)
	h := sha512.Sum512(key.Seed())
	h[0] &= 248
	h[31] = h[31]&63 | 64
	want := signed(t, key, "salt", 5, "value")
	for name, form := range map[string][]byte{"seed": key.Seed(), "Go's": key, "expanded": h[:]} {
		k, err := ParsePrivateKey(form)
		require.NoError(t, err, name)
		require.Equal(t, want, signed(t, k, "salt", 5, "value"), name)
	}
	h[0]++
	for _, form := range [][]byte{nil, make([]byte, 31), make([]byte, 33), h[:]} {
		_, err := ParsePrivateKey(form)
		require.ErrorIs(t, err, ErrKey)
	}
	_, err := (&expandedKey{}).Sign(nil, nil, crypto.SHA512)
	require.Error(t, err)
}
