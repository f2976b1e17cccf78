package routing

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOnlyTheHomeBucketSplits(t *testing.T) {
	b := newBench(t, Key{}, oneByte(2))
	require.True(t, b.answered(at(0x80), 1))
	require.True(t, b.answered(at(0xc0), 1))
	require.Equal(t, 1, b.Buckets())
	require.False(t, b.answered(at(0xa0), 1), "all three on the far side: no split would help")
	require.Equal(t, 1, b.Buckets())
	require.True(t, b.answered(at(0x40), 1))
	require.Equal(t, 2, b.Buckets())
	require.True(t, b.answered(at(0x20), 1))
	require.False(t, b.answered(at(0xe0), 1), "the far bucket is full and sound")
	require.Equal(t, []Node{at(0xa0), at(0xe0)}, b.waiting())
	require.True(t, b.answered(at(0x10), 1))
	require.Equal(t, 3, b.Buckets(), "0x40 stays behind, 0x20 and 0x10 are home")
}

func TestSpreadIDsGiveSixBuckets(t *testing.T) {
	for name, cfg := range map[string]Config{
		"k everywhere": {KeyLen: 1},
		"wide far":     {KeyLen: 1, Far: WideFar},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Key{}, cfg)
			for k := 255; k > 0; k-- {
				b.answered(at(byte(k)), 10)
			}
			require.Equal(t, 6, b.Buckets())
		})
	}
}

// 32 ids that share 35 bits with each other, 34 with us: a table that splits whenever it may would be 36 deep.
func TestClusteredIDsSplitOnce(t *testing.T) {
	self := KeyOf([]byte{0x12, 0x34, 0x87, 0x69, 0x23})
	b := newBench(t, self, Config{})
	for i := range 32 {
		b.answered(Node{KeyOf([]byte{0x12, 0x34, 0x87, 0x69, byte(i), 1}), addr(i)}, 20)
	}
	require.LessOrEqual(t, b.Buckets(), 2)
	require.Equal(t, 8, b.Len())
}

// How deep the table is depends on how many ids happen to be near ours: eight more than would fit make it one deeper.
func TestTenThousandNodesGiveElevenOrTwelveBuckets(t *testing.T) {
	const seeds = 40
	usual := 0
	for seed := range uint64(seeds) {
		b := newBench(t, RandomKey(seeded(100+seed), 20, Key{}, 0), Config{})
		b.fill(seed, 10_000)
		require.GreaterOrEqual(t, b.Buckets(), 10)
		require.LessOrEqual(t, b.Buckets(), 14)
		require.GreaterOrEqual(t, b.Len(), 80)
		if b.Buckets() == 11 || b.Buckets() == 12 {
			usual++
		}
	}
	require.GreaterOrEqual(t, usual, seeds*8/10)
}

// A neighbour gets its place beside a home bucket that is full of others, near or far, and a cache full of them.
func TestNeighboursAreNotKeptOut(t *testing.T) {
	self := Key{}
	at := func(bits, salt int) Key { // shares bits bits with self
		k := Key{18: byte(salt), 19: 1}
		k[bits/8] |= 0x80 >> (bits % 8)
		return k
	}
	for _, c := range []struct {
		name string
		live []int // bits shared by those in the table
	}{
		{"all far", []int{0, 0, 0, 0, 0, 0, 0, 0}},
		{"all near, alike", []int{5, 5, 5, 5, 5, 5, 5, 5}},
		{"all near, not alike", []int{5, 6, 7, 5, 6, 7, 5, 6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, self, Config{VerifyDelay: -1})
			for i, bits := range c.live {
				b.Answered(Node{at(bits, i), addr(i)}, time.Millisecond, b.now)
			}
			for i := range 20 { // strangers like them fill the cache
				b.Heard(Node{at(c.live[0], 100+i), addr(100 + i)}, b.now)
			}
			neighbour := Node{at(12, 200), addr(200)}
			for range 4 {
				b.Heard(neighbour, b.now)
				require.False(t, b.Next().After(b.now), "something is due now")
				tasks, _ := b.Due(nil, b.now)
				for _, task := range tasks {
					if task.Kind == Ping {
						b.Answered(task.Node, time.Millisecond, b.now)
					}
				}
				b.check()
				b.now = b.now.Add(time.Second)
				if b.AppendClosest(nil, self, 1)[0] == neighbour {
					return
				}
			}
			require.Equal(t, neighbour, b.AppendClosest(nil, self, 1)[0])
		})
	}
}

// Attack 11: ids that come ever closer to ours deepen the table by one each, and only to the limit.
func TestDepthIsBounded(t *testing.T) {
	r := seeded(3)
	self := RandomKey(r, 20, Key{}, 0)
	b := newBench(t, self, Config{})
	for bits := range 160 {
		for range 20 {
			b.Answered(Node{RandomKey(r, 20, self, bits), addr(r.IntN(1 << 20))}, time.Millisecond, b.now)
		}
		b.check()
	}
	require.Equal(t, 50, b.Buckets())
	require.LessOrEqual(t, b.Len(), 50*8)
}
