package mainline_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/stretchr/testify/require"
)

func TestOwnIDFollowsTheAddressOthersSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newDualLab(t, 0)
		for range 30 {
			l.addDual(mainline.Config{})
		}
		for i, n := range l.nodes {
			for _, e := range n.Endpoints() {
				ext, agreed := e.External()
				if !agreed && i > 20 {
					continue // younger than a round of votes
				}
				require.True(t, agreed)
				require.Equal(t, e.Addr(), ext)
				require.True(t, mainline.Suits(e.ID(), ext.Addr()), "endpoint %v has id %v", ext, e.ID())
				require.GreaterOrEqual(t, e.Len(), 8, "the table was rebuilt")
			}
			if ends := n.Endpoints(); i < 20 {
				require.NotEqual(t, ends[0].ID(), ends[1].ID(), "ids of the families are independent now")
			}
		}
		// Everybody is found under the new id.
		closest := l.nodes[25].FindNode(l.nodes[3].ID())
		for _, err := range closest.Nodes(t.Context()) {
			require.NoError(t, err)
		}
		require.Equal(t, krpc.Node{ID: l.nodes[3].ID(), Addr: addr(3)}, closest.Closest()[0])
	})
}

func TestIDsThatStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		given := krpc.ID{0: 0x12, 19: 7}
		for _, cfg := range []mainline.Config{{ID: given}, {ReadOnly: true}, {Secure: mainline.SecureOff}, {Private: true}} {
			n := l.add(cfg)
			id := n.ID()
			time.Sleep(time.Hour)
			_, agreed := n.Endpoints()[0].External()
			require.True(t, agreed)
			require.Equal(t, id, n.ID(), "%+v", cfg)
		}
	})
}

// A lookup in a network half of whose ids do not suit ends with the closest; in strict mode with suitable ones alone.
func TestWritesPreferSuitableNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		ids := make(map[netip.AddrPort]krpc.ID)
		for i := range 80 {
			id := krpc.RandomID()
			if i%2 == 0 {
				id = mainline.SecureID(addr(i).Addr(), id)
			}
			l.add(mainline.Config{ID: id})
			ids[addr(i)] = id
		}
		suit := func(n krpc.Node) bool { return mainline.Suits(n.ID, n.Addr.Addr()) }
		announce := func(n *mainline.Node) (suitable, others int, lookup *mainline.PeerLookup) {
			a := n.Announce(krpc.ID{0x42}, 7000)
			for to, err := range a.Stored(t.Context()) {
				require.NoError(t, err)
				if suit(to) {
					suitable++
				} else {
					others++
				}
			}
			return suitable, others, a.Lookup()
		}
		for _, c := range l.nodes[10].FindNode(krpc.ID{1}).Closest() {
			require.Equal(t, ids[c.Addr], c.ID)
		}
		s, o, lookup := announce(l.nodes[10])
		require.Positive(t, o)
		require.Greater(t, s+o, 8, "besides the closest")
		require.LessOrEqual(t, s, 8)
		require.Len(t, lookup.ClosestReplies(), 8)

		s, o, lookup = announce(l.add(mainline.Config{Secure: mainline.SecureStrict}))
		require.Zero(t, o)
		require.Equal(t, 8, s)
		require.Len(t, lookup.ClosestReplies(), 8)

		s, o, _ = announce(l.add(mainline.Config{Secure: mainline.SecureOff}))
		require.Equal(t, 8, s+o)
	})
}

func TestLyingAboutOurAddressChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 30)
		n := l.add(mainline.Config{})
		time.Sleep(30 * time.Minute)
		id := n.ID()
		liar := l.net.Listen(addr(200))
		defer liar.Close()
		rpc, err := krpc.New(krpc.Config{NoEcho: true}, l.net.Listen(addr(201)))
		require.NoError(t, err)
		defer rpc.Close()
		for range 100 {
			b := krpc.AppendResponse(nil, []byte("aaaa"), rpc.ID(), &krpc.PingResults{}, krpc.Header{IP: addr(99)})
			_, err := liar.WriteToUDPAddrPort(b, addr(30))
			require.NoError(t, err)
		}
		time.Sleep(time.Minute)
		require.Equal(t, id, n.ID())
		ext, _ := n.Endpoints()[0].External()
		require.Equal(t, addr(30), ext)
	})
}
