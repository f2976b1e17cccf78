package kv

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

func TestRecordOnTheWire(t *testing.T) {
	for _, r := range []*Record{
		hashed(""), hashed("value"), hashed(strings.Repeat("x", MaxValue)),
		signed(t, KindOwned, alice, "", 0, ""),
		signed(t, KindName, bob, strings.Repeat("n", MaxName), math.MaxUint64, strings.Repeat("x", MaxValue)),
	} {
		b := r.append(nil)
		got, ok := parseRecord(b)
		require.True(t, ok)
		require.Equal(t, r.target(), got.target())
		require.Equal(t, r.key(), got.key())
		require.True(t, got.genuine())
		require.True(t, r.same(&got))
		require.Equal(t, time.Hour, got.TTL)
		require.Equal(t, b, got.append(nil))
		copied := got.clone()
		for i := range b {
			b[i] ^= 0xff
		}
		require.True(t, r.same(copied), "a clone has bytes of its own")
		require.True(t, copied.genuine())
	}
}

// The format, byte by byte, as doc.go has it.
func TestRecordBytes(t *testing.T) {
	require.Equal(t, "00"+"100e0000"+"6869", hex.EncodeToString(hashed("hi").append(nil)))
	r := signed(t, KindName, alice, "motd", 0x0102, "hi")
	head := "02" + "100e0000" + "0201000000000000" + hex.EncodeToString(r.Owner)
	require.Equal(t, head+hex.EncodeToString(r.sig)+"04"+"6d6f7464"+"6869", hex.EncodeToString(r.append(nil)))
	text := "dhtkit kv 1" + "\x02" + "\x02\x01\x00\x00\x00\x00\x00\x00" + "\x04motd" + "hi"
	require.True(t, ed25519.Verify(r.Owner, []byte(text), r.sig))
}

func TestRecordTTL(t *testing.T) {
	for in, out := range map[time.Duration]time.Duration{
		0: time.Second, -time.Hour: time.Second, 1500 * time.Millisecond: time.Second,
		math.MaxInt64: math.MaxUint32 * time.Second,
	} {
		r := hashed("x")
		r.TTL = in
		got, ok := parseRecord(r.append(nil))
		require.True(t, ok)
		require.Equal(t, out, got.TTL)
	}
	cfg := Config{TTL: math.MaxInt64, Republish: 1}.withDefaults()
	require.Equal(t, math.MaxUint32*time.Second, cfg.TTL)
	require.Equal(t, time.Second, cfg.Republish)
	require.Negative(t, Config{Republish: -5}.withDefaults().Republish)
}

func TestBadRecords(t *testing.T) {
	good := signed(t, KindOwned, alice, "name", 1, "").append(nil)
	for i := range len(good) {
		_, ok := parseRecord(good[:i])
		require.False(t, ok, "%d bytes", i)
	}
	for name, b := range map[string][]byte{
		"kind":         append([]byte{3}, good[1:]...),
		"time to live": append([]byte{0, 0, 0, 0, 0}, 'x'),
		"value":        hashed(strings.Repeat("x", MaxValue+1)).append(nil),
		"name":         signed(t, KindOwned, alice, strings.Repeat("n", MaxName+1), 1, "").append(nil),
	} {
		_, ok := parseRecord(b)
		require.False(t, ok, name)
	}
	for _, change := range []func(*Record){
		func(r *Record) { r.Kind = KindName }, func(r *Record) { r.Seq++ }, func(r *Record) { r.Name += "x" },
		func(r *Record) { r.Value = []byte("y") }, func(r *Record) { r.sig[3]++ }, func(r *Record) { r.Owner = ed25519.PublicKey(bob[32:]) },
	} {
		r := signed(t, KindOwned, alice, "name", 1, "x").clone()
		require.True(t, r.genuine())
		change(r)
		require.False(t, r.genuine())
	}
}

