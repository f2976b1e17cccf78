package mainline_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
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
