package legacy_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
	"github.com/dhtkit/dhtkit/internal/simnet"
)

// behind starts a node behind a port-restricted NAT of its own and waits until it has joined. Others see it at addr(i).
func (l *lab) behind(i int, cfg legacy.Config) *legacy.Node {
	l.t.Helper()
	cfg.Bootstrap = []string{bootstrapAddr.String()}
	n := l.start(l.net.ListenNAT(netip.MustParseAddrPort("192.168.0.2:10001"), addr(i)), cfg)
	require.NoError(l.t, n.Ready(l.t.Context()))
	return n
}

// hello gives a node a command to be asked for.
func hello(n *legacy.Node) {
	n.OnQuery("hello", func(r *legacy.Request) { r.Reply([]byte("world")) })
	n.OnUpdate("hello", func(r *legacy.Request) { r.Reply([]byte("noted")) })
}

func TestBehindNATs(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		b := l.behind(1, legacy.Config{})
		hello(b)
		pause()

		a := l.behind(2, legacy.Config{NoHolepunch: true, Ephemeral: true}) // nobody is told of it
		require.Empty(t, a.Nodes())
		require.Empty(t, l.must(a.Query("hello", b.ID(), nil)), "nobody helps")
		_, err := a.Ping(t.Context(), legacy.Contact{Addr: addr(1)})
		require.ErrorIs(t, err, legacy.ErrTimeout)

		helped := l.bootstrap().Counts().Relayed
		require.NoError(t, a.Holepunch(t.Context(), addr(1), bootstrapAddr))
		require.Equal(t, helped+1, l.bootstrap().Counts().Relayed, "once was enough")
		pong, err := a.Ping(t.Context(), legacy.Contact{ID: b.ID(), Addr: addr(1)})
		require.NoError(t, err)
		require.Equal(t, addr(2), pong.To, "as the other side of the NAT sees it")
	})
}

func TestQueriesPunchHoles(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		b := l.behind(1, legacy.Config{})
		hello(b)
		pause()
		a := l.behind(2, legacy.Config{})
		require.Equal(t, []legacy.Contact{{ID: b.ID(), Addr: addr(1)}}, a.Nodes(), "joining punches, too")

		// A query from nothing: its node knows nobody, the first answer names b.
		c := l.start(l.net.ListenNAT(netip.MustParseAddrPort("192.168.0.2:10001"), addr(3)), legacy.Config{Ephemeral: true})
		require.Empty(t, l.must(c.Query("hello", b.ID(), nil, legacy.Only(bootstrapAddr))))
		c.AddNode(legacy.Contact{ID: legacy.ID{1}, Addr: bootstrapAddr}) // under an id that it does not have
		got := l.must(c.Update("hello", b.ID(), nil, legacy.IncludeQuery()))
		require.Equal(t, []string{"world", "noted"}, values(got))
		require.Greater(t, got[0].RTT, 500*time.Millisecond, "not at the first attempt")
		require.Less(t, got[0].RTT, 1600*time.Millisecond, "the second does not wait for its time")

		require.NotContains(t, c.Nodes(), legacy.Contact{ID: legacy.ID{1}, Addr: bootstrapAddr}, "it has another id")
		require.Empty(t, l.must(c.Query("hello", b.ID(), nil, legacy.NoHolepunch(), legacy.Only(bootstrapAddr))))
	})
}

// Who is behind a NAT stays reachable for newcomers: its nodes talk to it often enough to keep the NAT open for them.
func TestNATsStayOpen(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		b := l.behind(1, legacy.Config{})
		hello(b)
		time.Sleep(time.Hour)
		a := l.behind(2, legacy.Config{})
		require.Equal(t, []string{"world"}, values(l.must(a.Query("hello", b.ID(), nil))))
	})
}

// A referrer is not made to flood others: what strangers have it send is limited.
func TestRelaysAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{})
		defer net.Close()
		n, err := legacy.New(legacy.Config{Private: true}, net.Listen(addr(1)))
		require.NoError(t, err)
		defer n.Close()
		flood := net.Listen(addr(2))
		victim := addr(3)
		for i := range 1000 {
			value := "\x1a\x06" + string(peer(victim))
			if i%2 == 1 { // as if it were the node, and not the referrer
				value = "\x12\x06" + string(peer(victim))
			}
			b := fmt.Appendf(nil, "\x58\x01\x08\x01\x10\x07\x3a\x0a_holepunch\x4a\x08%s", value)
			_, err := flood.WriteToUDPAddrPort(b, addr(1))
			require.NoError(t, err)
		}
		time.Sleep(time.Second)
		require.EqualValues(t, 200, net.SentTo(victim))
		require.EqualValues(t, 200, n.Counts().Relayed)
	})
}

func peer(a netip.AddrPort) []byte {
	ip := a.Addr().As4()
	return append(ip[:], byte(a.Port()>>8), byte(a.Port()))
}
