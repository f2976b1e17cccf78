package interop

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

// Among public addresses, with all settings as they are shipped, libtorrent learns its address from our answers and takes
// an id that suits it, and we do from libtorrent's (BEP 42).
func TestExternalAddressWithLibtorrent(t *testing.T) {
	t.Parallel()
	if !isolated(t) {
		return
	}
	hub := startOurs(t, "20.4.%d.1", 4, mainline.Config{}) // private ones, which introduce newcomers at once
	theirs := startLibtorrents(t, interfacesOf("20.3.%d.1", 25), []string{hub[0].Addr().String()}, "--as-is")
	for i, began := range theirs.nodes {
		addr := netip.MustParseAddrPort(began.Addr).Addr()
		await(t, began.Addr+" has an id that suits its address", func() bool {
			return mainline.Suits(hexID(t, theirs.itself(t, i)[0].ID), addr)
		})
		require.Equal(t, []string{addr.String()}, theirs.external(t, i))
	}

	us, err := mainline.Listen("20.5.0.1:0", mainline.Config{Bootstrap: []string{hub[0].Addr().String()}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, us.Close()) })
	require.NoError(t, us.Ready(limited(t)))
	first := us.ID()
	require.False(t, mainline.Suits(first, us.Addr().Addr()))
	await(t, "enough of them have told us our address", func() bool {
		for _, err := range us.FindNode(krpc.RandomID()).Nodes(limited(t)) {
			require.NoError(t, err)
		}
		_, agreed := us.Endpoints()[0].External()
		return agreed
	})
	external, _ := us.Endpoints()[0].External()
	require.Equal(t, us.Addr(), external)
	require.NotEqual(t, first, us.ID())
	require.True(t, mainline.Suits(us.ID(), us.Addr().Addr()))

	target := near(t, theirs.itself(t, 7)[0])
	require.NotEmpty(t, announceFrom(t, us, target, 7000))
	require.Equal(t, []string{"20.5.0.1:7000"}, theirs.lookup(t, 3, target))

	strict, err := mainline.Listen("20.5.1.1:0", mainline.Config{Bootstrap: []string{hub[0].Addr().String()}, Secure: mainline.SecureStrict})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, strict.Close()) })
	stored := announceFrom(t, strict, hub[0].ID(), 7001)
	require.NotEmpty(t, stored)
	for _, n := range hub { // whose ids do not suit their addresses
		require.NotContains(t, stored, n.Addr().String())
	}
}

// In the networks of both families, each with nodes of ours and of libtorrent's, peers are found and items stored (BEP 32).
func TestBothFamiliesWithLibtorrent(t *testing.T) {
	t.Parallel()
	if !isolated(t) {
		return
	}
	const sessions = 4
	ours := startOurs(t, "20.7.%d.1", 5, mainline.Config{}, "[2a00:7:%d::1]")
	var interfaces, everyone []string
	for i := range sessions {
		interfaces = append(interfaces, fmt.Sprintf("20.6.%d.1:0,[2a00:6:%d::1]:0", i, i))
	}
	for _, e := range ours[0].Endpoints() {
		everyone = append(everyone, e.Addr().String())
	}
	theirs := startLibtorrents(t, interfaces, everyone)
	require.Len(t, theirs.nodes, 2*sessions)
	awaitMixed(t, ours[0], theirs, sessions)

	target := near(t, theirs.nodes[2])
	requireBothFamilies(t, announceFrom(t, ours[3], target, 7003), "our announcement")
	peers := []string{"20.7.3.1:7003", "[2a00:7:3::1]:7003"}
	for i := range sessions {
		require.Equal(t, peers, theirs.lookup(t, i, target), "from session %d", i)
	}
	requireBothFamilies(t, theirs.announce(t, 1, target), "libtorrent's announcement")
	for _, c := range theirs.itself(t, 1) {
		peers = append(peers, c.Addr)
	}
	require.ElementsMatch(t, peers, peersOf(t, ours[4], target))

	item := newItem(t, structured("ours"))
	requireBothFamilies(t, putFrom(t, ours[1], item), "our item")
	require.True(t, theirs.get(t, 1, item.Target()).Found)
	item = newItem(t, "theirs")
	require.GreaterOrEqual(t, theirs.put(t, 1, item.V), 6)
	require.Equal(t, item.V, itemAt(t, ours[4], item.Target()).V)

	requireWant(t, ours[2], theirs)
}

// requireBothFamilies requires that something was stored on six nodes at least in each network of nine.
func requireBothFamilies(t *testing.T, stored []string, what string) {
	t.Helper()
	v6 := 0
	for _, addr := range stored {
		if netip.MustParseAddrPort(addr).Addr().Is6() {
			v6++
		}
	}
	require.GreaterOrEqual(t, v6, 6, "%s, IPv6: %v", what, stored)
	require.GreaterOrEqual(t, len(stored)-v6, 6, "%s, IPv4: %v", what, stored)
}

// requireWant requires that libtorrent answers with the lists that are asked for, and that ours did the same for it: to find
// its first nodes it asks a node of the other family, for nodes of its own family only.
func requireWant(t *testing.T, us *mainline.Node, theirs libtorrents) {
	t.Helper()
	for _, c := range theirs.itself(t, 0) {
		v6 := netip.MustParseAddrPort(c.Addr).Addr().Is6()
		for want, lists := range map[krpc.Want][]bool{ // nodes, nodes6
			0:             {!v6, v6},
			krpc.WantN4:   {true, false},
			krpc.WantN6:   {false, true},
			krpc.WantBoth: {true, true},
		} {
			r := ask(t, us, c.Addr, krpc.FindNodeArgs{Target: us.ID(), Want: want})
			require.Equal(t, lists, []bool{r.Field("nodes") != nil, r.Field("nodes6") != nil}, "want %d of %s", want, c.Addr)
		}
	}
	open := make(map[string][]packet) // by address and number of the transaction, of which libtorrent has two sources
	answered := 0
	for _, p := range theirs.packets(t, 0) {
		call := p.addr + string(p.TID())
		if p.out && p.Kind() == krpc.KindQuery {
			open[call] = append(open[call], p)
		} else if asked := open[call]; !p.out && len(asked) > 0 {
			delete(open, call)
			w4, w6 := asked[0].Want()
			if len(asked) > 1 || w4 == w6 {
				continue
			}
			lists := []bool{len(p.Field("nodes")) > len("0:"), len(p.Field("nodes6")) > len("0:")}
			require.Equal(t, []bool{w4, w6}, lists, "%q: %q", asked[0].Raw(), p.Raw())
			answered++
		}
	}
	require.Positive(t, answered)
}
