package attacks

import (
	"bytes"
	"crypto/ed25519"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// wants are queries with long answers, under a name of their own each.
func wants(hash krpc.ID) map[string]krpc.Args {
	return map[string]krpc.Args{
		"ping":              krpc.PingArgs{},
		"find_node":         krpc.FindNodeArgs{Target: hash},
		"find_node want":    krpc.FindNodeArgs{Target: hash, Want: krpc.WantBoth},
		"get_peers":         krpc.GetPeersArgs{InfoHash: hash},
		"get_peers want":    krpc.GetPeersArgs{InfoHash: hash, Want: krpc.WantBoth},
		"scrape":            krpc.GetPeersArgs{InfoHash: hash, Scrape: true},
		"announce_peer":     krpc.AnnouncePeerArgs{InfoHash: hash, Port: 1, Token: []byte("a token?")},
		"get":               krpc.GetArgs{Target: hash},
		"get want":          krpc.GetArgs{Target: hash, Want: krpc.WantBoth},
		"put":               krpc.PutArgs{V: []byte("5:value"), Token: []byte("a token?")},
		"sample_infohashes": krpc.SampleArgs{Target: hash},
		"sample want":       krpc.SampleArgs{Target: hash, Want: krpc.WantBoth},
		"unknown":           krpc.RawArgs{Name: "x", Fields: map[string]any{"target": string(hash[:])}},
		"unknown, no id":    krpc.RawArgs{Name: "x"},
	}
}

// generous is a node that has much to say about hash.
func generous(t testing.TB, cfg mainline.Config, hash krpc.ID) *stage {
	cfg.NoUpkeep = true
	peers, items := mainline.NewPeerStore(mainline.StoreConfig{}), mainline.NewItemStore(mainline.ItemStoreConfig{})
	cfg.Peers, cfg.Items = peers, items
	s := newStage(t, cfg)
	s.know(s.public(300))
	for i := range 2000 {
		peers.Announce(hash, stranger(i), i%2 == 0, s.now)
		peers.Announce(s.randomID(), stranger(i), false, s.now)
	}
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	item, err := mainline.SignItem(key, nil, 1<<53, strings.Repeat("v", 996))
	require.NoError(t, err)
	items.Put(hash, item, stranger(1).Addr(), s.now)
	return s
}

// Row 2: no answer is longer than 1,200 bytes, or twelve times as long as its query; in a terse node 3.2 times.
func TestAmplification(t *testing.T) {
	for _, terse := range []bool{false, true} {
		hash, limit := krpc.ID{9}, 12.
		if terse {
			limit = 3.2
		}
		s := generous(t, mainline.Config{Inbound: socket.Inbound{PerSource: -1}, Terse: terse}, hash)
		most := 0.
		for name, args := range wants(hash) {
			for tid := range 33 {
				id := s.randomID()
				query := krpc.AppendQuery(nil, make([]byte, tid), id[:], args, krpc.Header{})
				longest := 0
				s.spy = func(_ netip.AddrPort, b []byte) { longest = max(longest, len(b)) }
				s.receive(stranger(tid), query)
				require.LessOrEqual(t, longest, 1200, name)
				gain := float64(longest) / float64(len(query))
				require.LessOrEqual(t, gain, limit, name)
				most = max(most, gain)
			}
		}
		t.Logf("terse %v: the longest answer is %.1f times its query", terse, most)
		require.Greater(t, most, 0.7*limit, "long answers were asked for")
	}
}

// A flood in the name of ten thousand victims, who are really served by one node, each asked for much.
func TestReflection(t *testing.T) {
	const victims = 10_000
	hash := krpc.ID{9}
	in := socket.PublicInbound()
	in.Bytes = 0 // which would end it much sooner
	s := generous(t, mainline.Config{Inbound: in}, hash)
	type toll struct {
		packets int
		first   time.Time
		last    time.Time
	}
	got := make(map[netip.AddrPort]*toll, victims)
	s.spy = func(to netip.AddrPort, b []byte) {
		v := got[to]
		if v == nil {
			v = &toll{first: s.now}
			got[to] = v
		}
		v.packets++
		v.last = s.now
	}
	sent := 0
	for range size(60, 52) { // each victim named ten times a second
		for i := range victims {
			s.ask(stranger(i), krpc.ID{1}, krpc.FindNodeArgs{Target: hash})
		}
		sent += victims
		s.pass(100 * time.Millisecond)
	}
	for range 20 { // and on, for five minutes
		for i := range victims {
			s.ask(stranger(i), krpc.ID{1}, krpc.FindNodeArgs{Target: hash})
		}
		sent += victims
		s.pass(14 * time.Second)
	}
	require.Len(t, got, victims)
	packets := 0
	for _, v := range got {
		require.LessOrEqual(t, v.packets, 50)
		require.LessOrEqual(t, v.last.Sub(v.first), 10*time.Second)
		packets += v.packets
	}
	t.Logf("%.1f packets a victim, of %d", float64(packets)/victims, sent/victims)

	in = socket.PublicInbound()
	limited := generous(t, mainline.Config{Inbound: in}, hash)
	for range 100 {
		for i := range 1000 {
			limited.ask(stranger(i), krpc.ID{1}, krpc.GetPeersArgs{InfoHash: hash})
		}
		limited.pass(100 * time.Millisecond)
	}
	require.LessOrEqual(t, float64(limited.bytes), 1.05*float64(in.Bytes)*13, "a megabit a second for all of them, and three seconds' worth at once")
}
