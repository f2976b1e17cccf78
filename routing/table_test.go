package routing

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

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
