package legacy_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/dhtrpc/legacy"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
)

// grow lets n nodes join, from addr(1) on, that say hello.
func (l *lab) grow(n int) {
	for i := range n {
		hello(l.join(1+i, legacy.Config{}))
	}
}

func TestOnly(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(30)
		me := l.start(l.net.Listen(addr(50)), legacy.Config{Ephemeral: true})
		require.NoError(t, me.Ready(t.Context()))
		some := []netip.AddrPort{addr(3), addr(7), addr(99)}

		q := me.Query("hello", legacy.ID{1}, nil, legacy.Only(some...))
		require.Len(t, l.must(q), 2)
		require.Equal(t, routing.Stats{Asked: 3, Answered: 2, Failed: 1, Late: 1}, q.Stats().Way)
		require.Empty(t, q.ClosestNodes())

		q = me.Update("hello", legacy.ID{1}, nil, legacy.Only(some...))
		require.Equal(t, []string{"noted", "noted"}, values(l.must(q)))
		require.Equal(t, routing.Stats{Asked: 2, Answered: 2}, q.Stats().Updates)

		q = me.Update("hello", legacy.ID{1}, nil, legacy.Only(some...), legacy.IncludeQuery())
		require.Equal(t, []string{"world", "world", "noted", "noted"}, values(l.must(q)))

		_, err := l.all(me.Query("hello", legacy.ID{1}, nil, legacy.Only()))
		require.ErrorIs(t, err, routing.ErrNoNodes)
	})
}

func TestBreakFreesEverythingInFlight(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(30)
		me := l.join(50, legacy.Config{Ephemeral: true})
		time.Sleep(time.Minute)
		before := me.Socket().InFlight()
		q := me.Update("hello", legacy.ID{1}, nil, legacy.IncludeQuery())
		n := 0
		for r, err := range q.Replies(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, legacy.TypeQuery, r.Type)
			if n++; n == 3 {
				require.Greater(t, me.Socket().InFlight(), before)
				sent := me.Socket().Stats().Queries
				time.Sleep(time.Second)
				require.Equal(t, sent, me.Socket().Stats().Queries, "it does not go on while nobody reads")
				break
			}
		}
		require.Equal(t, before, me.Socket().InFlight())
		require.Zero(t, q.Stats().Updates.Asked)
		again, err := l.all(q)
		require.NoError(t, err)
		require.Empty(t, again)
	})
}

func TestQueriesEndWithTheirContext(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(5)
		me := l.join(50, legacy.Config{Ephemeral: true})
		why := errors.New("user went home")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		var last error
		for _, err := range me.Query("hello", legacy.ID{1}, nil).Replies(ctx) {
			cancel(why)
			last = err
		}
		require.ErrorIs(t, last, why)

		closing := l.join(51, legacy.Config{})
		for _, err := range closing.Query("hello", legacy.ID{1}, nil).Replies(t.Context()) {
			if last = err; err == nil {
				require.NoError(t, closing.Close())
			}
		}
		require.ErrorIs(t, last, legacy.ErrClosed)
	})
}

func TestNobodyToAsk(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		me := l.join(1, legacy.Config{})
		_, err := l.all(me.Update("hello", legacy.ID{1}, nil))
		require.ErrorIs(t, err, routing.ErrNoNodes, "the bootstrap node alone is not one to store at")

		nameless := l.start(l.net.Listen(addr(2)), legacy.Config{
			Bootstrap: []string{"nowhere.example:1"},
			Resolve: func(context.Context, string) ([]netip.Addr, error) {
				return nil, errors.New("no such host")
			},
		})
		_, err = l.all(nameless.Query("hello", legacy.ID{1}, nil))
		e, ok := errors.AsType[*legacy.BootstrapError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, []string{"nowhere.example:1"}, e.Names)
	})
}

func TestBootstrapByName(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(3)
		n := l.start(l.net.Listen(addr(20)), legacy.Config{
			Bootstrap: []string{"boot.example:10001"},
			Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
				require.Equal(t, "boot.example", host)
				time.Sleep(3 * time.Second)
				return []netip.Addr{netip.MustParseAddr("2001:470::1"), bootstrapAddr.Addr()}, nil
			},
		})
		require.NoError(t, n.Ready(t.Context()))
		require.Len(t, n.Nodes(), 3)
	})
}

