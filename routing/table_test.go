package routing

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var t0 = time.Unix(1_800_000_000, 0)

// addr returns the i-th address of a series in which every one has a /24 of its own.
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(1 + i>>16), byte(i >> 8), byte(i), 1}), 6881)
}

// at returns the node of the one-byte key k at the address that goes with it.
func at(k byte) Node { return Node{Key: Key{k}, Addr: addr(int(k))} }

// bench is a table whose invariants are checked after every step.
type bench struct {
	*Table
	t   testing.TB
	now time.Time
}

func newBench(t testing.TB, self Key, cfg Config) *bench {
	return &bench{NewTable(self, cfg), t, t0}
}

func (b *bench) check() {
	b.t.Helper()
	require.NoError(b.t, b.Check())
}

func (b *bench) answered(n Node, ms int) bool {
	b.t.Helper()
	ok := b.Answered(n, time.Duration(ms)*time.Millisecond, b.now)
	b.check()
	require.Equal(b.t, ok, b.has(n), "Answered must tell whether the node is in a bucket")
	return ok
}

func (b *bench) heard(n Node)  { b.t.Helper(); b.Heard(n, b.now); b.check() }
func (b *bench) failed(n Node) { b.t.Helper(); b.Failed(n, b.now); b.check() }

func (b *bench) wait(d time.Duration) { b.now = b.now.Add(d) }

func (b *bench) due() []Task {
	b.t.Helper()
	tasks, next := b.Due(nil, b.now)
	b.check()
	require.True(b.t, next.After(b.now), "the next wake-up lies ahead")
	return tasks
}

func (b *bench) pings() []Node {
	b.t.Helper()
	var nodes []Node
	for _, task := range b.due() {
		if task.Kind == Ping {
			nodes = append(nodes, task.Node)
		}
	}
	return nodes
}

// live returns the nodes in buckets; has looks for one of them.
func (b *bench) live() (nodes []Node) {
	for i := range b.buckets {
		for j := range b.buckets[i].live {
			nodes = append(nodes, b.buckets[i].live[j].node())
		}
	}
	return nodes
}

func (b *bench) has(n Node) bool { return slices.Contains(b.live(), n) }

// waiting returns the candidates.
func (b *bench) waiting() (nodes []Node) {
	for c := range b.All() {
		if !b.has(c.Node) {
			nodes = append(nodes, c.Node)
		}
	}
	return nodes
}

func oneByte(k int) Config { return Config{KeyLen: 1, K: k} }

func TestOnlyAnswersFillBuckets(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.heard(at(0x80))
	require.Empty(t, b.live())
	require.Equal(t, []Node{at(0x80)}, b.waiting())
	require.Empty(t, b.AppendClosest(nil, Key{0x80}, 8), "a node that never answered is never handed out")

	require.True(t, b.answered(at(0x80), 10))
	require.Empty(t, b.waiting())
	require.Equal(t, []Node{at(0x80)}, b.AppendClosest(nil, Key{0x80}, 8))
	require.Equal(t, 1, b.Len())
}

func TestRefusedNodes(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	for name, n := range map[string]Node{
		"ourselves":          at(1),
		"zero id":            {Addr: addr(5)},
		"id too long":        {Key: Key{5, 1}, Addr: addr(5)},
		"port zero":          {Key: Key{5}, Addr: netip.AddrPortFrom(addr(5).Addr(), 0)},
		"no address":         {Key: Key{5}},
		"address of one NIC": {Key: Key{5}, Addr: netip.MustParseAddrPort("[fe80::1%eth0]:6881")},
	} {
		t.Run(name, func(t *testing.T) {
			b.heard(n)
			require.False(t, b.answered(n, 10))
			require.Empty(t, slices.Collect(b.All()))
		})
	}
}

func TestMappedAddressIsTheIPv4Address(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.Answered(Node{Key{5}, netip.MustParseAddrPort("[::ffff:10.0.0.1]:7")}, 0, b.now)
	require.Equal(t, []Node{{Key{5}, netip.MustParseAddrPort("10.0.0.1:7")}}, b.live())
	b.Failed(Node{Key{5}, netip.MustParseAddrPort("[::ffff:10.0.0.1]:7")}, b.now)
	require.Equal(t, 1, slices.Collect(b.All())[0].Fails)
}

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

