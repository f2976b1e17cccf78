package legacy_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
)

// What follows are the tests of npm dht-rpc 4, in a network of our own nodes.

func TestSimpleUpdate(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a, b := l.join(1, legacy.Config{}), l.join(2, legacy.Config{})
		a.OnQuery("echo", func(r *legacy.Request) { require.Fail(t, "a query") })
		a.OnUpdate("echo", func(r *legacy.Request) {
			require.Equal(t, "Hello, World!", string(r.Value))
			require.Equal(t, legacy.Contact{ID: b.ID(), Addr: addr(2)}, r.From)
			id := a.ID()
			require.Equal(t, id[:], r.Target)
			require.Equal(t, "echo", r.Command)
			require.Equal(t, legacy.TypeUpdate, r.Type)
			r.Reply(r.Value)
		})
		q := b.Update("echo", a.ID(), []byte("Hello, World!"))
		got := l.must(q)
		require.Equal(t, []string{"Hello, World!"}, values(got))
		require.Equal(t, legacy.TypeUpdate, got[0].Type)
		require.Equal(t, legacy.Contact{ID: a.ID(), Addr: addr(1)}, got[0].From)
		require.Equal(t, addr(2), got[0].To)
		require.Positive(t, got[0].RTT)
		require.Equal(t, legacy.Stats{Way: routing.Stats{Asked: 1, Answered: 1}, Updates: routing.Stats{Asked: 1, Answered: 1}}, q.Stats())
	})
}

func TestSimpleQuery(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a := l.join(1, legacy.Config{})
		b := l.start(l.net.Listen(addr(2)), legacy.Config{Bootstrap: []string{bootstrapAddr.String()}}) // not ready yet
		a.OnQuery("hello", func(r *legacy.Request) {
			require.Nil(t, r.Value)
			r.Reply([]byte("world"))
		})
		var refused []string
		q := b.Query("hello", a.ID(), nil, legacy.OnRefused(func(e *legacy.Error) { refused = append(refused, e.Error()) }))
		require.Equal(t, []string{"world"}, values(l.must(q)))
		require.Equal(t, 1, q.Stats().Refused, "the bootstrap node knows no such command")
		require.Equal(t, []string{"legacy: 30.0.0.1:10001 answered: Unsupported command"}, refused)
	})
}

func TestQueryAndUpdate(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a, b := l.join(1, legacy.Config{}), l.join(2, legacy.Config{})
		world := func(r *legacy.Request) {
			require.Nil(t, r.Value)
			r.Reply([]byte(r.Type.String()))
		}
		a.OnQuery("hello", world)
		a.OnUpdate("hello", world)
		got := l.must(b.Update("hello", a.ID(), nil, legacy.IncludeQuery()))
		require.Equal(t, []string{"query", "update"}, values(got))
		require.Equal(t, legacy.TypeQuery, got[0].Type)
		require.Equal(t, legacy.TypeUpdate, got[1].Type)
	})
}

// store gives a node the command of the original's swarm test; updates are counted.
func store(n *legacy.Node, updates *int) {
	var value []byte
	n.OnUpdate("kv", func(r *legacy.Request) {
		*updates++
		value = append([]byte{}, r.Value...)
		r.Reply(nil)
	})
	n.OnQuery("kv", func(r *legacy.Request) { r.Reply(value) })
}

func TestSwarm(t *testing.T) {
	size := 256
	if testing.Short() {
		size = 100
	}
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		updates := 0
		for i := range size {
			store(l.join(1+i, legacy.Config{}), &updates)
		}
		me := l.join(1+size, legacy.Config{Ephemeral: true})
		target := legacy.ID{0x42}
		update := me.Update("kv", target, []byte("hello"))
		require.Len(t, l.must(update), 20)
		require.Equal(t, 20, updates)
		require.ElementsMatch(t, l.nearest(target, 20), ids(update.ClosestNodes()))

		found := 0
		for r, err := range me.Query("kv", target, nil).Replies(t.Context()) {
			require.NoError(t, err)
			if r.Value != nil {
				require.Equal(t, "hello", string(r.Value))
				found++
				break
			}
		}
		require.Equal(t, 1, found)
		require.Zero(t, me.Socket().InFlight(), "leaving the loop ended the query")
	})
}