// A node that has come back under another id at its old address is met under the new one.
func TestNodesThatChangeTheirID(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(3)
		me := l.join(50, legacy.Config{Ephemeral: true})
		old := l.nodes[2]
		require.NoError(t, old.Close())
		renewed := l.start(l.net.Listen(addr(2)), legacy.Config{ID: legacy.ID{0xab}})
		hello(renewed)

		q := me.Update("hello", old.ID(), nil)
		require.Len(t, l.must(q), 3)
		require.Contains(t, ids(q.ClosestNodes()), renewed.ID())
		require.NotContains(t, ids(q.ClosestNodes()), old.ID())
		require.NotContains(t, ids(me.Nodes()), old.ID())
		require.Positive(t, me.Counts().Mismatches)
		_, err := me.Ping(t.Context(), legacy.Contact{ID: old.ID(), Addr: addr(2)})
		require.ErrorIs(t, err, legacy.ErrTimeout, "a ping for another is not answered")
	})
}

func TestHandlersThatFail(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a, b := l.join(1, legacy.Config{}), l.join(2, legacy.Config{})
		a.OnQuery("fail", func(r *legacy.Request) { r.Fail("nope", []byte("proof")) })
		var got []*legacy.Error
		q := b.Update("fail", a.ID(), nil, legacy.IncludeQuery(), legacy.OnRefused(func(e *legacy.Error) { got = append(got, e) }))
		_, err := l.all(q)
		require.ErrorIs(t, err, routing.ErrNoNodes, "who refuses gives no token")
		require.Equal(t, []*legacy.Error{{Text: "nope", Value: []byte("proof"), From: legacy.Contact{ID: a.ID(), Addr: addr(1)}}}, got)

		got = nil
		q = b.Update("fail", a.ID(), nil, legacy.OnRefused(func(e *legacy.Error) { got = append(got, e) }))
		require.Empty(t, l.must(q))
		require.Equal(t, "Update not supported", got[0].Text)
	})
}

func TestDrive(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(30)
		me := l.join(50, legacy.Config{Ephemeral: true})
		require.NoError(t, l.nodes[9].Close(), "a late one may be left at the end")
		time.Sleep(10 * time.Second)
		count := make(map[legacy.Type]int)
		done := make(chan error, 1)
		q := me.Update("hello", legacy.ID{1}, nil, legacy.IncludeQuery())
		q.Drive(func(r *legacy.Reply) { count[r.Type]++ }, func(err error) { done <- err })
		require.NoError(t, <-done)
		require.Zero(t, me.Socket().InFlight())
		require.Equal(t, 20, count[legacy.TypeUpdate])
		require.GreaterOrEqual(t, count[legacy.TypeQuery], 20)
		q.Drive(nil, nil)() // nothing the second time

		q = me.Query("hello", legacy.ID{1}, nil)
		stop := q.Drive(func(*legacy.Reply) { require.Fail(t, "stopped") }, func(error) { require.Fail(t, "stopped") })
		stop()
		time.Sleep(time.Minute)

		lone := l.start(l.net.Listen(addr(60)), legacy.Config{})
		lone.Query("hello", legacy.ID{1}, nil).Drive(nil, func(err error) { done <- err })
		require.ErrorIs(t, <-done, routing.ErrNoNodes, "before Drive returned")
	})
}

func TestConfig(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		_, err := legacy.New(legacy.Config{}, l.net.Listen(addr(1)), l.net.Listen(addr(2)))
		require.ErrorIs(t, err, legacy.ErrConns)
		n, err := legacy.New(legacy.Config{}, l.net.Listen(addr(3)))
		require.NoError(t, err)
		require.NotEqual(t, legacy.ID{}, n.ID(), "drawn at random")
		require.Equal(t, addr(3), n.Addr())
		require.NoError(t, n.Close())
		require.NoError(t, n.Close())
		require.NoError(t, n.Ready(t.Context()))
	})
	_, err := legacy.Listen("nonsense", legacy.Config{})
	require.ErrorContains(t, err, "nonsense")
	taken, err := legacy.Listen("127.0.0.1:0", legacy.Config{Private: true})
	require.NoError(t, err)
	_, err = legacy.Listen(taken.Addr().String(), legacy.Config{Private: true})
	require.Error(t, err)
	require.NoError(t, taken.Close())
}