// fill answers for n random nodes and returns them.
func (b *bench) fill(seed uint64, n int) []Node {
	r := seeded(seed)
	nodes := make([]Node, n)
	for i := range nodes {
		nodes[i] = Node{RandomKey(r, b.cfg.KeyLen, Key{}, 0), addr(i)}
		b.Answered(nodes[i], time.Duration(10+r.IntN(300))*time.Millisecond, b.now)
	}
	b.check()
	return nodes
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

func TestAppendClosestIsExact(t *testing.T) {
	for name, cfg := range map[string]Config{
		"mainline": {}, "wide": {Far: WideFar}, "huge": {K: 1000}, "deep": {K: 1}, "long ids": {KeyLen: 32, K: 20},
		"no net limit": {PerNetBucket: -1, PerNetTable: -1, PerIP: -1},
	} {
		t.Run(name, func(t *testing.T) {
			r := seeded(4)
			b := newBench(t, RandomKey(r, 20, Key{}, 0), cfg)
			b.fill(5, 1500)
			for i, n := range b.live() {
				if i%7 == 0 {
					b.Failed(n, b.now)
					b.Answered(b.live()[0], 0, b.now)
				}
			}
			var want []Node
			for c := range b.All() {
				if c.Fails == 0 && b.has(c.Node) {
					want = append(want, c.Node)
				}
			}
			for range 100 {
				target := RandomKey(r, b.cfg.KeyLen, b.Self(), r.IntN(20))
				slices.SortFunc(want, func(x, y Node) int { return CompareDistance(target, x.Key, y.Key) })
				for _, n := range []int{1, 8, 16, 17, 100} {
					n = min(n, len(want))
					require.Equal(t, want[:n], b.AppendClosest(nil, target, n))
				}
			}
			require.Equal(t, len(want), len(b.AppendClosest(nil, b.Self(), 2*len(want))), "more than there are: all")
			kept := []Node{at(7)}
			require.Equal(t, at(7), b.AppendClosest(kept, b.Self(), 3)[0], "what dst holds stays")
			require.Empty(t, b.AppendClosest(nil, b.Self(), 0))
			require.Empty(t, b.AppendClosest(nil, b.Self(), -1))
		})
	}
}

// Keys made to agree in their first 64 bits are told apart by the rest.
func TestAppendClosestOfTwins(t *testing.T) {
	r := seeded(34)
	b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{K: 40})
	stem := RandomKey(r, 20, Key{}, 0)
	for i := range 40 {
		b.answered(Node{RandomKey(r, 20, stem, 64), addr(i)}, 1)
	}
	b.failed(b.live()[3])
	want := slices.Delete(b.live(), 3, 4)
	for range 20 {
		target := RandomKey(r, 20, stem, 64)
		slices.SortFunc(want, func(x, y Node) int { return CompareDistance(target, x.Key, y.Key) })
		for _, n := range []int{1, 8, 39} {
			require.Equal(t, want[:n], b.AppendClosest(nil, target, n))
		}
		require.Equal(t, want, b.AppendClosest(nil, target, 40))
	}
}

func TestAppendClosestAllocatesNothing(t *testing.T) {
	for _, far := range [][]int{nil, WideFar} {
		r := seeded(6)
		b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{Far: far})
		b.fill(7, 5000)
		dst, target := make([]Node, 0, 64), RandomKey(r, 20, Key{}, 0)
		require.Zero(t, testing.AllocsPerRun(100, func() { dst = b.AppendClosest(dst[:0], target, 8) }))
		require.Zero(t, testing.AllocsPerRun(100, func() { dst = b.AppendClosest(dst[:0], target, 40) }))
	}
}

func TestKnownIDAtAnotherAddress(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(8))
	moved := Node{Key{0x80}, addr(999)}
	b.answered(at(0x80), 10)
	require.False(t, b.answered(moved, 10), "the old one is sound: an impostor")
	b.heard(moved)
	require.Equal(t, []Node{at(0x80)}, b.live())
	b.failed(at(0x80))
	require.True(t, b.answered(moved, 10), "the old one fails: it has moved")
	require.Equal(t, []Node{moved}, b.live())
}