func TestHolepunchCall(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		var helped []string
		helper := l.start(l.net.Listen(addr(9)), legacy.Config{
			OnHolepunch: func(from, to netip.AddrPort) { helped = append(helped, from.String()+" "+to.String()) },
		})
		l.join(1, legacy.Config{})
		a := l.nodes[len(l.nodes)-1]
		l.join(2, legacy.Config{})
		require.NoError(t, a.Holepunch(t.Context(), addr(2), addr(9)))
		pause()
		require.Equal(t, []string{"30.0.1.1:10001 30.0.2.1:10001"}, helped)
		require.EqualValues(t, 1, helper.Counts().Relayed)
		require.ErrorIs(t, a.Holepunch(t.Context(), v6, addr(9)), legacy.ErrNotIPv4)
	})
}

func TestTimeouts(t *testing.T) {
	for _, direct := range []bool{true, false} {
		inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
			a, b := l.join(1, legacy.Config{Ephemeral: true, NoHolepunch: direct}), l.join(2, legacy.Config{})
			var tries []time.Time
			b.OnUpdate("nope", func(r *legacy.Request) { tries = append(tries, r.At) })
			_, err := l.all(a.Update("nope", legacy.ID{1}, nil))
			require.ErrorIs(t, err, routing.ErrNoAnswer)
			require.ErrorIs(t, err, legacy.ErrTimeout)
			require.Len(t, tries, 3)
			if direct {
				require.Equal(t, 1600*time.Millisecond, tries[1].Sub(tries[0]))
				require.Equal(t, 2250*time.Millisecond, tries[2].Sub(tries[1]))
			}
		})
	}
}

func TestPersistent(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a, b := l.join(1, legacy.Config{Ephemeral: true}), l.join(2, legacy.Config{})
		a.OnQuery("hello", func(r *legacy.Request) { r.Reply([]byte("world")) })
		require.Empty(t, l.must(b.Query("hello", legacy.ID{1}, nil)), "nobody knows it")
		require.True(t, a.Ephemeral())

		require.NoError(t, a.Persistent(t.Context()))
		require.False(t, a.Ephemeral())
		got := l.must(b.Query("hello", legacy.ID{1}, nil))
		require.Len(t, got, 1)
		require.Equal(t, a.ID(), got[0].From.ID)
	})
}

func TestGetNodes(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a, b := l.join(1, legacy.Config{}), l.join(2, legacy.Config{})
		pause()
		require.Equal(t, []legacy.Contact{{ID: b.ID(), Addr: addr(2)}}, a.Nodes())
		require.Equal(t, []legacy.Contact{{ID: a.ID(), Addr: addr(1)}}, b.Nodes())
	})
}

func TestAddNode(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a := l.join(1, legacy.Config{})
		a.OnQuery("hello", func(r *legacy.Request) { r.Reply([]byte("world")) })
		b := l.start(l.net.Listen(addr(2)), legacy.Config{})
		require.NoError(t, b.Ready(t.Context()), "there is nothing to wait for")
		_, err := l.all(b.Query("hello", a.ID(), nil))
		require.ErrorIs(t, err, routing.ErrNoNodes)

		require.True(t, b.AddNode(legacy.Contact{ID: a.ID(), Addr: addr(1)}))
		require.False(t, b.AddNode(legacy.Contact{ID: legacy.ID{1}, Addr: v6}))
		require.Equal(t, []legacy.Contact{{ID: a.ID(), Addr: addr(1)}}, b.Nodes())
		require.Equal(t, []string{"world"}, values(l.must(b.Query("hello", a.ID(), nil))))
		pause()
		require.Equal(t, []legacy.Contact{{ID: b.ID(), Addr: addr(2)}}, a.Nodes())
	})
}

func TestReadyHasAnEnd(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		n := l.start(l.net.Listen(addr(1)), legacy.Config{Bootstrap: []string{addr(99).String()}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, n.Ready(ctx), context.DeadlineExceeded)
		require.NoError(t, n.Ready(t.Context()), "though nobody answered")
		require.ErrorIs(t, n.Bootstrap(t.Context()), routing.ErrNoAnswer)
		require.NoError(t, l.bootstrap().Bootstrap(t.Context()), "nobody to ask")
	})
}
