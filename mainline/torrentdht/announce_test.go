package torrentdht

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/mainline"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

var hash = [20]byte{0x77}

func at(i, port int) netip.AddrPort { return netip.AddrPortFrom(addr(i).Addr(), uint16(port)) }

// Two clients announce, and find each other; who they heard it from comes with it.
func TestAnnounceFindsTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 20)
		first, second := l.serve(l.nodes[3], Config{}), l.serve(l.farthest(hash), Config{})
		a, err := first.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 8, first.stats().Stored)

		b, err := second.Announce(hash, 8000, true)
		require.NoError(t, err)
		v := <-b.Peers()
		require.Equal(t, []netip.AddrPort{at(3, 7000)}, FromPeers(v.Peers), "the client's port: the node has another one")
		from, ok := FromNode(v.NodeInfo)
		require.True(t, ok)
		require.Equal(t, from.ID, FromID(v.Return.ID), "who said so")
		require.NotEqual(t, addr(3), from.Addr)
		require.Equal(t, v.Peers, v.Return.Values)

		a.Close()
		_, rest := drain(a)
		require.Empty(t, rest)
	})
}

// The handle goes on looking within the window: a peer that comes later is found although the first lookup found nobody.
func TestAnnounceKeepsLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 12)
		s := l.serve(l.nodes[3], Config{Port: -1})
		start := time.Now()
		a, err := s.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(3 * time.Minute)
		for _, err := range l.nodes[9].Announce(hash, 9000).Stored(t.Context()) {
			require.NoError(t, err)
		}
		require.Equal(t, []netip.AddrPort{at(9, 9000)}, next(a))
		require.Less(t, time.Since(start), 6*time.Minute)

		took, again := drain(a)
		require.Equal(t, 15*time.Minute, time.Since(start), "closed when the window is over")
		require.NotZero(t, took)
		require.Len(t, again, 1, "once more after five minutes")
		require.Zero(t, s.stats().Stored)
	})
}

// The case of anacrolix/torrent#1005: an announcement that comes before the node knows anybody is not lost for a quarter of
// an hour.
func TestAnnounceWithAnEmptyTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 12)
		for _, err := range l.nodes[9].Announce(hash, 9000).Stored(t.Context()) {
			require.NoError(t, err)
		}
		lonely := l.serve(l.add(mainline.Config{}), Config{})
		start := time.Now()
		a, err := lonely.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(20 * time.Second)
		require.NoError(t, lonely.AddNode(ToNode(krpc.Node{Addr: addr(5)})))
		require.Equal(t, []netip.AddrPort{at(9, 9000)}, next(a))
		require.Less(t, time.Since(start), time.Minute)
		a.Close()
		drain(a)
		require.NotZero(t, lonely.stats().Looked)
	})
}

// What could not be announced for want of nodes is announced later, and once.
func TestAnnounceIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 12)
		lonely := l.serve(l.add(mainline.Config{}), Config{})
		a, err := lonely.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(20 * time.Second)
		require.NoError(t, lonely.AddNode(ToNode(krpc.Node{Addr: addr(5)})))
		drain(a)
		require.EqualValues(t, 8, lonely.stats().Stored)
		var got []netip.AddrPort
		for p := range l.nodes[2].GetPeers(hash).Peers(t.Context()) {
			got = append(got, p)
		}
		require.Equal(t, []netip.AddrPort{at(12, 7000)}, got)
	})
}

// What few nodes took, since few were there, is announced again when there are more.
func TestAnnounceToFewIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		s := l.serve(l.nodes[1], Config{})
		a, err := s.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(10 * time.Second)
		require.EqualValues(t, 2, s.stats().Stored, "twice at the only one")
		require.Zero(t, s.stats().Peers, "what comes back is ourselves")
		for range 10 {
			l.add(mainline.Config{Bootstrap: []string{addr(0).String()}})
		}
		drain(a)
		stored := s.stats().Stored
		require.Greater(t, stored, uint64(8), "at the nearest of all")
		require.Less(t, stored, uint64(2*8), "and once at those")
	})
}

// A network of two: each stores what the other announces.
func TestTwoNodesFindEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 2)
		first, second := l.serve(l.nodes[0], Config{}), l.serve(l.nodes[1], Config{})
		a, err := first.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		b, err := second.Announce(hash, 8000, true)
		require.NoError(t, err)
		v := <-b.Peers()
		require.Equal(t, []netip.AddrPort{at(0, 7000)}, FromPeers(v.Peers))
		require.Equal(t, second.ID(), [20]byte(v.NodeInfo.ID), "announced to the node itself")
		require.Equal(t, []netip.AddrPort{at(1, 8000)}, next(a))
	})
}

// Close may come twice, and frees a sender that nobody reads from.
func TestCloseUnblocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 8)
		for range l.nodes[5].Announce(hash, 9000).Stored(t.Context()) {
		}
		s := l.serve(l.nodes[2], Config{})
		a, err := s.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Equal(t, 1, s.stats().Lookups, "waits for a reader")
		a.Close()
		a.Close()
		synctest.Wait()
		require.Zero(t, s.stats().Announces)
		took, values := drain(a)
		require.Zero(t, took)
		require.Empty(t, values)
		a.Close()
	})
}

