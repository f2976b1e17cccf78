package mainline_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

func addr6(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x2a, 1: 0x01, 4: byte(i >> 8), 5: byte(i), 15: 1}), 6881)
}

// addDual starts a node of both networks that joins through the first one.
func (l *lab) addDual(cfg mainline.Config) *mainline.Node {
	l.t.Helper()
	i := len(l.nodes)
	if i > 0 && cfg.Bootstrap == nil {
		cfg.Bootstrap = []string{addr(0).String(), addr6(0).String()}
	}
	cfg.Seed = seed(i)
	node, err := mainline.New(cfg, l.net.Listen(addr(i)), l.net.Listen(addr6(i)))
	require.NoError(l.t, err)
	l.nodes = append(l.nodes, node)
	require.NoError(l.t, node.Ready(l.t.Context()))
	time.Sleep(2 * time.Minute)
	return node
}

func newDualLab(t *testing.T, n int) *lab {
	l := newLab(t, 0)
	for range n {
		l.addDual(mainline.Config{Secure: mainline.SecureOff})
	}
	return l
}

func inFlight(n *mainline.Node) (open int) {
	for _, e := range n.Endpoints() {
		open += e.RPC().InFlight()
	}
	return open
}

func TestBothNetworksAreOneStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 25)
		ih := krpc.ID{0x77}
		stored := map[bool]int{}
		for n, err := range l.nodes[3].Announce(ih, 7000).Stored(t.Context()) {
			require.NoError(t, err)
			stored[n.Addr.Addr().Is6()]++
		}
		require.Equal(t, map[bool]int{false: 8, true: 8}, stored, "announced in both networks")

		lookup := l.nodes[20].GetPeers(ih)
		got := map[netip.Addr]bool{}
		for p, err := range lookup.Peers(t.Context()) {
			require.NoError(t, err)
			require.False(t, got[p.Addr()])
			got[p.Addr()] = true
		}
		require.Equal(t, map[netip.Addr]bool{addr(3).Addr(): true, addr6(3).Addr(): true}, got)
		replies := lookup.ClosestReplies()
		require.Len(t, replies, 16)
		for i := range replies[1:] {
			require.LessOrEqual(t, routing.CompareDistance(ih.Key(), replies[i].From.Key, replies[i+1].From.Key), 0)
		}
		require.Equal(t, lookup.ClosestNodes()[5], replies[5].From)
		require.GreaterOrEqual(t, lookup.Stats().Answered, 16)
		require.Zero(t, inFlight(l.nodes[20]))
	})
}

func TestLeavingTheMergedLoopFreesBothFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 20)
		asker := l.addDual(mainline.Config{NoUpkeep: true})
		for range asker.FindNode(krpc.ID{9}).Nodes(t.Context()) {
			break
		}
		require.Zero(t, inFlight(asker))
		for range asker.Announce(krpc.ID{9}, 2).Stored(t.Context()) {
			break
		}
		require.Zero(t, inFlight(asker))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range asker.FindNode(krpc.ID{8}).Replies(ctx) {
			cancel()
			last = err
		}
		require.ErrorIs(t, last, context.Canceled)
		require.Zero(t, inFlight(asker))
	})
}

func TestOneFamilyIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 20) // of IPv4
		node, err := mainline.New(mainline.Config{Bootstrap: []string{addr(0).String()}}, l.net.Listen(addr(20)), l.net.Listen(addr6(20)))
		require.NoError(t, err)
		l.nodes = append(l.nodes, node)
		found := 0
		for _, err := range node.FindNode(krpc.ID{1}).Nodes(t.Context()) {
			require.NoError(t, err)
			found++
		}
		require.GreaterOrEqual(t, found, 8)

		alone, err := mainline.New(mainline.Config{}, l.net.Listen(addr(99)), l.net.Listen(addr6(99)))
		require.NoError(t, err)
		l.nodes = append(l.nodes, alone)
		for _, err = range alone.FindNode(krpc.ID{1}).Nodes(t.Context()) {
		}
		require.ErrorIs(t, err, routing.ErrNoNodes)
	})
}

func TestClosingEndsMergedLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 3)
		ended := make(chan error)
		l.net.Listen(addr(50))
		l.net.Listen(addr6(50)) // silent
		node, err := mainline.New(mainline.Config{NoUpkeep: true, Bootstrap: []string{addr(50).String(), addr6(50).String()}}, l.net.Listen(addr(60)), l.net.Listen(addr6(60)))
		require.NoError(t, err)
		go func() {
			var last error
			for _, last = range node.FindNode(krpc.ID{1}).Replies(t.Context()) {
			}
			ended <- last
		}()
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, 2, inFlight(node))
		node.Close()
		require.ErrorIs(t, <-ended, krpc.ErrClosed)
	})
}

func TestOneNetworkIntroducesTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 20)
		n := l.addDual(mainline.Config{Bootstrap: []string{addr(0).String()}}) // no way into the network of IPv6
		require.GreaterOrEqual(t, n.Endpoints()[1].Len(), 8, "joined through what the nodes of IPv4 named")
		sixes := 0
		for node, err := range n.FindNode(krpc.ID{5}).Nodes(t.Context()) {
			require.NoError(t, err)
			if node.Addr.Addr().Is6() {
				sixes++
			}
		}
		require.GreaterOrEqual(t, sixes, 8)
	})
}

