package krpc_test

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
	"github.com/stretchr/testify/require"
)

// A full bucket offers its nodes to the hook, which pings them and swaps a dead one, as k-rpc's users do.
func TestFullBucketIsOfferedForASwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		type full struct {
			old      []routing.Node
			newcomer routing.Node
		}
		var offers []full
		var heard []routing.Node
		r := l.add(200, krpc.Config{
			K:      2,
			OnNode: func(n routing.Node) { heard = append(heard, n) },
			OnFull: func(old []routing.Node, newcomer routing.Node) { offers = append(offers, full{old, newcomer}) },
		})
		far := 0 // nodes that differ from us in the first bit: their bucket cannot split
		for i := 0; far < 4; i++ {
			other := l.add(i, krpc.Config{})
			if routing.CommonBits(other.Key(), r.Key()) > 0 {
				continue
			}
			far++
			_, err := r.Query(t.Context(), addr(i), krpc.PingArgs{})
			require.NoError(t, err)
		}
		require.Equal(t, 2, r.Len())
		require.Len(t, heard, 2)
		require.Len(t, offers, 2, "two newcomers found no place")
		require.Len(t, offers[1].old, 2)
		dead, newcomer := offers[1].old[0], offers[1].newcomer
		require.True(t, r.Swap(dead, newcomer))
		require.Contains(t, r.Nodes(), newcomer)
		require.NotContains(t, r.Nodes(), dead)
		require.Equal(t, 2, r.Len())
		r.Remove(newcomer)
		require.NotContains(t, r.Nodes(), newcomer)
		r.Clear()
		require.Zero(t, r.Len())
	})
}

func TestPopulateFillsTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(20)
		r := l.add(100, krpc.Config{Bootstrap: []string{addr(0).String()}})
		stats, err := r.Populate(t.Context(), r.Key(), krpc.FindNodeArgs{Target: krpc.IDOf(r.Key())})
		require.NoError(t, err)
		require.GreaterOrEqual(t, stats.Answered, 8)
		require.GreaterOrEqual(t, r.Len(), 8)
		require.NotEmpty(t, r.Nearest(r.Key(), 3))
		require.Zero(t, r.InFlight())
	})
}

// A socket of the user's own need not be a *net.UDPConn.
func TestOwnPacketConn(t *testing.T) {
	listen := func() *krpc.RPC {
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		r, err := krpc.New(krpc.Config{Private: true, Timeout: time.Minute}, socket.Wrap(pc))
		require.NoError(t, err)
		t.Cleanup(func() { r.Close() })
		return r
	}
	a, b := listen(), listen()
	b.OnQuery("ping", func(q *krpc.Query) { q.Reply(&krpc.PingResults{}) })
	reply, err := a.Query(t.Context(), b.Addr(), krpc.PingArgs{})
	require.NoError(t, err)
	require.Equal(t, b.Key(), reply.From.Key)
}

func TestListenErrorsNameTheAddress(t *testing.T) {
	r, err := krpc.Listen("127.0.0.1:0", krpc.Config{Private: true})
	require.NoError(t, err)
	defer r.Close()
	_, err = krpc.Listen(r.Addr().String(), krpc.Config{Private: true})
	require.ErrorContains(t, err, r.Addr().String())
	_, err = krpc.Listen("nonsense", krpc.Config{})
	require.ErrorContains(t, err, `"nonsense"`)
}

func TestCallsAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(3)
		r := l.rpcs[1]
		require.NoError(t, r.Close())
		_, err := r.Query(t.Context(), addr(0), krpc.PingArgs{})
		require.Error(t, err)
		for _, err = range r.Closest(r.Key(), krpc.PingArgs{}).Replies(t.Context()) {
		}
		require.Error(t, err)
		_, err = r.Populate(t.Context(), r.Key(), krpc.PingArgs{})
		require.Error(t, err)
	})
}

func TestDriveIsALookupWithoutALoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(30)
		r := l.add(100, krpc.Config{Bootstrap: []string{addr(0).String()}})
		target := krpc.ID{0x42}
		lookup := r.Closest(target.Key(), krpc.FindNodeArgs{Target: target})
		ended := make(chan error, 2)
		replies := 0
		lookup.Drive(func(*krpc.Reply) { replies++ }, func(err error) { ended <- err })
		require.NoError(t, <-ended)
		require.Len(t, lookup.ClosestNodes(), 8)
		require.Equal(t, replies, lookup.Stats().Answered)
		require.Zero(t, r.InFlight())

		stop := r.Closest(target.Key(), krpc.FindNodeArgs{Target: target}).Drive(func(*krpc.Reply) {}, func(err error) { ended <- err })
		stop()
		require.Zero(t, r.InFlight())
		alone := l.add(101, krpc.Config{})
		alone.Closest(target.Key(), krpc.PingArgs{}).Drive(func(*krpc.Reply) {}, func(err error) { ended <- err })
		require.ErrorIs(t, <-ended, routing.ErrNoNodes)
		synctest.Wait()
		require.Empty(t, ended)
	})
}

// A thorough lookup asks the closest for their own neighbours, too. These answers are not streamed, and do not take the
// place of those that have a token.
func TestThoroughLookupAsksTheClosestForNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(30)
		r := l.add(100, krpc.Config{Bootstrap: []string{addr(0).String()}})
		target := krpc.ID{0x42}
		lookup := r.Walk(target.Key(), krpc.GetPeersArgs{InfoHash: target}, routing.Thorough())
		streamed := make(map[netip.AddrPort]bool)
		for reply, err := range lookup.Replies(t.Context()) {
			require.NoError(t, err)
			require.False(t, streamed[reply.From.Addr], "each node once")
			streamed[reply.From.Addr] = true
		}
		require.Equal(t, len(streamed)+8, lookup.Stats().Asked)
		for _, reply := range lookup.ClosestReplies() {
			require.NotEmpty(t, reply.Token())
		}
	})
}
