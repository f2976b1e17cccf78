package attacks

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// announce has somebody fetch a token and announce himself, and reports whether he was taken.
func (s *stage) announce(from netip.AddrPort, hash krpc.ID) bool {
	m := s.reply(from, krpc.ID{1}, krpc.GetPeersArgs{InfoHash: hash})
	if m.Err() != nil || len(m.Token()) == 0 {
		return false
	}
	m = s.reply(from, krpc.ID{1}, krpc.AnnouncePeerArgs{InfoHash: hash, Port: 7000, Token: m.Token()})
	return m.Err() == nil
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Row 12: a million announces, of as many addresses, for ever new hashes and for a few popular ones. The caps hold exactly
// all the time, memory stays small, and what honest nodes announced near our id is still there. Under -short caps and flood
// are a tenth.
func TestStoreExhaustion(t *testing.T) {
	before := heapInUse()
	caps := mainline.StoreConfig{PerHash: size(2000, 200), Hashes: size(4000, 400), Total: size(200_000, 20_000), Rand: rand.New(rand.NewPCG(1, 2))}
	peers := mainline.NewPeerStore(caps)
	s := newStage(t, mainline.Config{NoUpkeep: true, Peers: peers, Inbound: socket.Inbound{PerSource: -1}})
	var honest []krpc.ID
	for i := range size(50, 10) {
		honest = append(honest, s.id(s.node.ID(), 14))
		require.True(t, s.announce(stranger(1<<22+i), honest[i]))
	}
	var popular []krpc.ID
	for range 150 {
		popular = append(popular, s.randomID())
	}
	hashes, held, refused := 0, 0, 0
	total := size(1_000_000, 100_000)
	for i := range total {
		hash := popular[i%len(popular)]
		if i%3 == 0 {
			hash = s.randomID()
		}
		if !s.announce(stranger(i), hash) {
			refused++
		}
		if i%1000 == 0 {
			s.pass(time.Second)
			h, p := peers.Len()
			hashes, held = max(hashes, h), max(held, p)
		}
	}
	require.Equal(t, caps.Hashes, hashes, "the caps are reached, and not passed")
	require.Equal(t, caps.Total, held)
	for _, hash := range popular {
		require.LessOrEqual(t, len(peers.AppendPeers(nil, hash, false, 1<<20, s.now)), caps.PerHash)
	}
	for i, hash := range honest {
		require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(stranger(1<<22+i).Addr(), 7000)}, peers.AppendPeers(nil, hash, false, 10, s.now))
	}
	grown := int64(heapInUse()) - int64(before)
	t.Logf("%d announces, %d refused; %d hashes with %d peers at most, %.1f MB", total, refused, hashes, held, float64(grown)/1e6)
	require.Less(t, grown, int64(64<<20))
	runtime.KeepAlive(s)
}

// One address that announces itself for everything gets a hundred places.
func TestOneAddressFillsNoStore(t *testing.T) {
	peers := mainline.NewPeerStore(mainline.StoreConfig{})
	s := newStage(t, mainline.Config{NoUpkeep: true, Peers: peers})
	taken := 0
	for range size(100_000, 10_000) {
		hash := s.randomID()
		if token := s.token(stranger(1), hash); token != nil && s.ask(stranger(1), krpc.ID{1}, krpc.AnnouncePeerArgs{InfoHash: hash, Port: 1, Token: token}) {
			taken++
		}
		s.pass(20 * time.Millisecond)
	}
	_, held := peers.Len()
	require.LessOrEqual(t, held, 100)
	require.LessOrEqual(t, taken, 25*(1+int(s.now.Sub(begin)/(5*time.Minute))))
}

// token asks for a token, nil if there is no answer.
func (s *stage) token(from netip.AddrPort, hash krpc.ID) (token []byte) {
	s.spy = func(_ netip.AddrPort, b []byte) {
		if m, err := krpc.Parse(b); err == nil {
			token = append(token, m.Token()...)
		}
	}
	s.ask(from, krpc.ID{1}, krpc.GetPeersArgs{InfoHash: hash})
	s.spy = nil
	return token
}

// Row 12, items: nobody keeps more than his share, and the cap holds.
func TestItemExhaustion(t *testing.T) {
	before := heapInUse()
	store := mainline.NewItemStore(mainline.ItemStoreConfig{})
	s := newStage(t, mainline.Config{NoUpkeep: true, Items: store, Inbound: socket.Inbound{PerSource: -1}})
	value := make([]byte, 0, 1000)
	put := func(from netip.AddrPort, n int) bool {
		value = append(value[:0], "996:"...)
		for range 996 / 4 {
			value = append(value, byte(n), byte(n>>8), byte(n>>16), 'x')
		}
		item := mainline.Item{V: value}
		m := s.reply(from, krpc.ID{1}, krpc.GetArgs{Target: item.Target()})
		m = s.reply(from, krpc.ID{1}, krpc.PutArgs{V: value, Token: m.Token()})
		return m.Err() == nil
	}
	taken := 0
	for i := range 100 {
		if put(stranger(1), i) {
			taken++
		}
	}
	require.Equal(t, 20, taken)
	for i := range size(100_000, 10_000) {
		put(stranger(2+i), 1000+i)
		if i%1000 == 0 {
			require.LessOrEqual(t, store.Len(), 2000)
		}
	}
	require.Equal(t, 2000, store.Len())
	grown := int64(heapInUse()) - int64(before)
	t.Logf("2000 items: %.1f MB", float64(grown)/1e6)
	require.Less(t, grown, int64(16<<20))
	runtime.KeepAlive(s)
}