// The end of the Server, and that of the node below it, end every announcement.
func TestEndOfServerAndNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 8)
		s := l.serve(l.nodes[2], Config{})
		a, err := s.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(50 * time.Millisecond)
		require.NoError(t, s.Close())
		took, _ := drain(a)
		require.Zero(t, took)
		_, err = s.Announce(hash, 7000, true)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, s.AddNode(ToNode(krpc.Node{Addr: addr(5)})), ErrClosed)
		require.NoError(t, s.Close(), "twice")

		s = l.serve(l.nodes[3], Config{})
		a, err = s.Announce(hash, 7000, true)
		require.NoError(t, err)
		time.Sleep(50 * time.Millisecond)
		require.NoError(t, l.nodes[3].Close())
		took, _ = drain(a)
		require.Less(t, took, time.Minute)
	})
}

// However many torrents there are, few are looked for at a time, and each gets its turn.
func TestLookupsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 8)
		s := l.serve(l.nodes[2], Config{Lookups: 3})
		var all []*Announce
		for i := range 60 {
			a, err := s.Announce([20]byte{1, byte(i)}, 7000, true)
			require.NoError(t, err)
			all = append(all, a)
		}
		most := 0
		for s.stats().Looked < 60 {
			most = max(most, s.stats().Lookups)
			time.Sleep(10 * time.Millisecond)
		}
		require.Equal(t, 3, most)
		for _, a := range all {
			a.Close()
		}
	})
}

func TestBackOff(t *testing.T) {
	series := func(first error) (seconds []time.Duration) {
		var b backOff
		seconds = append(seconds, b.next(0, first)/time.Second)
		for range 8 {
			seconds = append(seconds, b.next(0, nil)/time.Second)
		}
		return seconds
	}
	require.Equal(t, []time.Duration{5, 10, 20, 40, 80, 160, 300, 300, 300}, series(nil))
	require.Equal(t, []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256}, series(routing.ErrNoNodes))
	var b backOff
	require.Equal(t, 5*time.Minute, b.next(3, routing.ErrNoAnswer))
	require.Equal(t, 5*time.Minute, b.next(0, nil))
}

// Repeated lookups leave half of the turns to new ones.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(4)
		var taken atomic.Int32
		for range 4 {
			go func() {
				if leave, err := turns.take(t.Context(), false); err == nil {
					taken.Add(1)
					time.Sleep(time.Hour)
					taken.Add(-1)
					leave()
				}
			}()
		}
		synctest.Wait()
		require.EqualValues(t, 2, taken.Load())
		for range 2 {
			leave, err := turns.take(t.Context(), true)
			require.NoError(t, err)
			defer leave()
		}
		time.Sleep(time.Hour + time.Second)
		require.EqualValues(t, 2, taken.Load(), "the other two")
		time.Sleep(time.Hour)
		require.Zero(t, taken.Load())
	})
}

// The port that is announced is never a guess.
func TestPortOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1)
		for _, c := range []struct {
			cfg, port int
			implied   bool
			want      aPort
			ok        bool
		}{
			{0, 7000, true, aPort{7000, false}, true}, // the node has a port of its own
			{0, 6881, true, aPort{6881, true}, true},  // shared
			{0, 6881, false, aPort{6881, false}, true},
			{0, 0, true, aPort{}, false}, // nobody listens
			{0, 65536, true, aPort{}, false},
			{0, -1, false, aPort{}, false},
			{9999, 6881, true, aPort{9999, false}, true}, // forwarded
			{-1, 6881, true, aPort{}, false},
		} {
			s := New(l.nodes[0], Config{Port: c.cfg})
			got, ok := s.portOf(c.port, c.implied)
			require.Equal(t, c.ok, ok, "%+v", c)
			require.Equal(t, c.want, got, "%+v", c)
			require.NoError(t, s.Close())
		}
	})
}

// With endpoints at different ports there is none that a datagram could imply.
func TestPortOfSeveralEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 0)
		for second, implied := range map[string]bool{"[2a01::1]:6881": true, "[2a01::1]:6882": false} {
			conns := []socket.Conn{l.net.Listen(addr(0)), l.net.Listen(netip.MustParseAddrPort(second))}
			node, err := mainline.New(mainline.Config{}, conns...)
			require.NoError(t, err)
			s := New(node, Config{})
			got, ok := s.portOf(6881, true)
			require.True(t, ok)
			require.Equal(t, aPort{6881, implied}, got)
			require.NoError(t, s.Close())
			require.NoError(t, node.Close())
		}
	})
}

// A node that shares the client's port announces the port it is seen at.
func TestImpliedPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 5)
		seeds := 0
		heard := make(chan netip.AddrPort, 8)
		l.add(mainline.Config{Bootstrap: []string{addr(0).String()}, OnQuery: func(q *krpc.Query) {
			if infoHash, peer, ok := Announced(q); ok {
				args, _ := q.AnnouncePeer()
				require.True(t, args.ImpliedPort)
				require.True(t, args.Seed)
				require.Equal(t, hash, infoHash)
				heard <- peer
			}
		}})
		time.Sleep(2 * time.Minute)
		s := l.serve(l.nodes[2], Config{Seed: func([20]byte) bool { seeds++; return true }})
		_, err := s.Announce(hash, 6881, true)
		require.NoError(t, err)
		require.Equal(t, addr(2), <-heard)
		require.Equal(t, 1, seeds)
	})
}
