package kv

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/routing"
)

var (
	begin  = time.Unix(1_700_000_000, 0)
	friend = netip.MustParseAddr("10.0.0.1")
	alice  = testKey(1)
	bob    = testKey(2)
)

func testKey(i byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, ed25519.SeedSize))
}

func hashed(value string) *Record {
	return &Record{Kind: KindHash, Value: []byte(value), TTL: time.Hour}
}

func signed(t testing.TB, kind Kind, key ed25519.PrivateKey, name string, seq uint64, value string) *Record {
	r := &Record{Kind: kind, Value: []byte(value), TTL: time.Hour, Owner: key.Public().(ed25519.PublicKey), Seq: seq, Name: name}
	require.NoError(t, r.sign(key))
	return r
}

func testShelf(cfg Config) *shelf { return newShelf(cfg.withDefaults()) }

// check verifies the books of a shelf against what is on it.
func (s *shelf) check(t *testing.T) {
	t.Helper()
	size, hosts := 0, make(map[netip.Prefix]int)
	for target, it := range s.items {
		size += len(it.rec.Value)
		require.Equal(t, target, it.target)
		require.Same(t, it, s.queue[it.at])
		if it.host.IsValid() {
			hosts[it.host]++
		}
	}
	require.Equal(t, size, s.bytes)
	require.Equal(t, hosts, s.hosts)
	require.Len(t, s.queue, len(s.items))
	require.LessOrEqual(t, len(s.items), max(s.cfg.MaxRecords, 0))
	require.LessOrEqual(t, s.bytes, s.cfg.MaxBytes)
}

func TestShelfVersions(t *testing.T) {
	s := testShelf(Config{})
	first := signed(t, KindOwned, alice, "x", 5, "five")
	target := first.target()
	put := func(r *Record) uint64 { return s.put(target, r, friend, begin) }

	forged := signed(t, KindOwned, alice, "x", 6, "six")
	forged.Value = []byte("666")
	require.EqualValues(t, CodeInvalid, put(forged), "forged, with nothing there")
	require.EqualValues(t, dhtrpc.CodeOK, put(first))
	require.EqualValues(t, dhtrpc.CodeOK, put(first), "the same again")
	require.EqualValues(t, CodeStale, put(signed(t, KindOwned, alice, "x", 4, "four")))
	require.EqualValues(t, CodeInvalid, put(forged))
	require.EqualValues(t, CodeInvalid, put(signed(t, KindOwned, alice, "y", 9, "nine")), "belongs elsewhere")
	require.EqualValues(t, CodeInvalid, put(signed(t, KindOwned, bob, "x", 9, "nine")), "belongs elsewhere")
	require.EqualValues(t, CodeInvalid, put(signed(t, KindName, alice, "x", 9, "nine")), "of another kind")
	require.EqualValues(t, CodeInvalid, put(hashed("nine")))
	require.Equal(t, "five", string(s.get(target, begin).Value))

	require.EqualValues(t, dhtrpc.CodeOK, put(signed(t, KindOwned, alice, "x", 5, "six")), "the greater value of two with one number")
	require.EqualValues(t, CodeStale, put(first))
	longer := signed(t, KindOwned, alice, "x", 6, "a longer value")
	require.EqualValues(t, dhtrpc.CodeOK, put(longer))
	longer.Value[0] = 'X'
	require.Equal(t, "a longer value", string(s.get(target, begin).Value), "has bytes of its own")
	require.EqualValues(t, dhtrpc.CodeOK, put(signed(t, KindOwned, alice, "x", 7, "")))
	require.Empty(t, s.get(target, begin).Value)
	s.check(t)
}

func TestShelfNames(t *testing.T) {
	s := testShelf(Config{Republish: -1})
	ours := signed(t, KindName, alice, "motd", 5, "alice")
	theirs := signed(t, KindName, bob, "motd", 9, "bob")
	target := ours.target()
	require.Equal(t, target, theirs.target())
	require.EqualValues(t, dhtrpc.CodeOK, s.put(target, ours, friend, begin))
	require.EqualValues(t, CodeTaken, s.put(target, theirs, friend, begin.Add(time.Hour-1)))
	require.EqualValues(t, dhtrpc.CodeOK, s.put(target, theirs, friend, begin.Add(time.Hour)), "free again")
	require.Equal(t, "bob", string(s.get(target, begin.Add(time.Hour)).Value))
	s.check(t)
}

func TestShelfTime(t *testing.T) {
	s := testShelf(Config{TTL: 3 * time.Hour, Republish: time.Hour})
	r := hashed("x")
	target := r.target()
	r.TTL = math.MaxUint32 * time.Second
	require.EqualValues(t, dhtrpc.CodeOK, s.put(target, r, friend, begin))
	require.Equal(t, 3*time.Hour, s.get(target, begin).TTL, "capped")
	r.TTL = time.Minute
	require.EqualValues(t, dhtrpc.CodeOK, s.put(target, r, friend, begin.Add(time.Hour)))
	require.Equal(t, 2*time.Hour, s.get(target, begin.Add(time.Hour)).TTL, "never shortened")

	_, ok, next := s.due(begin.Add(time.Hour))
	require.False(t, ok)
	require.WithinRange(t, next, begin.Add(time.Hour+45*time.Minute), begin.Add(2*time.Hour+15*time.Minute), "put off by the second put")
	held, ok, _ := s.due(next)
	require.True(t, ok)
	require.Equal(t, target, held.target)
	require.Equal(t, begin.Add(3*time.Hour), held.until)
	require.True(t, s.items[target].again.After(next))
	s.items[target].again = begin.Add(4 * time.Hour)
	s.moved(s.items[target])
	_, ok, next = s.due(next)
	require.False(t, ok)
	require.Equal(t, begin.Add(3*time.Hour), next, "then it expires")
	require.NotNil(t, s.get(target, next.Add(-1)))
	require.Nil(t, s.get(target, next))
	_, ok, next = s.due(next)
	require.False(t, ok)
	require.Zero(t, next)
	require.Empty(t, s.items)
	s.check(t)
}

