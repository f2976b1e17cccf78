package torrentdht

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
)

var (
	addr4 = netip.MustParseAddrPort("192.0.2.7:6881")
	addr6 = netip.MustParseAddrPort("[2001:db8::7]:51413")
)

func TestIDs(t *testing.T) {
	id := krpc.RandomID()
	require.Equal(t, id.String(), ToID(id).String())
	require.Equal(t, id, FromID(ToID(id)))
}

func TestAddrs(t *testing.T) {
	for _, a := range []netip.AddrPort{addr4, addr6, netip.AddrPortFrom(addr4.Addr(), 0)} {
		back, ok := FromAddr(ToAddr(a))
		require.True(t, ok)
		require.Equal(t, a, back)
		require.Equal(t, a.String(), ToAddr(a).String(), "in their words")
	}
	mapped := netip.AddrPortFrom(netip.AddrFrom16(addr4.Addr().As16()), 1)
	require.Len(t, ToAddr(mapped).IP, 4)
	back, ok := FromAddr(theirs.NodeAddr{IP: net.IPv4(192, 0, 2, 7), Port: 1})
	require.True(t, ok)
	require.Equal(t, "192.0.2.7:1", back.String(), "4 bytes in 16")

	for _, bad := range []theirs.NodeAddr{{}, {IP: net.IP{1, 2, 3}, Port: 1}, {IP: net.IP{1, 2, 3, 4}, Port: -1}, {IP: net.IP{1, 2, 3, 4}, Port: 65536}} {
		_, ok := FromAddr(bad)
		require.False(t, ok, "%v", bad)
		_, ok = FromNode(theirs.NodeInfo{Addr: bad})
		require.False(t, ok, "%v", bad)
	}
	require.Equal(t, []netip.AddrPort{addr4, addr6}, FromPeers(append(ToPeers(slices.Values([]netip.AddrPort{addr4, addr6})), theirs.NodeAddr{})))
}

// What our codec writes as compact lists theirs reads, and the reverse.
func TestCompactLists(t *testing.T) {
	nodes := []krpc.Node{{ID: krpc.ID{1}, Addr: addr6}, {ID: krpc.ID{2}, Addr: addr4}, {ID: krpc.ID{3}}, {ID: krpc.ID{4}, Addr: addr4}}
	v4, v6 := ToCompact(slices.Values(nodes))
	b4, err := v4.MarshalBinary()
	require.NoError(t, err)
	b6, err := v6.MarshalBinary()
	require.NoError(t, err)
	require.Len(t, b4, 2*26)
	require.Len(t, b6, 38)

	results := &krpc.NodesResults{}
	for _, n := range nodes {
		addContact(results, n)
	}
	m, err := krpc.Parse(krpc.AppendResponse(nil, []byte("aa"), make([]byte, 20), results, krpc.Header{}))
	require.NoError(t, err)
	require.Equal(t, "52:"+string(b4), string(m.Field("nodes")))
	require.Equal(t, "38:"+string(b6), string(m.Field("nodes6")))

	require.Equal(t, []krpc.Node{nodes[1], nodes[3]}, slices.Collect(FromCompact(v4)))
	require.Equal(t, nodes[:1], slices.Collect(FromCompact(v6)))
	require.Empty(t, slices.Collect(FromCompact([]theirs.NodeInfo{{}})))
	for range FromCompact(v4) {
		break
	}
}