func TestSavedNodes(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(5)
		saved := l.join(50, legacy.Config{}).Nodes()
		require.NotEmpty(t, saved)
		var entered []legacy.Contact
		n := l.start(l.net.Listen(addr(51)), legacy.Config{Nodes: saved, OnNode: func(c legacy.Contact) { entered = append(entered, c) }})
		require.NoError(t, n.Ready(t.Context()))
		require.Subset(t, n.Nodes(), saved, "without a bootstrap node")
		require.Equal(t, len(n.Nodes()), len(entered))
		a, ok := n.RemoteAddr()
		require.True(t, ok)
		require.Equal(t, addr(51), a)
		require.True(t, n.Holepunchable())

		early := l.start(l.net.Listen(addr(52)), legacy.Config{Nodes: saved})
		require.NotEmpty(t, l.must(early.Query("hello", legacy.ID{1}, nil)), "before it is ready")
	})
}

func TestDeadNodes(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		l.grow(30)
		me := l.join(50, legacy.Config{Ephemeral: true})
		target := l.nodes[4].ID()
		require.NoError(t, l.nodes[4].Close())
		start := time.Now()
		q := me.Update("hello", target, nil)
		require.Len(t, l.must(q), 20)
		require.Equal(t, 1, q.Stats().Way.Failed)
		require.NotContains(t, ids(q.ClosestNodes()), target)
		require.Less(t, time.Since(start), 6*time.Second, "the way is not held up as long as an answer may take")

		time.Sleep(10 * time.Minute)
		for i, n := range l.nodes {
			if i != 4 {
				require.NotContains(t, ids(n.Nodes()), target, "node %d", i)
			}
		}
	})
}

func TestLargeValues(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		a, b := l.join(1, legacy.Config{}), l.join(2, legacy.Config{})
		a.OnUpdate("echo", func(r *legacy.Request) { r.Reply(r.Value) })
		value := make([]byte, 9000)
		require.Equal(t, []string{string(value)}, values(l.must(b.Update("echo", a.ID(), value))))
	})
}

func TestIDs(t *testing.T) {
	id := legacy.RandomID()
	got, err := legacy.ParseID(id.String())
	require.NoError(t, err)
	require.Equal(t, id, got)
	require.NotEqual(t, id, legacy.RandomID())
	for _, s := range []string{"", id.String()[2:], id.String() + "00", "x" + id.String()[1:]} {
		_, err := legacy.ParseID(s)
		require.ErrorIs(t, err, dhtrpc.ErrBadID)
	}
}

// The answer may come from elsewhere, as through a NAT that gives each destination another port. It counts, but it does not
// show that somebody lives there.
func TestAnswersFromElsewhere(t *testing.T) {
	inLab(t, simnet.Config{}, func(t *testing.T, l *lab) {
		asked, other := l.net.Listen(addr(7)), l.net.Listen(addr(8))
		n := l.start(l.net.Listen(addr(1)), legacy.Config{})
		go func() { // ends with its one answer
			b := make([]byte, 2048)
			size, from, err := asked.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			m, _ := legacy.Parse(b[:size])
			id := legacy.ID{0x99}
			answer := legacy.Message{Version: 1, Type: legacy.TypeResponse, RID: m.RID, ID: id[:], Token: id[:]}
			other.WriteToUDPAddrPort(answer.Append(nil), from)
		}()
		r, err := n.Ping(t.Context(), legacy.Contact{Addr: addr(7)})
		require.NoError(t, err)
		require.Equal(t, legacy.Contact{ID: legacy.ID{0x99}, Addr: addr(8)}, r.From)
		require.Empty(t, n.Nodes())
		time.Sleep(time.Minute)
		require.Empty(t, n.Nodes(), "asked back, it is silent")
	})
}
