package mainline

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

func peer6(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x2a, 1: 2, 6: byte(i >> 8), 7: byte(i), 15: 1}), 6881)
}

// swarmStore holds seeds and other peers of each family under krpc.ID{1}.
func swarmStore(seeds, others int) *MemoryStore {
	s := NewPeerStore(StoreConfig{})
	for i := range seeds + others {
		s.Announce(krpc.ID{1}, peerAt(i), i < seeds, testStart)
		s.Announce(krpc.ID{1}, peer6(i), i < seeds, testStart)
	}
	return s
}

func TestScrapeIsAnsweredWithFiltersAndPeers(t *testing.T) {
	n := dual(t, Config{Peers: swarmStore(25, 25)}, 100)
	tid := strings.Repeat("t", krpc.MaxTID)
	for i, from := range []netip.AddrPort{asker, asker6} {
		args := krpc.GetPeersArgs{InfoHash: krpc.ID{1}, Scrape: true, Want: krpc.WantBoth}
		answers := exchangeAt(n.ends[i], from, query(tid, args))
		m := parsed(t, answers)
		require.LessOrEqual(t, len(answers[0]), maxReply)
		require.Greater(t, len(answers[0]), maxReply-21-4, "no room for another peer")
		require.Equal(t, from.Addr().Is6(), m.HasNodes6())
		require.Equal(t, from.Addr().Is4(), m.HasNodes())
		require.NotNil(t, m.Token())
		seeds, peers := Filter(m.BFsd()), Filter(m.BFpe())
		require.InDelta(t, 50, seeds.Estimate(), 3, "of both families")
		require.InDelta(t, 50, peers.Estimate(), 3)
		values := 0
		for p := range m.Values {
			require.True(t, seeds.Contains(p.Addr()) || peers.Contains(p.Addr()))
			require.Equal(t, from.Addr().Is6(), p.Addr().Is6())
			values++
		}
		require.Positive(t, values)
	}
	n = stepped(t, Config{Peers: n.cfg.Peers}, 8)
	m := parsed(t, exchange(n, asker, query("aa", krpc.GetPeersArgs{InfoHash: krpc.ID{2}, Scrape: true})))
	require.Nil(t, m.BFsd(), "nothing to count")
	require.Nil(t, m.BFpe())
	m = parsed(t, exchange(n, asker, query("aa", krpc.GetPeersArgs{InfoHash: krpc.ID{1}})))
	require.Nil(t, m.BFpe(), "not asked for")
}

func TestSeedsAskForOthers(t *testing.T) {
	n := stepped(t, Config{Peers: swarmStore(700, 200)}, 0)
	ask := func(noSeed bool) (seeds, others int) {
		m := parsed(t, exchange(n, asker, query("aa", krpc.GetPeersArgs{InfoHash: krpc.ID{1}, NoSeed: noSeed})))
		for p := range m.Values {
			if b := p.Addr().As4(); int(b[2])<<8|int(b[3]) < 700 {
				seeds++
			} else {
				others++
			}
		}
		return seeds, others
	}
	seeds, others := ask(true)
	require.Zero(t, seeds)
	require.Greater(t, others, 80)
	seeds, _ = ask(false)
	require.Greater(t, seeds, 60)

	s := swarmStore(500, 3)
	require.Len(t, s.AppendNoSeeds(make([]netip.AddrPort, 2), krpc.ID{1}, false, 100, testStart), 102, "filled up with seeds")
}

// plainStore is a PeerStore that does not tell seeds from others.
type plainStore struct{ PeerStore }

func TestStoreWithoutScrape(t *testing.T) {
	n := stepped(t, Config{Peers: plainStore{swarmStore(5, 5)}}, 0)
	m := parsed(t, exchange(n, asker, query("aa", krpc.GetPeersArgs{InfoHash: krpc.ID{1}, Scrape: true, NoSeed: true})))
	require.Nil(t, m.BFpe())
	require.NotNil(t, m.Field("values"))
}

func TestScrapeAllocatesNothing(t *testing.T) {
	n := stepped(t, Config{Peers: swarmStore(25, 25)}, 100)
	args := krpc.GetPeersArgs{InfoHash: krpc.ID{1}, Scrape: true, NoSeed: true}
	d := socket.Datagram{Payload: query("aa", args), From: asker, At: testStart}
	sent := 0
	out := func(int, netip.AddrPort, []byte) { sent++ }
	n.RPC().Socket().Receive(d, out)
	require.Equal(t, 1, sent)
	require.Zero(t, testing.AllocsPerRun(100, func() { n.RPC().Socket().Receive(d, out) }))
}

// reply returns an answer to get_peers as a lookup hands it out.
func reply(t *testing.T, res *krpc.GetPeersResults) *krpc.Reply {
	t.Helper()
	m, err := krpc.Parse(krpc.AppendResponse(nil, []byte("aa"), make([]byte, 20), res, krpc.Header{}))
	require.NoError(t, err)
	return &krpc.Reply{Message: m, From: routing.Node{Addr: asker}}
}

func filterOf(peers ...int) []byte {
	var f Filter
	for _, i := range peers {
		f.Insert(peerAt(i).Addr())
	}
	return f[:]
}

func TestWhatSeveralNodesKnowIsCountedOnce(t *testing.T) {
	full := make([]byte, filterSize)
	for i := range full {
		full[i] = 0xff
	}
	replies := []*krpc.Reply{
		reply(t, &krpc.GetPeersResults{BFsd: filterOf(1, 2), BFpe: filterOf(3), Values: []netip.AddrPort{peerAt(1), peerAt(3)}}),
		reply(t, &krpc.GetPeersResults{BFsd: filterOf(2), BFpe: filterOf(3, 4, 5)}),
		reply(t, &krpc.GetPeersResults{BFpe: filterOf(6)}),
		reply(t, &krpc.GetPeersResults{Values: []netip.AddrPort{peerAt(1), peerAt(7)}}), // 1 is known as a seed
		reply(t, &krpc.GetPeersResults{BFsd: full, BFpe: full}),
		reply(t, &krpc.GetPeersResults{BFsd: filterOf(), BFpe: filterOf(50, 51), Values: []netip.AddrPort{peerAt(52)}}),
		reply(t, &krpc.GetPeersResults{}),
	}
	var s swarmSum
	for _, r := range replies[:5] {
		s.addFilters(r)
	}
	s.addFilters(replies[5])
	for _, r := range replies[:5] {
		s.addValues(r)
	}
	s.addValues(replies[6])
	require.Equal(t, 3, s.filters)
	require.Equal(t, 1, s.values)
	require.Equal(t, filterOf(1, 2), s.seeds[:])
	require.Equal(t, filterOf(3, 4, 5, 6, 7), s.peers[:])
}
