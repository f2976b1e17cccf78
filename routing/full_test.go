package routing

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWideBucketPrefersShortRoundTripsAndSpread(t *testing.T) {
	// Self 0, far bucket of 4 for keys 1xxxxxxx: slots are the next two bits, 100 101 110 111.
	wide := func(t *testing.T) *bench {
		b := newBench(t, Key{}, Config{KeyLen: 1, K: 2, Far: []int{4}})
		b.answered(at(0x01), 1)
		for k, ms := range map[byte]int{0x80: 50, 0x81: 60, 0xa0: 70, 0xc0: 90} {
			require.True(t, b.answered(at(k), ms))
		}
		require.Equal(t, 2, b.Buckets())
		return b
	}
	t.Run("empty slot takes the slowest of the crowded one", func(t *testing.T) {
		b := wide(t)
		require.True(t, b.answered(at(0xe0), 500))
		require.False(t, b.has(at(0x81)))
		require.Contains(t, b.waiting(), at(0x81))
	})
	t.Run("same slot: only a faster one", func(t *testing.T) {
		b := wide(t)
		require.False(t, b.answered(at(0xa1), 71))
		require.True(t, b.answered(at(0xa2), 69))
		require.False(t, b.has(at(0xa0)))
		require.True(t, b.answered(at(0x82), 59))
		require.False(t, b.has(at(0x81)), "of two in the slot the slower goes")
		require.True(t, b.has(at(0x80)))
	})
	t.Run("a failing one goes first, whatever its slot", func(t *testing.T) {
		b := wide(t)
		b.failed(at(0xc0))
		require.True(t, b.answered(at(0x82), 900))
		require.False(t, b.has(at(0xc0)))
	})
	t.Run("unknown round trips count as slowest", func(t *testing.T) {
		b := wide(t)
		require.False(t, b.answered(at(0xa1), 0))
	})
}

func TestRoundTripIsSmoothed(t *testing.T) {
	b := newBench(t, Key{}, oneByte(2))
	rtt := func() time.Duration { return slices.Collect(b.All())[0].RTT }
	b.answered(at(9), 0)
	require.Zero(t, rtt())
	b.answered(at(9), 100)
	require.Equal(t, 100*time.Millisecond, rtt())
	b.answered(at(9), 200)
	require.Equal(t, 125*time.Millisecond, rtt())
	b.answered(at(9), 0)
	require.Equal(t, 125*time.Millisecond, rtt())
}

func TestCacheKeepsTheProven(t *testing.T) {
	b := newBench(t, Key{1}, Config{KeyLen: 1, K: 1, Cache: 2})
	b.answered(at(0x80), 10)
	b.heard(at(0x90))
	b.heard(at(0x91))
	b.heard(at(0x92))
	require.Equal(t, []Node{at(0x90), at(0x91)}, b.waiting(), "full: the next stranger is forgotten")
	b.wait(time.Second)
	b.answered(at(0xa0), 10)
	require.Equal(t, []Node{at(0x91), at(0xa0)}, b.waiting(), "one that answered takes a stranger's place")
	b.wait(16 * time.Minute)
	b.heard(at(0x93))
	require.Equal(t, []Node{at(0xa0), at(0x93)}, b.waiting(), "and a stranger that of an outdated one")
	b.answered(at(0xa1), 10)
	b.wait(time.Second)
	b.answered(at(0xa2), 10)
	require.Equal(t, []Node{at(0xa1), at(0xa2)}, b.waiting())

	none := newBench(t, Key{1}, Config{KeyLen: 1, K: 1, Cache: -1})
	none.heard(at(0x80))
	none.answered(at(0x81), 10)
	none.answered(at(0x82), 10)
	require.Equal(t, []Node{at(0x81)}, slices.Collect(func(yield func(Node) bool) {
		for c := range none.All() {
			yield(c.Node)
		}
	}))
}

func TestOnFullHookAndSwap(t *testing.T) {
	var olds [][]Node
	var newcomers []Node
	cfg := oneByte(2)
	cfg.OnFull = func(old []Node, n Node) { olds, newcomers = append(olds, old), append(newcomers, n) }
	b := newBench(t, Key{1}, cfg)
	b.answered(at(0x80), 10)
	b.wait(time.Second)
	b.answered(at(0x81), 10)
	b.wait(time.Second)
	b.answered(at(0x03), 10)
	b.heard(at(0x80))
	require.False(t, b.answered(at(0x82), 10))
	require.Equal(t, [][]Node{{at(0x81), at(0x80)}}, olds, "longest unheard first")
	require.Equal(t, []Node{at(0x82)}, newcomers)

	require.False(t, b.Swap(at(0x83), at(0x82), b.now), "0x83 is not there")
	require.False(t, b.Swap(at(0x81), at(0x02), b.now), "another bucket's node")
	require.False(t, b.Swap(at(0x81), at(0x80), b.now), "in a bucket already")
	require.True(t, b.Swap(at(0x81), at(0x82), b.now))
	b.check()
	require.ElementsMatch(t, []Node{at(0x80), at(0x82), at(0x03)}, b.live())
	require.False(t, b.Swap(at(0x81), at(0x82), b.now))

	// Swapping from inside the hook.
	b.cfg.OnFull = func(old []Node, n Node) { require.True(t, b.Swap(old[0], n, b.now)) }
	require.True(t, b.answered(at(0x84), 10))
}
