package routing

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

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