// A newer version may live shorter than the one before.
func TestShelfShorterVersion(t *testing.T) {
	s := testShelf(Config{})
	old, short := signed(t, KindOwned, alice, "", 1, "a"), signed(t, KindOwned, alice, "", 2, "b")
	short.TTL = time.Minute
	require.Zero(t, s.put(old.target(), old, friend, begin))
	require.Zero(t, s.put(old.target(), short, friend, begin))
	require.Equal(t, time.Minute, s.get(old.target(), begin).TTL)
}

// With -1 as interval nothing is ever put anew, but what has expired goes.
func TestShelfWithoutRepublish(t *testing.T) {
	s := testShelf(Config{Republish: -1})
	r := hashed("x")
	require.Zero(t, s.put(r.target(), r, friend, begin))
	_, ok, next := s.due(begin.Add(time.Hour - 1))
	require.False(t, ok)
	require.Equal(t, begin.Add(time.Hour), next)
	s.due(next)
	require.Empty(t, s.items)
}

func TestShelfKeepsWhatIsNear(t *testing.T) {
	const room = 10
	s := testShelf(Config{MaxRecords: room})
	s.self = dhtrpc.Hash([]byte("self"))
	var farthest *item
	for i := range 200 {
		r := hashed(string(binary.LittleEndian.AppendUint32(nil, uint32(i))))
		code := s.put(r.target(), r, friend, begin)
		near := farthest == nil || routing.CompareDistance(s.self.Key(), r.target().Key(), farthest.target.Key()) < 0
		require.Equal(t, near || i < room, code == dhtrpc.CodeOK, "record %d, code %d", i, code)
		s.check(t)
		if len(s.items) == room {
			farthest = nil
			for _, it := range s.items {
				if farthest == nil || routing.CompareDistance(s.self.Key(), it.target.Key(), farthest.target.Key()) > 0 {
					farthest = it
				}
			}
		}
	}
	require.Len(t, s.items, room)
	forged := signed(t, KindOwned, alice, "near", 1, "x")
	forged.sig[0] ^= 1
	s.self = forged.target()
	require.EqualValues(t, CodeInvalid, s.put(forged.target(), forged, friend, begin))
	require.Len(t, s.items, room, "nothing goes for a forged one")

	r := hashed("far")
	for i := range s.self {
		s.self[i] = ^r.target()[i]
	}
	require.EqualValues(t, CodeFull, s.put(r.target(), r, friend, begin))
	require.Zero(t, s.put(r.target(), r, friend, begin.Add(time.Hour)), "what has expired goes first")
	require.Len(t, s.items, room)
	s.check(t)
}

func TestShelfBytes(t *testing.T) {
	s := testShelf(Config{MaxBytes: 100})
	big := hashed(string(make([]byte, 101)))
	small := signed(t, KindOwned, alice, "", 1, string(make([]byte, 60)))
	s.self = small.target()
	require.Zero(t, s.put(small.target(), small, friend, begin))
	require.EqualValues(t, CodeFull, s.put(big.target(), big, friend, begin))
	require.Len(t, s.items, 1, "nothing goes for what would never fit")
	other := hashed(string(make([]byte, 40)))
	require.Zero(t, s.put(other.target(), other, friend, begin))
	require.Equal(t, 100, s.bytes)
	for _, size := range []int{101, 100} {
		grown := signed(t, KindOwned, alice, "", uint64(size), string(make([]byte, size)))
		grown.Seq = 2
		require.NoError(t, grown.sign(alice))
		require.Equal(t, size > 100, s.put(small.target(), grown, friend, begin) == CodeFull)
		s.check(t)
	}
	require.Nil(t, s.get(other.target(), begin), "had to go for the nearer one")

	none := testShelf(Config{MaxRecords: -1})
	require.EqualValues(t, CodeFull, none.put(other.target(), other, friend, begin))
}

func TestShelfPerHost(t *testing.T) {
	fill := func(cfg Config, from string, count int) (taken int) {
		s := testShelf(cfg)
		for i := range count {
			r := hashed(string(binary.LittleEndian.AppendUint32(nil, uint32(i))))
			if s.put(r.target(), r, netip.MustParseAddr(from), begin) == dhtrpc.CodeOK {
				taken++
			}
		}
		s.check(t)
		if s.cfg.PerHost > 0 {
			for _, it := range s.items {
				s.drop(it)
			}
			require.Empty(t, s.hosts)
		}
		return taken
	}
	require.Equal(t, 1000, fill(Config{}, "192.0.2.1", 1200))
	require.Equal(t, 1200, fill(Config{}, "127.0.0.1", 1200), "a private network may share one address")
	require.Equal(t, 1200, fill(Config{}, "10.1.2.3", 1200))
	require.Equal(t, 1200, fill(Config{PerHost: -1}, "192.0.2.1", 1200))
	require.Equal(t, 3, fill(Config{PerHost: 3}, "192.0.2.1", 9))
	require.Equal(t, 3, fill(Config{PerHost: 3}, "127.0.0.1", 9), "asked for")

	s := testShelf(Config{PerHost: 1})
	for i, from := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"} {
		r := hashed(from)
		require.Equal(t, i == 3, s.put(r.target(), r, netip.MustParseAddr(from), begin) == CodeFull, from)
	}
	r := hashed("ours")
	require.Zero(t, s.put(r.target(), r, netip.Addr{}, begin), "not counted")
	s.check(t)
}