func TestKeys(t *testing.T) {
	pub := alice.Public().(ed25519.PublicKey)
	require.Equal(t, dhtrpc.Hash([]byte("v")), HashOf([]byte("v")).Target())
	seen := make(map[dhtrpc.ID]string)
	for _, k := range []Key{
		HashOf([]byte("a")), Name("a"), Name("b"), Owned(pub, ""), Owned(pub, "a"), Owned(bob.Public().(ed25519.PublicKey), "a"),
		Name(string(pub)), HashOf([]byte("\x02b")), HashOf([]byte(signText + "\x02b")),
	} {
		require.NotContains(t, seen, k.Target(), k.String())
		seen[k.Target()] = k.String()
	}
	require.Equal(t, "name motd", Name("motd").String())
	require.Equal(t, "owned "+hex.EncodeToString(pub)+"/x", Owned(pub, "x").String())
	require.Equal(t, "hash "+dhtrpc.Hash(nil).String(), HashOf(nil).String())
}

// Whatever comes in a datagram is a record that goes out as it came in, or it is none.
func FuzzRecord(f *testing.F) {
	f.Add(hashed("value").append(nil))
	f.Add(signed(f, KindOwned, alice, "name", 1, "value").append(nil))
	f.Add(signed(f, KindName, bob, "", 1<<40, "").append(nil))
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, ok := parseRecord(b)
		if !ok {
			return
		}
		if !bytes.Equal(b, r.append(nil)) || len(r.Value) > MaxValue || len(r.Name) > MaxName || r.TTL < time.Second {
			t.Fatalf("%x -> %+v", b, r)
		}
		r.genuine()
		c := r.clone()
		if c.target() != r.target() || !c.same(&r) || c.newer(&r) {
			t.Fatalf("%+v, cloned %+v", r, c)
		}
		s := newShelf(Config{}.withDefaults())
		if code := s.put(r.target(), &r, friend, begin); (code == dhtrpc.CodeOK) != (s.get(r.target(), begin) != nil) {
			t.Fatalf("code %d", code)
		}
	})
}

func TestVerdict(t *testing.T) {
	name := Name("motd")
	a1, a2, b := signed(t, KindName, alice, "motd", 1, "a1"), signed(t, KindName, alice, "motd", 2, "a2"), signed(t, KindName, bob, "motd", 99, "b")
	v := newVerdict(name)
	require.Nil(t, v.best())
	require.True(t, v.add(a1))
	require.False(t, v.add(a1))
	require.False(t, v.taken(a1.Owner))
	require.True(t, v.taken(b.Owner))
	require.True(t, v.add(a2), "a newer version of the same writer")
	require.False(t, v.add(a1))
	for range 4 {
		require.False(t, v.add(b), "no more of them than of the first")
	}
	require.Equal(t, "a2", string(v.best().Value))
	require.True(t, v.add(b), "the majority, whatever the numbers")
	require.Equal(t, "b", string(v.best().Value))
	require.True(t, v.taken(a1.Owner))
	require.EqualValues(t, 2, v.seq(a1.Owner))
	require.EqualValues(t, 99, v.seq(b.Owner))

	v = newVerdict(Owned(a1.Owner, "motd"))
	forged := signed(t, KindOwned, alice, "motd", 7, "x")
	forged.Value = []byte("y")
	for _, r := range []*Record{forged, a1, hashed("x"), signed(t, KindOwned, bob, "motd", 1, "x"), signed(t, KindOwned, alice, "other", 1, "x")} {
		require.False(t, v.add(r))
		require.Nil(t, v.best())
	}
	require.Zero(t, v.seq(a1.Owner))
	good := signed(t, KindOwned, alice, "motd", 1, "good")
	require.True(t, v.add(good))
	require.False(t, v.add(forged), "a greater number and no signature")
	require.Equal(t, "good", string(v.best().Value))
	require.False(t, v.taken(b.Owner), "an owned key cannot be")
}
