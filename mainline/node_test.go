package mainline_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// lab is a network of nodes in memory, inside a synctest bubble: it ends with a panic if a goroutine is left.
type lab struct {
	t     *testing.T
	net   *simnet.Net
	nodes []*mainline.Node
}

// newLab starts n nodes, each with an address in a /24 of its own, that join through the first and keep their ids.
func newLab(t *testing.T, n int) *lab {
	l := &lab{t: t, net: simnet.New(simnet.Config{Seed: 1})}
	t.Cleanup(func() {
		for _, node := range l.nodes {
			node.Close()
		}
		l.net.Close()
	})
	for range n {
		l.add(mainline.Config{Secure: mainline.SecureOff})
	}
	return l
}

func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i >> 8), byte(i), 1}), 6881)
}

// seed is what node i draws from, so that tests do the same each time.
func seed(i int) *[32]byte { return &[32]byte{1, byte(i), byte(i >> 8)} }

func (l *lab) add(cfg mainline.Config) *mainline.Node {
	l.t.Helper()
	i := len(l.nodes)
	if i > 0 && cfg.Bootstrap == nil && cfg.Nodes == nil {
		cfg.Bootstrap = []string{addr(0).String()}
	}
	cfg.Seed = seed(i)
	node, err := mainline.New(cfg, l.net.Listen(addr(i)))
	require.NoError(l.t, err)
	l.nodes = append(l.nodes, node)
	require.NoError(l.t, node.Ready(l.t.Context()))
	time.Sleep(2 * time.Minute) // a newcomer is asked after 90 s, and listed then
	return node
}

func TestAnnouncedPeersAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 50)
		ih := krpc.ID{0x77}
		want := make(map[netip.AddrPort]bool)
		for i := 10; i < 20; i++ {
			stored := 0
			for _, err := range l.nodes[i].Announce(ih, uint16(7000+i)).Stored(t.Context()) {
				require.NoError(t, err)
				stored++
			}
			require.Equal(t, 8, stored)
			want[netip.AddrPortFrom(addr(i).Addr(), uint16(7000+i))] = true
		}
		got := make(map[netip.AddrPort]bool)
		lookup := l.nodes[40].GetPeers(ih)
		for p, err := range lookup.Peers(t.Context()) {
			require.NoError(t, err)
			require.False(t, got[p], "each peer once")
			got[p] = true
		}
		require.Equal(t, want, got)
		require.Len(t, lookup.ClosestReplies(), 8)

		// The second step on the same handle.
		for _, err := range lookup.Announce(1234, mainline.ImpliedPort()).Stored(t.Context()) {
			require.NoError(t, err)
		}
		got = make(map[netip.AddrPort]bool)
		for p := range l.nodes[3].GetPeers(ih).Peers(t.Context()) {
			got[p] = true
		}
		require.True(t, got[addr(40)], "the source port, not 1234")
	})
}

func TestBreakOutOfPeersLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 40)
		ih := krpc.ID{0x77}
		for range l.nodes[1].Announce(ih, 1).Stored(t.Context()) {
		}
		asker := l.add(mainline.Config{NoUpkeep: true}) // whose only queries are those of its lookups
		for range asker.GetPeers(ih).Peers(t.Context()) {
			break
		}
		require.Zero(t, asker.RPC().InFlight())
		for range asker.FindNode(ih).Nodes(t.Context()) {
			break
		}
		require.Zero(t, asker.RPC().InFlight())
		for range asker.Announce(ih, 2).Stored(t.Context()) {
			break
		}
		require.Zero(t, asker.RPC().InFlight())
	})
}

func TestTwoNodesAreANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		ih := krpc.ID{1}
		for n, err := range l.nodes[1].Announce(ih, 7000).Stored(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, addr(0), n.Addr)
		}
		for p, err := range l.nodes[0].GetPeers(ih).Peers(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, netip.AddrPortFrom(addr(1).Addr(), 7000), p)
		}
	})
}

func TestPingTellsHowWeAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		pong, err := l.nodes[1].Ping(t.Context(), addr(0))
		require.NoError(t, err)
		require.Equal(t, l.nodes[0].ID(), pong.ID)
		require.Equal(t, addr(1), pong.External)
		require.Equal(t, "DK\x00\x01", pong.Version)
		require.Positive(t, pong.RTT)
		_, err = l.nodes[1].Ping(t.Context(), addr(99))
		require.ErrorIs(t, err, krpc.ErrTimeout)
	})
}

func TestFindNodeEndsWithTheClosest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 60)
		target := l.nodes[17].ID()
		lookup := l.nodes[50].FindNode(target)
		answered := 0
		for _, err := range lookup.Nodes(t.Context()) {
			require.NoError(t, err)
			answered++
		}
		require.GreaterOrEqual(t, answered, 8)
		require.Equal(t, krpc.Node{ID: target, Addr: addr(17)}, lookup.Closest()[0])
	})
}

func TestLookupsSurviveATableHalfDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 60)
		ih := krpc.ID{0x77}
		for range l.nodes[1].Announce(ih, 1).Stored(t.Context()) {
		}
		for i := 20; i < 40; i++ {
			l.nodes[i].Close()
		}
		start := time.Now()
		found := 0
		for _, err := range l.nodes[50].GetPeers(ih).Peers(t.Context()) {
			require.NoError(t, err)
			found++
		}
		require.Equal(t, 1, found)
		require.Less(t, time.Since(start), 5*time.Second, "virtual time")
	})
}

func TestAnnounceNeedsSomebody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		var last error
		for _, err := range l.nodes[0].Announce(krpc.ID{1}, 7000).Stored(t.Context()) {
			last = err
		}
		require.Error(t, last)
	})
}