func TestKnownAddressWithAnotherID(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(8))
	b.answered(at(0x80), 10)
	other := Node{Key{0x90}, at(0x80).Addr}
	b.heard(other)
	require.Equal(t, []Node{at(0x80)}, b.live(), "a query proves nothing, anybody can send it")
	require.Empty(t, b.waiting())
	require.False(t, b.answered(other, 10))
	require.Empty(t, slices.Collect(b.All()), "the old entry goes, the new id does not come")
	require.True(t, b.answered(other, 10), "but may the next time")
}

func TestUnverifiedClaimsDoNotStandInTheWay(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(8))
	b.heard(Node{Key{0x90}, at(0x80).Addr})
	b.heard(Node{Key{0x80}, addr(999)})
	require.True(t, b.answered(at(0x80), 10))
	require.Empty(t, b.waiting())
}

// Attack 6: one machine, however many ids and ports it has, is one node.
func TestOneNodePerAddress(t *testing.T) {
	r := seeded(8)
	b := newBench(t, Key{1}, Config{})
	for i := range 1000 {
		n := Node{RandomKey(r, 20, Key{}, 0), netip.AddrPortFrom(addr(1).Addr(), uint16(1000+i))}
		b.heard(n)
		b.answered(n, 1)
	}
	require.Len(t, slices.Collect(b.All()), 1)
}

// Attack 7: a whole /24 gets two entries of a bucket and ten of the table.
func TestOneNetGetsFewEntries(t *testing.T) {
	for name, ip := range map[string]func(i int) netip.Addr{
		"/24": func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}) },
		"/64": func(i int) netip.Addr {
			return netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 7: 9, 14: byte(i >> 8), 15: byte(i)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := seeded(9)
			self := RandomKey(r, 20, Key{}, 0)
			b := newBench(t, self, Config{Far: WideFar})
			b.fill(10, 5000)
			hostile := map[netip.Addr]bool{}
			for i := 1; i < 256; i++ {
				n := Node{RandomKey(r, 20, self, r.IntN(12)), netip.AddrPortFrom(ip(i), 1)}
				hostile[n.Addr.Addr()] = true
				b.heard(n)
				b.answered(n, 1)
			}
			count := 0
			for _, n := range b.live() {
				if hostile[n.Addr.Addr()] {
					count++
				}
			}
			require.LessOrEqual(t, count, 10)
			require.Positive(t, count)
			require.Greater(t, b.Len(), 250)
		})
	}
}

func TestPrivateNetworkHasNoLimits(t *testing.T) {
	b := newBench(t, Key{1}, Config{KeyLen: 1, K: 300, PerIP: -1, PerNetBucket: -1, PerNetTable: -1})
	for k := 2; k < 256; k++ {
		n := Node{Key{byte(k)}, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(k))}
		require.True(t, b.answered(n, 1))
	}
	require.Equal(t, 254, b.Len())
	require.False(t, b.answered(Node{Key{1: 0, 0: 250}, netip.MustParseAddrPort("127.0.0.1:2")}, 1))
}

func TestFailuresRemove(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x81)}, b.AppendClosest(nil, Key{0x80}, 8), "failing nodes are not handed out")
	b.answered(at(0x80), 10)
	require.Equal(t, []Node{at(0x80), at(0x81)}, b.AppendClosest(nil, Key{0x80}, 8), "an answer clears the count")
	for range 2 {
		b.failed(at(0x80))
	}
	b.failed(Node{Key{0x80}, addr(999)})
	require.True(t, b.has(at(0x80)), "a failure of the id elsewhere is not this node's")
	b.failed(at(0x80))
	require.False(t, b.has(at(0x80)))
}

func TestVerifiedCandidateReplacesAFailingNode(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.heard(at(0x82))
	b.failed(at(0x80))
	b.failed(at(0x80))
	require.Equal(t, []Node{at(0x80), at(0x81)}, b.live(), "an unverified one does not move up")
	require.True(t, b.answered(at(0x82), 10), "two failures: a newcomer that answers takes the place")
	require.ElementsMatch(t, []Node{at(0x81), at(0x82)}, b.live())

	require.False(t, b.answered(at(0x83), 10))
	require.Equal(t, []Node{at(0x83)}, b.waiting())
	b.failed(at(0x81))
	b.failed(at(0x81))
	require.ElementsMatch(t, []Node{at(0x82), at(0x83)}, b.live(), "the verified candidate moves up")
}

