package mainline

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/stretchr/testify/require"
)

func peerAt(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 6881)
}

func TestStoreKeepsOnePeerAnAddress(t *testing.T) {
	s := NewPeerStore(StoreConfig{})
	ih := krpc.ID{1}
	p := peerAt(1)
	require.True(t, s.Announce(ih, p, false, testStart))
	moved := netip.AddrPortFrom(p.Addr(), 7000)
	require.True(t, s.Announce(ih, moved, false, testStart))
	require.Equal(t, []netip.AddrPort{moved}, s.AppendPeers(nil, ih, false, 10, testStart))
	require.Empty(t, s.AppendPeers(nil, ih, true, 10, testStart), "families apart")
	require.Empty(t, s.AppendPeers(nil, krpc.ID{2}, false, 10, testStart))
}

func TestStoreForgetsAfterItsLifetime(t *testing.T) {
	s := NewPeerStore(StoreConfig{Lifetime: 45 * time.Minute})
	ih := krpc.ID{1}
	s.Announce(ih, peerAt(1), false, testStart)
	s.Announce(ih, peerAt(2), false, testStart)
	s.Announce(ih, peerAt(2), false, testStart.Add(30*time.Minute))
	require.Len(t, s.AppendPeers(nil, ih, false, 10, testStart.Add(44*time.Minute)), 2)
	require.Equal(t, []netip.AddrPort{peerAt(2)}, s.AppendPeers(nil, ih, false, 10, testStart.Add(45*time.Minute)))
	require.Empty(t, s.AppendPeers(nil, ih, false, 10, testStart.Add(75*time.Minute)))
	hashes, peers := s.Len()
	require.Zero(t, hashes)
	require.Zero(t, peers)
}

func TestStoreBoundsHoldExactly(t *testing.T) {
	cfg := StoreConfig{PerHash: 42, Hashes: 30, Total: 600, Rand: rand.New(rand.NewPCG(1, 2))}
	s := NewPeerStore(cfg)
	rng := rand.New(rand.NewPCG(3, 4))
	most := 0
	for i := range 50_000 {
		ih := krpc.ID{byte(rng.IntN(50)), 1}
		s.Announce(ih, peerAt(rng.IntN(5000)), false, testStart.Add(time.Duration(i)*100*time.Millisecond))
		hashes, peers := s.Len()
		require.LessOrEqual(t, hashes, 30)
		require.LessOrEqual(t, peers, 600)
		most = max(most, peers)
		sum := 0
		if i%1000 == 0 {
			for k, sw := range s.swarms {
				require.LessOrEqual(t, len(sw.peers), 42)
				require.Equal(t, k, s.hashes[sw.at])
				sum += len(sw.peers)
			}
			require.Equal(t, peers, sum)
			for _, n := range s.sources {
				sum -= int(n)
			}
			require.Zero(t, sum)
		}
	}
	require.Equal(t, 600, most, "the bound is reached")
}

func TestStoreFullSwarmRefusesNewcomers(t *testing.T) {
	s := NewPeerStore(StoreConfig{PerHash: 3})
	ih := krpc.ID{1}
	for i := range 3 {
		require.True(t, s.Announce(ih, peerAt(i), false, testStart))
	}
	require.False(t, s.Announce(ih, peerAt(9), false, testStart))
	require.True(t, s.Announce(ih, peerAt(1), false, testStart), "who is in may refresh")
}

func TestStoreSamplesAreRandom(t *testing.T) {
	s := NewPeerStore(StoreConfig{Rand: rand.New(rand.NewPCG(1, 2))})
	ih := krpc.ID{1}
	for i := range 1000 {
		s.Announce(ih, peerAt(i), false, testStart)
	}
	first := s.AppendPeers(nil, ih, false, 100, testStart)
	seen := make(map[netip.AddrPort]bool)
	for _, p := range first {
		require.False(t, seen[p], "drawn twice")
		seen[p] = true
	}
	shared := 0
	for _, p := range s.AppendPeers(nil, ih, false, 100, testStart) {
		if seen[p] {
			shared++
		}
	}
	require.Less(t, shared, 25)
}

func TestStoreGivesASourceLittle(t *testing.T) {
	s := NewPeerStore(StoreConfig{})
	hash := func(i int) krpc.ID { return krpc.ID{byte(i >> 8), byte(i), 1} }
	v6 := func(net, host int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x2a, 7: byte(net), 14: byte(host >> 8), 15: byte(host)}), 1)
	}
	count := func(announce func(i int) bool) (stored int) {
		for i := range 1000 {
			if announce(i) {
				stored++
			}
		}
		return stored
	}
	require.Equal(t, 100, count(func(i int) bool { return s.Announce(hash(i), peerAt(1), false, testStart) }), "one address, many hashes")
	require.True(t, s.Announce(hash(5), peerAt(1), false, testStart), "it may refresh")
	require.Equal(t, 100, count(func(i int) bool { return s.Announce(hash(0), v6(1, i), false, testStart) }), "one /64")
	require.True(t, s.Announce(hash(0), v6(2, 1), false, testStart))
	later := testStart.Add(46 * time.Minute)
	for i := range 1000 {
		s.AppendPeers(nil, hash(i), false, 1, later)
	}
	require.Empty(t, s.sources, "what expired does not count")
	require.True(t, s.Announce(hash(1), peerAt(1), false, later))

	s = NewPeerStore(StoreConfig{PerSource: -1})
	require.Equal(t, 1000, count(func(i int) bool { return s.Announce(hash(i), peerAt(1), false, testStart) }))
}
