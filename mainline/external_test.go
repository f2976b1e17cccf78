package mainline_test

import (
	"math/rand/v2"
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

// A dozen nodes chose ids around a target, which do not suit their addresses: who does not look at that writes to them alone.
func TestWritesPreferSuitableNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		rng := rand.New(rand.NewPCG(1, 2))
		target := krpc.ID{0x42}
		for i := range 60 {
			var id krpc.ID
			for j := range id {
				id[j] = byte(rng.Uint32())
			}
			id = mainline.SecureID(addr(i).Addr(), id)
			if i%5 == 4 {
				id = krpc.ID{0x42, 0, 0, byte(i)}
			}
			l.add(mainline.Config{ID: id})
		}
		announce := func(n *mainline.Node) (suitable, others int) {
			a := n.Announce(target, 7000)
			for to, err := range a.Stored(t.Context()) {
				require.NoError(t, err)
				if mainline.Suits(to.ID, to.Addr.Addr()) {
					suitable++
				} else {
					others++
				}
			}
			require.Len(t, a.Lookup().ClosestReplies(), 8)
			return suitable, others
		}
		suitable, others := announce(l.add(mainline.Config{Secure: mainline.SecureOff}))
		require.Zero(t, suitable)
		require.Equal(t, 8, others)

		suitable, others = announce(l.add(mainline.Config{}))
		require.GreaterOrEqual(t, suitable, 4, "besides the closest")
		require.LessOrEqual(t, suitable, 8)
		require.GreaterOrEqual(t, others, 8, "the closest, and since they stand so close together, all others that answered")

		suitable, others = announce(l.add(mainline.Config{Secure: mainline.SecureStrict}))
		require.Equal(t, 8, suitable)
		require.Zero(t, others)
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
