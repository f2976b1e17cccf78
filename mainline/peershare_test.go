package mainline

import (
	"net/netip"
	"testing"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// naming is a reply of the i-th node that names peers.
func naming(t *testing.T, i int, peers []netip.AddrPort) *krpc.Reply {
	t.Helper()
	id := krpc.ID{byte(i)}
	m, err := krpc.Parse(krpc.AppendResponse(nil, []byte("t"), id[:], &krpc.GetPeersResults{Values: peers}, krpc.Header{}))
	require.NoError(t, err)
	return &krpc.Reply{Message: m, From: routing.Node{Key: id.Key(), Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{60, 1, 1, byte(i)}), 1)}}
}

// spread is n peers, each in a /24 of its own.
func spread(from, n int) (peers []netip.AddrPort) {
	for i := range n {
		peers = append(peers, netip.AddrPortFrom(netip.AddrFrom4([4]byte{80, byte((from + i) >> 8), byte(from + i), 1}), 1))
	}
	return peers
}

// passed collects what comes of replies.
func passed(t *testing.T, private bool, replies ...*krpc.Reply) (all []netip.AddrPort) {
	t.Helper()
	s := newPeerShares(private)
	seen := make(map[netip.AddrPort]bool)
	for _, r := range replies {
		s.take(r, func(p netip.AddrPort, err error) bool {
			require.NoError(t, err)
			require.False(t, seen[p], "twice")
			seen[p] = true
			all = append(all, p)
			return true
		})
	}
	return all
}

// Attack 15: of what eight nodes say about a popular torrent, one liar's part is an eighth, whenever it speaks.
func TestALiarIsAnEighth(t *testing.T) {
	fakes := make(map[netip.AddrPort]bool)
	for _, p := range spread(10_000, 240) {
		fakes[p] = true
	}
	for at := range 8 {
		var replies []*krpc.Reply
		for i := range 7 {
			replies = append(replies, naming(t, i, spread(100*i, 80)))
		}
		lie := naming(t, 100, spread(10_000, 240))
		replies = append(replies[:at:at], append([]*krpc.Reply{lie}, replies[at:]...)...)
		all := passed(t, false, replies...)
		lies := 0
		for _, p := range all {
			if fakes[p] {
				lies++
			}
		}
		require.Len(t, all, 7*80+lies, "of the honest ones nothing is lost")
		require.LessOrEqual(t, 8*lies, len(all))
	}
}

func TestWhatOthersNameTooDoesNotWait(t *testing.T) {
	list := spread(0, 160)
	all := passed(t, false, naming(t, 1, list), naming(t, 2, list[80:]))
	require.ElementsMatch(t, list, all, "the second node vouches for what the first one may not pass on")
	require.Len(t, passed(t, false, naming(t, 1, list), naming(t, 1, list)), 80, "a node that answers twice is one node")

	replies := []*krpc.Reply{naming(t, 0, spread(0, 120))}
	for i := 1; i < 30; i++ {
		replies = append(replies, naming(t, i, spread(200*i, 40)))
	}
	require.Len(t, passed(t, false, replies...), 120+29*40, "what waited comes when others have named enough")
}

// A torrent in which one address has ten thousand peers is an attack on that address.
func TestOneAddressIsFewPeers(t *testing.T) {
	var ports, hosts, hosts6 []netip.AddrPort
	for i := range 80 {
		ports = append(ports, netip.AddrPortFrom(netip.AddrFrom4([4]byte{90, 1, 1, 1}), uint16(1+i)))
		hosts = append(hosts, netip.AddrPortFrom(netip.AddrFrom4([4]byte{90, 1, 2, byte(i)}), 1))
		hosts6 = append(hosts6, netip.AddrPortFrom(netip.AddrFrom16([16]byte{0: 0x2a, 7: byte(i)}), 1))
	}
	require.Len(t, passed(t, false, naming(t, 1, ports)), perAddress)
	require.Len(t, passed(t, false, naming(t, 1, hosts)), perNet)
	require.Len(t, passed(t, false, naming(t, 1, hosts6)), perNet)
	require.Len(t, passed(t, true, naming(t, 1, ports)), 80, "on a private network many share an address")
	require.Len(t, passed(t, true, naming(t, 1, spread(0, 200))), 200)
}

func TestSharesStopWhenTold(t *testing.T) {
	for stop := 1; stop < 350; stop += 7 {
		s, calls := newPeerShares(false), 0
		for i := range 5 {
			if !s.take(naming(t, i, spread(100*i, 70)), func(netip.AddrPort, error) bool { calls++; return calls < stop }) {
				break
			}
		}
		require.Equal(t, stop, calls)
	}
}
