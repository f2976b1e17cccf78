package torrentdht

import (
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	theirs "github.com/anacrolix/dht/v2/krpc"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
)

// An address is no entry of the table before it has answered, and then it is one under the id that it has.
func TestAddNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		node := l.add(mainline.Config{NoUpkeep: true})
		s := l.serve(node, Config{})
		require.NoError(t, s.AddNode(ToNode(krpc.Node{ID: krpc.ID{1}, Addr: addr(0)})))
		require.NoError(t, s.AddNode(ToNode(krpc.Node{Addr: addr(99)})), "nobody there")
		require.Zero(t, node.Len())
		time.Sleep(time.Minute)
		require.Equal(t, []krpc.Node{{ID: l.nodes[0].ID(), Addr: addr(0)}}, node.Nodes())
		st := s.stats()
		require.EqualValues(t, 2, st.Pings)
		require.EqualValues(t, 1, st.Pongs)

		for _, bad := range []theirs.NodeInfo{{}, {Addr: theirs.NodeAddr{IP: net.IP{1, 2, 3, 4}}}, {Addr: theirs.NodeAddr{Port: 1}}} {
			require.ErrorIs(t, s.AddNode(bad), ErrAddress)
		}
	})
}

// A torrent file may name any number of nodes: they are pinged one after the other, and there is an end to it.
func TestAddNodeHasBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		s := l.serve(l.add(mainline.Config{NoUpkeep: true}), Config{Pings: 20})
		refused := 0
		for i := range 5000 {
			if err := s.AddNode(ToNode(krpc.Node{Addr: addr(1 + i)})); err != nil {
				require.ErrorIs(t, err, ErrBusy)
				refused++
			}
		}
		taken := 5000 - refused // those that were on their way at once made room
		require.GreaterOrEqual(t, taken, maxWaiting)
		require.LessOrEqual(t, taken, maxWaiting+pingsAtOnce)
		time.Sleep(time.Minute)
		sent := l.net.Stats().Sent
		require.LessOrEqual(t, sent, uint64(20*60+pingsAtOnce))
		require.NotZero(t, sent)
		time.Sleep(time.Hour)
		require.EqualValues(t, taken, s.stats().Pings)
		synctest.Wait()
		s.pings.mu.Lock()
		defer s.pings.mu.Unlock()
		require.Zero(t, s.pings.working, "no goroutine without work")
	})
}

// What was pinged long ago is forgotten.
func TestPingsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		s := l.serve(l.add(mainline.Config{NoUpkeep: true}), Config{Pings: rate.Inf})
		const n = maxRemembered + 500
		for i := range n {
			for s.AddNode(ToNode(krpc.Node{Addr: addr(1 + i)})) != nil {
				time.Sleep(time.Second)
			}
		}
		time.Sleep(time.Hour)
		require.EqualValues(t, n, s.stats().Pings, "each once")
		s.pings.mu.Lock()
		defer s.pings.mu.Unlock()
		require.Less(t, len(s.pings.lately), n)
	})
}

// What peers say cannot make us flood anybody: not one address, not many.
func TestPingIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		s := l.serve(l.add(mainline.Config{NoUpkeep: true}), Config{Pings: 1})
		victim := net.UDPAddrFromAddrPort(addr(1))
		for range 600 {
			s.Ping(victim)
			time.Sleep(100 * time.Millisecond)
		}
		require.EqualValues(t, 1, l.net.SentTo(addr(1)), "within a minute")
		s.Ping(victim)
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 2, l.net.SentTo(addr(1)))

		before := l.net.Stats().Sent
		for i := range 30_000 {
			s.Ping(net.UDPAddrFromAddrPort(addr(2 + i)))
			time.Sleep(2 * time.Millisecond)
		}
		sent := l.net.Stats().Sent - before
		require.LessOrEqual(t, sent, uint64(60+pingsAtOnce), "in a minute")
		require.GreaterOrEqual(t, sent, uint64(50))
		require.NotZero(t, s.stats().Dropped)
		s.pings.mu.Lock()
		defer s.pings.mu.Unlock()
		require.LessOrEqual(t, len(s.pings.lately), maxRemembered)
	})
}

func TestPingTakesAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		node := l.add(mainline.Config{NoUpkeep: true})
		s := l.serve(node, Config{})
		for _, a := range []*net.UDPAddr{nil, {}, {IP: net.IP{1, 2, 3}, Port: 5}, {IP: net.IPv4(1, 2, 3, 4)}} {
			s.Ping(a)
		}
		require.EqualValues(t, 4, s.stats().Dropped)
		mapped := netip.AddrPortFrom(netip.AddrFrom16(addr(0).Addr().As16()), addr(0).Port())
		s.Ping(net.UDPAddrFromAddrPort(mapped))
		time.Sleep(time.Second)
		require.Equal(t, 1, node.Len(), "an IPv4 address of 16 bytes is one")
		s.Ping(net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:53")))
		time.Sleep(time.Second)
		require.Zero(t, l.net.SentTo(netip.MustParseAddrPort("127.0.0.1:53")), "refused by the address filter")
	})
}
