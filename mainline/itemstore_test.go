package mainline

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// checkInvariants fails unless the parts of the store agree.
func (s *MemoryItems) checkInvariants(t *testing.T) {
	t.Helper()
	require.Len(t, s.targets, len(s.items))
	for i, target := range s.targets {
		require.Equal(t, i, s.items[target].at)
	}
	listed, sources := 0, map[netip.Addr]int{}
	var last *stored
	for e := s.oldest; e != nil; last, e = e, e.next {
		require.Same(t, e, s.items[e.target])
		require.Same(t, last, e.prev)
		require.False(t, last != nil && e.until.Before(last.until), "in the order of expiry")
		listed++
		sources[e.source]++
	}
	require.Same(t, last, s.newest)
	require.Equal(t, len(s.items), listed)
	require.Equal(t, sources, s.sources)
}

func TestItemStoreHoldsItsBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	s := NewItemStore(ItemStoreConfig{Items: 50, PerSource: 5, Rand: rng})
	now := testStart
	kept := map[netip.Addr]int{}
	for i := range 5000 {
		now = now.Add(time.Duration(rng.IntN(60)) * time.Second)
		target := krpc.ID{byte(rng.IntN(256)), byte(rng.IntN(2))}
		source := netip.AddrFrom4([4]byte{45, 1, 1, byte(rng.IntN(40))})
		if s.Put(target, &Item{V: []byte{byte(i)}}, source, now) {
			if s.Get(target, now).V[0] != byte(i) {
				t.Fatal("what was put is not there")
			}
			kept[source]++
		}
		if s.Len() > 50 || s.sources[source] > 5 {
			t.Fatal("more than there is room for", s.Len(), s.sources[source])
		}
		if i%250 == 0 {
			s.checkInvariants(t)
		}
	}
	require.Len(t, kept, 40)
	require.Equal(t, 50, s.Len())
	s.Get(krpc.ID{}, now.Add(2*time.Hour))
	require.Zero(t, s.Len())
	s.checkInvariants(t)
}

func TestItemStoreForgetsWhatIsNotRefreshed(t *testing.T) {
	s := NewItemStore(ItemStoreConfig{})
	a, b := &Item{V: []byte("1:a")}, &Item{V: []byte("1:b")}
	at := func(d time.Duration) time.Time { return testStart.Add(d) }
	s.Put(a.Target(), a, asker.Addr(), at(0))
	s.Put(b.Target(), b, asker.Addr(), at(0))
	s.Put(a.Target(), a, asker.Addr(), at(time.Hour))
	require.NotNil(t, s.Get(b.Target(), at(2*time.Hour-1)))
	var all []*Item
	for it := range s.All(at(2*time.Hour - 1)) {
		all = append(all, it.Item)
	}
	require.Equal(t, []*Item{b, a}, all)
	require.Nil(t, s.Get(b.Target(), at(2*time.Hour)))
	require.NotNil(t, s.Get(a.Target(), at(3*time.Hour-1)))
	require.Nil(t, s.Get(a.Target(), at(3*time.Hour)))
}

func TestItemStoreOfOneSourceIsBounded(t *testing.T) {
	s := NewItemStore(ItemStoreConfig{})
	stored := 0
	for i := range 100 {
		a := netip.AddrFrom16([16]byte{0: 0x2a, 15: byte(i)}) // one /64
		if s.Put(krpc.ID{byte(i)}, &Item{}, a, testStart) {
			stored++
		}
	}
	require.Equal(t, 20, stored)
	require.True(t, s.Put(krpc.ID{3}, &Item{}, netip.MustParseAddr("2a00::1"), testStart), "a refresh")
	require.True(t, s.Put(krpc.ID{200}, &Item{}, asker.Addr(), testStart), "somebody else")

	open := NewItemStore(ItemStoreConfig{PerSource: -1})
	for i := range 100 {
		require.True(t, open.Put(krpc.ID{byte(i)}, &Item{}, asker.Addr(), testStart))
	}
}

func TestFarItemsGiveWay(t *testing.T) {
	s := NewItemStore(ItemStoreConfig{Items: 200, PerSource: -1, Own: krpc.ID{0xff}, Rand: rand.New(rand.NewPCG(1, 2))})
	s.SetOwn(krpc.ID{})
	rng := rand.New(rand.NewPCG(3, 4))
	for range 5000 {
		s.Put(randomID(rng), &Item{}, asker.Addr(), testStart)
	}
	require.Equal(t, 200, s.Len())
	near := 0
	for target := range s.items {
		if routing.CompareDistance(routing.Key{}, target.Key(), routing.Key{0x20}) < 0 {
			near++
		}
	}
	require.Greater(t, near, 190, "of the nearest eighth")
	require.False(t, s.Put(krpc.ID{0xff}, &Item{}, asker.Addr(), testStart), "farther than all")
}

func TestFullItemStoreStaysSmall(t *testing.T) {
	s := NewItemStore(ItemStoreConfig{})
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		s.Put(randomID(rng), &Item{}, randomAddr4(rng), testStart)
	}
	require.Equal(t, 2000, s.Len())
	require.LessOrEqual(t, cap(s.targets), 2*2000)
	require.LessOrEqual(t, len(s.sources), 2000)
}