func TestANetworkThatWasLostIsFoundThroughTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 20)
		n := l.addDual(mainline.Config{Bootstrap: []string{addr(0).String()}})
		n.Endpoints()[1].RPC().Clear()
		require.Zero(t, n.Endpoints()[1].Len())
		time.Sleep(30 * time.Minute)
		require.GreaterOrEqual(t, n.Endpoints()[1].Len(), 8)
	})
}

// BEP 45: ids far apart, one endpoint of each family asks, and a token is good where it was given.
func TestSeveralAddressesOfOneFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 20)
		conns := []socket.Conn{l.net.Listen(addr(100)), l.net.Listen(addr(101)), l.net.Listen(addr(102)), l.net.Listen(addr(103)), l.net.Listen(addr6(100))}
		n, err := mainline.New(mainline.Config{ID: krpc.ID{0: 0x20, 5: 1}, Seed: seed(100), Bootstrap: []string{addr(0).String()}}, conns...)
		require.NoError(t, err)
		l.nodes = append(l.nodes, n)
		require.NoError(t, n.Ready(t.Context()))
		ends := n.Endpoints()
		require.Len(t, ends, 5)
		require.Equal(t, ends[0].ID(), ends[4].ID(), "one id for both families while no address is known")
		for i := range 4 {
			require.Equal(t, []byte{0, 0x80, 0x40, 0xc0}[i], ends[i].ID()[0]^0x20, "the first bits count the endpoints")
			for j := range i {
				require.Less(t, routing.CommonBits(ends[i].RPC().Key(), ends[j].RPC().Key()), 2)
			}
			require.GreaterOrEqual(t, ends[i].Len(), 8)
		}
		time.Sleep(2 * time.Minute)

		before := make([]uint64, len(ends))
		for i, e := range ends {
			before[i] = e.RPC().Socket().Stats().Queries
		}
		target := krpc.ID{0: ends[2].ID()[0]}
		stored := 0
		for _, err := range n.Announce(target, 7000).Stored(t.Context()) {
			require.NoError(t, err)
			stored++
		}
		require.Equal(t, 8, stored)
		for i, e := range ends {
			if asked := e.RPC().Socket().Stats().Queries - before[i]; i == 2 {
				require.GreaterOrEqual(t, asked, uint64(16))
			} else {
				require.Zero(t, asked, "endpoint %d", i)
			}
		}

		target = krpc.ID{1}
		reply, err := l.nodes[3].RPC().Query(t.Context(), addr(100), krpc.GetPeersArgs{InfoHash: target})
		require.NoError(t, err)
		args := krpc.AnnouncePeerArgs{InfoHash: target, Port: 1, Token: reply.Token()}
		_, err = l.nodes[3].RPC().Query(t.Context(), addr(101), args)
		require.ErrorIs(t, err, krpc.ErrBadToken)
		_, err = l.nodes[3].RPC().Query(t.Context(), addr(100), args)
		require.NoError(t, err)
		reply, err = l.nodes[4].RPC().Query(t.Context(), addr(101), krpc.GetPeersArgs{InfoHash: target})
		require.NoError(t, err)
		peers := 0
		for p := range reply.Values {
			require.Equal(t, netip.AddrPortFrom(addr(3).Addr(), 1), p)
			peers++
		}
		require.Equal(t, 1, peers, "what is stored at one endpoint is served at all")
	})
}

func TestListenOnBothFamilies(t *testing.T) {
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here: ", err)
	} else {
		c.Close()
	}
	listen := func(bootstrap ...string) *mainline.Node {
		n, err := mainline.Listen("127.0.0.1:0", mainline.Config{Private: true, Bootstrap: bootstrap}, "[::1]:0")
		require.NoError(t, err)
		t.Cleanup(func() { n.Close() })
		return n
	}
	a := listen()
	b := listen(a.Endpoints()[0].Addr().String(), a.Endpoints()[1].Addr().String())
	require.NoError(t, b.Ready(t.Context()))
	stored := map[netip.AddrPort]bool{}
	for n, err := range b.Announce(krpc.ID{1}, 7000).Stored(t.Context()) {
		require.NoError(t, err)
		stored[n.Addr] = true
	}
	require.Equal(t, map[netip.AddrPort]bool{a.Endpoints()[0].Addr(): true, a.Endpoints()[1].Addr(): true}, stored)
	for _, e := range a.Endpoints() {
		r, err := b.Query(t.Context(), e.Addr(), krpc.GetPeersArgs{InfoHash: krpc.ID{1}})
		require.NoError(t, err)
		for p := range r.Values {
			require.Equal(t, e.IPv6(), p.Addr().Is6())
		}
	}
	_, err := mainline.Listen("127.0.0.1:0", mainline.Config{Private: true}, a.Endpoints()[1].Addr().String())
	require.ErrorContains(t, err, a.Endpoints()[1].Addr().String(), "taken")
}
