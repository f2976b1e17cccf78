package mainline

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

func randomAddr4(rng *rand.Rand) netip.Addr {
	for {
		n := rng.Uint32()
		a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		if a.IsGlobalUnicast() && !exempt(a) {
			return a
		}
	}
}

func randomID(rng *rand.Rand) (id krpc.ID) {
	for i := range id {
		id[i] = byte(rng.Uint32())
	}
	return id
}

func TestSecureIDKeepsWhatIsFree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		ip, id := randomAddr4(rng), randomID(rng)
		got := SecureID(ip, id)
		require.True(t, Suits(got, ip))
		require.Equal(t, id[3:], got[3:])
		require.Equal(t, id[2]&7, got[2]&7)
		require.Equal(t, got, SecureID(ip, got))
	}
	require.False(t, Suits(krpc.ID{}, netip.Addr{}))
	require.Equal(t, krpc.ID{9}, SecureID(netip.MustParseAddr("192.168.1.7"), krpc.ID{9}), "exempt")
}

// Without it, one lucky address would have every id: see the attacks that BEP 42 is for.
func TestFewIDsSuitAForeignAddress(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	suit := 0
	for range 250_000 {
		if Suits(randomID(rng), netip.AddrFrom4([4]byte{124, 31, 75, 21})) {
			suit++
		}
	}
	require.Less(t, suit, 4, "one of 2^21")
}

func TestSecureIDsAreUniform(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const buckets, each = 16, 12_000
	var count [buckets]int
	for range buckets * each {
		id := SecureID(randomAddr4(rng), randomID(rng))
		count[id[0]>>4]++
	}
	for i, n := range count {
		require.InEpsilon(t, each, n, 0.05, "bucket %d", i)
	}
}

func TestSuitsAllocatesNothing(t *testing.T) {
	id := krpc.ID{1}
	for _, a := range []string{"124.31.75.21", "2001:b829:2123:be84::1", "::ffff:1.2.3.4", "10.0.0.1"} {
		ip := netip.MustParseAddr(a)
		require.Zero(t, testing.AllocsPerRun(100, func() { Suits(id, ip) }), a)
	}
}

func BenchmarkSuits(b *testing.B) {
	id, ip := krpc.ID{1}, netip.MustParseAddr("124.31.75.21")
	b.ReportAllocs()
	for b.Loop() {
		Suits(id, ip)
	}
}
