package routing

import (
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, 0x5eed)) }

func TestKeyOfAlignsLeftAndCuts(t *testing.T) {
	require.Equal(t, Key{1, 2, 3}, KeyOf([]byte{1, 2, 3}))
	long := slices.Repeat([]byte{7}, 40)
	require.Equal(t, long[:32], slices.Collect(func(yield func(byte) bool) {
		for _, b := range KeyOf(long) {
			if !yield(b) {
				return
			}
		}
	}))
	require.True(t, KeyOf(nil).IsZero())
	require.Equal(t, "0102", Key{1, 2}.String()[:4])
	require.Len(t, Key{}.String(), 64)
}

func TestCommonBits(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b Key
		want int
	}{
		{"equal", Key{9}, Key{9}, 256},
		{"first bit", Key{0x80}, Key{}, 0},
		{"last bit of the first byte", Key{1}, Key{}, 7},
		{"second byte", Key{1, 0x40}, Key{1}, 9},
		{"third word", Key{20: 1}, Key{}, 167},
		{"very last bit", Key{31: 1}, Key{}, 255},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, CommonBits(c.a, c.b)) })
	}
}

// The distance is an unsigned number: compare with the arithmetic of math/big.
func TestCompareDistanceIsNumeric(t *testing.T) {
	r := seeded(1)
	for range 2000 {
		target := RandomKey(r, 32, Key{}, 0)
		a := RandomKey(r, 32, target, r.IntN(257))
		b := RandomKey(r, 32, target, r.IntN(257))
		da, db := a.Xor(target), b.Xor(target)
		want := new(big.Int).SetBytes(da[:]).Cmp(new(big.Int).SetBytes(db[:]))
		require.Equal(t, want, CompareDistance(target, a, b))
		require.Equal(t, want, da.Compare(db))
		require.Equal(t, 0, CompareDistance(target, a, a))
	}
}

func TestRandomKeyKeepsPrefixAndLength(t *testing.T) {
	r := seeded(2)
	prefix := RandomKey(r, 32, Key{}, 0)
	for _, keyLen := range []int{1, 4, 20, 32} {
		for bits := 0; bits <= 8*keyLen; bits++ {
			k := RandomKey(r, keyLen, prefix, bits)
			require.GreaterOrEqual(t, CommonBits(k, prefix), bits)
			for _, b := range k[keyLen:] {
				require.Zero(t, b)
			}
		}
	}
	require.Equal(t, Key{}, RandomKey(r, -1, prefix, 8))
	require.NotEqual(t, RandomKey(r, 20, prefix, 3), RandomKey(r, 20, prefix, 3))
}

func TestKeyWindow(t *testing.T) {
	k := Key{0b1010_0101, 0b1100_0000, 31: 0b11}
	require.Equal(t, 0b1010, k.window(0, 4))
	require.Equal(t, 0b0101_1100, k.window(4, 8))
	require.Equal(t, 0b1100_0000, k.window(254, 8), "past the end reads zero")
	require.Equal(t, 0, k.window(256, 8))
	require.EqualValues(t, 1, k.bit(0))
	require.EqualValues(t, 0, k.bit(1))
}

func TestSameNetwork(t *testing.T) {
	same := func(a, b string) bool {
		x, y := hostOf(netip.MustParseAddr(a)), hostOf(netip.MustParseAddr(b))
		require.Equal(t, x.net() == y.net(), x.sameNet(&y))
		return x.net() == y.net()
	}
	require.True(t, same("10.1.2.3", "10.1.2.250"))
	require.False(t, same("10.1.2.3", "10.1.3.3"))
	require.True(t, same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"))
	require.False(t, same("2001:db8:1:2::1", "2001:db8:1:3::1"))
	require.False(t, same("10.1.2.3", "::10.1.2.3"), "another family is another network")
	require.True(t, same("10.1.2.3", "::ffff:10.1.2.9"), "mapped is IPv4")
}

func TestUsableAddresses(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.0.0.1:80": true, "[2001:db8::1]:1": true, "127.0.0.1:5": true,
		"10.0.0.1:0": false, "0.0.0.0:80": false, "[::]:80": false, "[fe80::1%eth0]:80": false,
	} {
		require.Equal(t, want, usable(netip.MustParseAddrPort(addr)), addr)
	}
	require.False(t, usable(netip.AddrPort{}))
	mapped := Node{Addr: netip.MustParseAddrPort("[::ffff:10.0.0.1]:7")}
	require.Equal(t, netip.MustParseAddrPort("10.0.0.1:7"), mapped.unmapped().Addr)
}
