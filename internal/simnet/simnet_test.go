package simnet_test

import (
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

var (
	alice = addr("10.0.0.1:6881")
	bob   = addr("10.0.0.2:6881")
)

func TestLatencyIsTheLinksOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{Seed: 7})
		defer n.Close()
		a, b := n.Listen(alice), n.Listen(bob)

		first := trip(t, a, b)
		require.GreaterOrEqual(t, first, 20*time.Millisecond)
		require.Less(t, first, 200*time.Millisecond)
		require.Equal(t, first, trip(t, a, b), "each datagram of a link takes as long")
		require.NotEqual(t, first, trip(t, b, a), "the way back is another link")
	})
}

// trip sends a datagram and returns how long it took.
func trip(t *testing.T, from, to *simnet.Conn) time.Duration {
	t.Helper()
	start := time.Now()
	_, err := from.WriteToUDPAddrPort([]byte("hello"), to.AddrPort())
	require.NoError(t, err)
	buf := make([]byte, 3)
	k, src, err := to.ReadFromUDPAddrPort(buf)
	require.NoError(t, err)
	require.Equal(t, "hel", string(buf[:k]), "cut to the buffer, as UDP does")
	require.Equal(t, from.AddrPort(), src)
	return time.Since(start)
}

func TestLinksDoNotTie(t *testing.T) {
	seen := make(map[time.Duration]bool)
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{Seed: 3})
		defer n.Close()
		to := n.Listen(bob)
		for i := range 1000 {
			from := n.Listen(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 1))
			d := trip(t, from, to)
			require.False(t, seen[d], "%v twice", d)
			seen[d] = true
		}
	})
}

func TestCloseUnblocksReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		c := n.Listen(alice)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, _, err := c.ReadFromUDPAddrPort(make([]byte, 1))
				require.ErrorIs(t, err, net.ErrClosed)
			})
		}
		synctest.Wait()
		require.NoError(t, c.Close())
		wg.Wait()
		require.ErrorIs(t, c.Close(), net.ErrClosed)
		_, err := c.WriteToUDPAddrPort(nil, bob)
		require.ErrorIs(t, err, net.ErrClosed)
		require.NotPanics(t, func() { n.Listen(alice).Close() }, "the address is free again")
	})
}

func TestNobodyThereSwallows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		defer n.Close()
		a := n.Listen(alice)
		_, err := a.WriteToUDPAddrPort([]byte("x"), bob)
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, simnet.Stats{Sent: 1, Unreachable: 1}, n.Stats())
		require.EqualValues(t, 1, n.SentTo(bob))
		require.EqualValues(t, 0, n.SentTo(alice))
		require.Equal(t, 1, n.Destinations())
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{Queue: 4})
		defer n.Close()
		a, b := n.Listen(alice), n.Listen(bob)
		for i := range 10 {
			a.WriteToUDPAddrPort([]byte{byte(i)}, bob)
			time.Sleep(time.Second)
		}
		require.Equal(t, simnet.Stats{Sent: 10, Delivered: 4, Overflow: 6}, n.Stats())
		buf := make([]byte, 1)
		for i := range 3 {
			_, _, err := b.ReadFromUDPAddrPort(buf)
			require.NoError(t, err)
			require.EqualValues(t, i, buf[0])
		}
		for i := range 3 { // there is room for three more, behind the one left
			a.WriteToUDPAddrPort([]byte{byte(20 + i)}, bob)
			time.Sleep(time.Second)
		}
		for _, want := range []byte{3, 20, 21, 22} {
			_, _, err := b.ReadFromUDPAddrPort(buf)
			require.NoError(t, err)
			require.Equal(t, want, buf[0])
		}
	})
}

func TestLossFollowsTheSeed(t *testing.T) {
	lost := func(seed uint64) []byte {
		var got []byte
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(simnet.Config{Seed: seed, Loss: 0.25})
			a, b := n.Listen(alice), n.Listen(bob)
			for i := range 200 {
				a.WriteToUDPAddrPort([]byte{byte(i)}, bob)
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Second)
			buf := make([]byte, 1)
			for range n.Stats().Delivered {
				b.ReadFromUDPAddrPort(buf)
				got = append(got, buf[0])
			}
			require.EqualValues(t, 200, n.Stats().Lost+n.Stats().Delivered)
			require.InDelta(t, 50, int(n.Stats().Lost), 25)
			n.Close()
		})
		return got
	}
	require.Equal(t, lost(1), lost(1))
	require.NotEqual(t, lost(1), lost(2))
}

func TestPacketsUnderWayOutliveTheNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen int
		n := simnet.New(simnet.Config{OnPacket: func(from, to netip.AddrPort, b []byte) {
			require.Equal(t, alice, from)
			require.Equal(t, bob, to)
			require.Equal(t, "x", string(b))
			seen++
		}, Latency: func(_, _ netip.AddrPort) time.Duration { return time.Minute }})
		a := n.Listen(alice)
		n.Listen(bob)
		a.WriteToUDPAddrPort([]byte("x"), bob)
		n.Close()
		time.Sleep(2 * time.Minute)
		require.Equal(t, simnet.Stats{Sent: 1, Unreachable: 1}, n.Stats())
		require.Equal(t, 1, seen)
	})
}

func TestFreePorts(t *testing.T) {
	n := simnet.New(simnet.Config{})
	defer n.Close()
	ip := netip.MustParseAddr("10.0.0.1")
	a, b := n.Listen(netip.AddrPortFrom(ip, 0)), n.Listen(netip.AddrPortFrom(ip, 0))
	require.NotZero(t, a.AddrPort().Port())
	require.NotEqual(t, a.AddrPort(), b.AddrPort())
	require.Panics(t, func() { n.Listen(a.AddrPort()) })
}

func TestPortRestrictedNAT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(simnet.Config{})
		defer n.Close()
		inner, public := addr("192.168.0.2:6881"), addr("10.0.0.3:40000")
		nat, a, b := n.ListenNAT(inner, public), n.Listen(alice), n.Listen(bob)
		require.Equal(t, inner.String(), nat.LocalAddr().String())
		require.Equal(t, public, nat.AddrPort())

		write := func(from *simnet.Conn, to netip.AddrPort) {
			_, err := from.WriteToUDPAddrPort([]byte("hello"), to)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		write(a, public)
		require.Equal(t, uint64(1), n.Stats().Refused, "a stranger")
		write(a, inner)
		require.Equal(t, uint64(1), n.Stats().Unreachable, "nobody knows the inside")

		write(nat, alice)
		_, from, err := a.ReadFromUDPAddrPort(make([]byte, 8))
		require.NoError(t, err)
		require.Equal(t, public, from, "as others see it")
		write(a, public)
		_, from, err = nat.ReadFromUDPAddrPort(make([]byte, 8))
		require.NoError(t, err)
		require.Equal(t, alice, from)
		write(b, public)
		write(n.Listen(netip.AddrPortFrom(alice.Addr(), 1)), public)
		require.Equal(t, uint64(3), n.Stats().Refused, "another host, another port")

		time.Sleep(2 * time.Minute)
		write(a, public)
		require.Equal(t, uint64(4), n.Stats().Refused, "it forgets")
		write(nat, alice)
		write(a, public)
		require.Equal(t, uint64(4), n.Stats().Refused)
		require.Equal(t, simnet.Stats{Sent: 9, Delivered: 4, Unreachable: 1, Refused: 4}, n.Stats())
	})
}
