package attacks

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// signed returns a mutable item as it is put.
func signed(t testing.TB, key ed25519.PrivateKey, value string, salt []byte, seq int64) krpc.PutArgs {
	t.Helper()
	item, err := mainline.SignItem(key, salt, seq, value)
	require.NoError(t, err)
	return krpc.PutArgs{V: item.V, K: item.K, Sig: item.Sig, Seq: item.Seq, Salt: salt}
}

// Row 14: items that are not signed, not signed so, too large, too old or under another's target are not stored, whoever
// sends them and how often.
func TestValuePoisoning(t *testing.T) {
	store := mainline.NewItemStore(mainline.ItemStoreConfig{})
	s := newStage(t, mainline.Config{NoUpkeep: true, Items: store, Inbound: socket.Inbound{PerSource: -1}})
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	evil := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	salt := []byte("salt")
	target := mainline.MutableTarget(key.Public().(ed25519.PublicKey), salt)
	next := 0
	put := func(args krpc.PutArgs, under krpc.ID) (taken bool) {
		next++
		from := stranger(next)
		m := s.reply(from, krpc.ID{1}, krpc.GetArgs{Target: under})
		args.Token = m.Token()
		s.spy = func(_ netip.AddrPort, b []byte) {
			m, err := krpc.Parse(b)
			taken = err == nil && m.Err() == nil
		}
		s.ask(from, krpc.ID{1}, args) // what is no message is not answered
		s.spy = nil
		return taken
	}
	good := signed(t, key, "the truth", salt, 5)
	require.True(t, put(good, target))

	lies := map[string]func(a *krpc.PutArgs){
		"another value":        func(a *krpc.PutArgs) { a.V = []byte("8:the lies"[:10]) },
		"another's signature":  func(a *krpc.PutArgs) { b := signed(t, evil, "lies", salt, 6); a.V, a.Sig, a.Seq = b.V, b.Sig, 6 },
		"no signature":         func(a *krpc.PutArgs) { a.Sig = make([]byte, 64); a.Seq = 6 },
		"another salt":         func(a *krpc.PutArgs) { a.Salt = []byte("tlas") },
		"another seq":          func(a *krpc.PutArgs) { a.Seq = 6 },
		"an older one":         func(a *krpc.PutArgs) { *a = signed(t, key, "long ago", salt, 4) },
		"the same seq":         func(a *krpc.PutArgs) { *a = signed(t, key, "a fork", salt, 5) },
		"a wrong cas":          func(a *krpc.PutArgs) { *a = signed(t, key, "later", salt, 6); a.Cas, a.HasCas = 4, true },
		"a salt too long":      func(a *krpc.PutArgs) { a.Salt = bytes.Repeat([]byte("s"), 65); a.Seq = 6 },
		"a value too long":     func(a *krpc.PutArgs) { a.V = append([]byte("997:"), make([]byte, 997)...); a.Seq = 6 },
		"no bencode":           func(a *krpc.PutArgs) { a.V = []byte("i01e"); a.Seq = 6 },
		"a seq below zero":     func(a *krpc.PutArgs) { a.Seq = -1 },
		"an item not its hash": func(a *krpc.PutArgs) { *a = krpc.PutArgs{V: []byte("4:lies")} },
	}
	for name, lie := range lies {
		args := good
		lie(&args)
		require.False(t, put(args, target), name)
		s.pass(time.Second)
	}
	flips := size(20_000, 2_000)
	newer := signed(t, key, "the truth", salt, 6)
	for range flips {
		args := newer
		args.Sig, args.V = bytes.Clone(args.Sig), bytes.Clone(args.V)
		if s.rng.IntN(2) == 0 {
			args.Sig[s.rng.IntN(64)] ^= 1 << s.rng.IntN(8)
		} else {
			args.V[2+s.rng.IntN(len(args.V)-2)] ^= 1 << s.rng.IntN(8)
		}
		require.False(t, put(args, target))
		s.pass(2 * time.Millisecond)
	}
	require.Equal(t, 1, store.Len())
	require.Equal(t, "9:the truth", string(store.Get(target, s.now).V))
	s.pass(time.Minute)
	require.True(t, put(signed(t, key, "more truth", salt, 6), target))
}

// One source has twenty signatures a second looked at, at some 60 µs each: a hundredth of a core.
func TestSignaturesAreOnABudget(t *testing.T) {
	s := newStage(t, mainline.Config{NoUpkeep: true, Inbound: socket.Inbound{PerSource: -1}})
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	args := signed(t, key, "x", nil, 1)
	args.Sig = make([]byte, 64)
	target := mainline.MutableTarget(key.Public().(ed25519.PublicKey), nil)
	m := s.reply(stranger(1), krpc.ID{1}, krpc.GetArgs{Target: target})
	args.Token = m.Token()
	looked := 0
	seconds := 10
	for range 1000 * seconds {
		m = s.reply(stranger(1), krpc.ID{1}, args)
		if m.Err().Code == krpc.CodeBadSignature {
			looked++
		}
		s.pass(time.Millisecond)
	}
	require.LessOrEqual(t, looked, 40+20*seconds)
	require.Positive(t, looked)
}