func TestStaleCandidateIsAskedBeforeItMovesUp(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(1))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.wait(16 * time.Minute)
	require.Equal(t, []Node{at(0x80)}, b.pings(), "while its node may be alive a candidate is left alone")
	b.Remove(at(0x80))
	b.check()
	require.Empty(t, b.AppendClosest(nil, Key{}, 8))
	require.Equal(t, []Node{at(0x81)}, b.pings())
	require.True(t, b.answered(at(0x81), 10))
}

func TestRemove(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(1))
	b.answered(at(0x80), 10)
	b.answered(at(0x81), 10)
	b.Remove(Node{Key{0x80}, addr(999)})
	require.Equal(t, []Node{at(0x80)}, b.live(), "another address: not this one")
	b.Remove(at(0x80))
	b.check()
	require.Equal(t, []Node{at(0x81)}, b.live(), "the candidate moves up at once")
	b.heard(at(0x82))
	b.Remove(Node{Key: Key{0x82}})
	b.Remove(Node{Key: Key{0x81}})
	b.Remove(at(0x99))
	require.Empty(t, slices.Collect(b.All()))
}

// Attack 17: an outage must not empty the table.
func TestOwnLinkDown(t *testing.T) {
	b := newBench(t, RandomKey(seeded(11), 20, Key{}, 0), Config{})
	b.fill(12, 3000)
	before := b.live()
	for range 3600 {
		b.wait(time.Second)
		for _, n := range b.pings() {
			b.failed(n)
		}
	}
	kept := slices.DeleteFunc(before[:len(before):len(before)], func(n Node) bool { return !b.has(n) })
	require.GreaterOrEqual(t, float64(len(kept)), 0.95*float64(b.Len()))

	b.answered(kept[0], 10)
	revived := 0
	for range 60 {
		b.wait(time.Second)
		for _, n := range b.pings() {
			b.answered(n, 10)
			revived++
		}
	}
	require.GreaterOrEqual(t, revived, b.Len()-1, "after one answer all are asked again, quickly")
	require.Len(t, b.AppendClosest(nil, b.Self(), 1000), b.Len())
}

func TestLinkDownIsProbedSlowly(t *testing.T) {
	b := newBench(t, RandomKey(seeded(13), 20, Key{}, 0), Config{})
	b.fill(14, 500)
	for i := range linkDown {
		b.failed(Node{Key{byte(i + 1)}, addr(90_000 + i)})
	}
	probes := 0
	for range 600 {
		b.wait(time.Second)
		probes += len(b.due())
	}
	require.InDelta(t, 60, probes, 1)
}

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

func TestRebaseKeepsSurvivors(t *testing.T) {
	r := seeded(15)
	b := newBench(t, RandomKey(r, 20, Key{}, 0), Config{})
	b.fill(16, 2000)
	for i := range 40 {
		b.heard(Node{RandomKey(r, 20, b.Self(), i%10), addr(100_000 + i)})
	}
	before := map[Node]bool{}
	for c := range b.All() {
		before[c.Node] = c.Verified
	}
	live := b.live()
	self := RandomKey(r, 20, Key{}, 0)
	b.Rebase(self, b.now)
	b.check()
	require.Equal(t, self, b.Self())
	require.Positive(t, b.Len())
	for _, n := range b.live() {
		require.True(t, before[n], "only nodes that had answered")
	}
	for c := range b.All() {
		require.Contains(t, before, c.Node)
	}
	require.Less(t, b.Len(), len(live), "around another point fewer of them fit")

	b.Rebase(b.live()[0].Key, b.now)
	b.check()
	b.Clear()
	b.check()
	require.Empty(t, slices.Collect(b.All()))
	require.Equal(t, 1, b.Buckets())
}

func TestAllStopsWhenTold(t *testing.T) {
	b := newBench(t, Key{1}, oneByte(2))
	for k := byte(0x80); k < 0x84; k++ {
		b.answered(at(k), 10)
	}
	for stop := 1; stop <= 4; stop++ {
		n := 0
		for c := range b.All() {
			require.True(t, c.Verified)
			require.Equal(t, t0, c.Seen)
			if n++; n == stop {
				break
			}
		}
		require.Equal(t, stop, n)
	}
}
