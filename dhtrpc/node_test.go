package dhtrpc_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/dhtkit/dhtkit/socket"
)

// lab is a network of nodes in memory, inside a synctest bubble: it ends with a panic if a goroutine is left.
type lab struct {
	t     *testing.T
	net   *simnet.Net
	nodes []*dhtrpc.Node
}

func newLab(t *testing.T, cfg simnet.Config) *lab {
	cfg.Seed = 1
	if cfg.Latency == nil {
		cfg.Latency = func(from, to netip.AddrPort) time.Duration {
			return time.Duration(5+(from.Port()^to.Port())%10)*time.Millisecond + time.Duration(from.Port()%977)
		}
	}
	l := &lab{t: t, net: simnet.New(cfg)}
	t.Cleanup(func() {
		for _, n := range l.nodes {
			n.Close()
		}
		l.net.Close()
	})
	return l
}

// at is the address of node i.
func at(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 40000+uint16(i))
}

// add starts a persistent node at at(i), which begins at the first if there is one.
func (l *lab) add(i int, cfg dhtrpc.Config) *dhtrpc.Node {
	l.t.Helper()
	cfg.Private = true
	if len(l.nodes) > 0 && cfg.Bootstrap == nil {
		cfg.Bootstrap = []string{l.nodes[0].Addr().String()}
	}
	n, err := dhtrpc.New(cfg, l.net.Listen(at(i)))
	require.NoError(l.t, err)
	l.nodes = append(l.nodes, n)
	return n
}

// grow starts nodes 0 to count-1, one after the other.
func (l *lab) grow(count int) {
	l.t.Helper()
	for i := range count {
		require.NoError(l.t, l.add(i, dhtrpc.Config{}).Ready(l.t.Context()))
	}
	time.Sleep(time.Second)
}

// nearest returns the addresses of the count nodes nearest to target.
func (l *lab) nearest(target dhtrpc.ID, count int) (addrs []netip.AddrPort) {
	for _, n := range l.nodes {
		addrs = append(addrs, n.Addr())
	}
	slices.SortFunc(addrs, func(a, b netip.AddrPort) int {
		return routing.CompareDistance(target.Key(), dhtrpc.IDOf(a).Key(), dhtrpc.IDOf(b).Key())
	})
	return addrs[:min(count, len(addrs))]
}

func addrsOf(contacts []dhtrpc.Contact) (addrs []netip.AddrPort) {
	for _, c := range contacts {
		addrs = append(addrs, c.Addr)
	}
	return addrs
}

// drain reads a query to its end.
func drain(t *testing.T, q *dhtrpc.Query) (replies []*dhtrpc.Reply) {
	t.Helper()
	for r, err := range q.Replies(t.Context()) {
		require.NoError(t, err)
		replies = append(replies, r)
	}
	return replies
}

// storing lets a node keep one value a target, of those who can be reached: command 1 reads, and with a token writes.
func storing(n *dhtrpc.Node) map[dhtrpc.ID]string {
	held := make(map[dhtrpc.ID]string)
	n.Handle(1, func(q *dhtrpc.Request) {
		switch {
		case q.Target == nil:
			q.Error(16)
		case q.Token != nil:
			held[*q.Target] = string(q.Value)
			q.Reply(nil)
		default:
			var value []byte
			if v, ok := held[*q.Target]; ok {
				value = []byte(v)
			}
			q.Reply(value)
		}
	})
	return held
}

func TestQueriesFindTheClosest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(60)
		reader := l.add(100, dhtrpc.Config{Mode: dhtrpc.Ephemeral})
		l.nodes = l.nodes[:60]
		defer reader.Close()
		for i := range 20 {
			target := dhtrpc.Hash([]byte{byte(i)})
			q := reader.FindNode(target, dhtrpc.QueryOptions{})
			require.GreaterOrEqual(t, len(drain(t, q)), 20)
			require.Equal(t, l.nearest(target, 20), addrsOf(q.ClosestNodes()))
			require.Equal(t, len(q.ClosestNodes()), len(q.ClosestReplies()))
			require.Zero(t, q.Stats().Timeouts+q.Stats().Errors)
		}
		require.Zero(t, reader.Stats().Requests.Active)
		require.Zero(t, reader.Stats().Queries.Active)
		for _, n := range l.nodes {
			require.False(t, slices.Contains(addrsOf(n.Contacts(0)), reader.Addr()), "an ephemeral node is in a table")
		}
	})
}

func TestCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(50)
		held := make(map[netip.AddrPort]map[dhtrpc.ID]string)
		for _, n := range l.nodes {
			held[n.Addr()] = storing(n)
		}
		target := dhtrpc.Hash([]byte("key"))
		stored, err := l.nodes[7].Query(target, 1, []byte("value"), dhtrpc.QueryOptions{}).Commit(t.Context())
		require.NoError(t, err)
		want := slices.DeleteFunc(l.nearest(target, 21), func(a netip.AddrPort) bool { return a == l.nodes[7].Addr() })[:20]
		require.Len(t, stored, 20)
		for _, a := range want {
			require.Equal(t, "value", held[a][target])
		}
		q := l.nodes[30].Query(target, 1, nil, dhtrpc.QueryOptions{})
		for r, err := range q.Replies(t.Context()) {
			require.NoError(t, err)
			if r.Value != nil {
				require.Equal(t, "value", string(r.Value))
				break // the rest is not of interest
			}
		}
		require.Zero(t, l.nodes[30].Stats().Requests.Active)
	})
}

func TestCommitFuncBuildsEachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(25)
		var mu sync.Mutex
		got := make(map[netip.AddrPort]string)
		for _, n := range l.nodes {
			storing(n)
			n.Handle(2, func(q *dhtrpc.Request) {
				require.NotNil(t, q.Token)
				mu.Lock()
				got[n.Addr()] = string(q.Value)
				mu.Unlock()
				q.Reply(nil)
			})
		}
		q := l.nodes[3].Query(dhtrpc.Hash(nil), 1, nil, dhtrpc.QueryOptions{})
		stored, err := q.CommitFunc(t.Context(), func(r *dhtrpc.Reply) *dhtrpc.Call {
			if r.From.Addr.Port()%2 == 0 {
				return nil
			}
			return &dhtrpc.Call{Command: 2, Token: r.Token, Value: []byte(r.From.Addr.String())}
		})
		require.NoError(t, err)
		require.Len(t, got, len(stored))
		require.Greater(t, len(stored), 5)
		for a, v := range got {
			require.Equal(t, a.String(), v)
			require.Equal(t, uint16(1), a.Port()%2)
		}
	})
}

// Nodes that do not know the command still show the way; those that refuse a commit are an error.
func TestErrorsOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(40)
		for i, n := range l.nodes {
			if i%2 == 0 {
				storing(n)
			}
		}
		reader := l.add(100, dhtrpc.Config{Mode: dhtrpc.Ephemeral})
		q := reader.Query(dhtrpc.Hash([]byte("x")), 1, nil, dhtrpc.QueryOptions{})
		for _, r := range drain(t, q) {
			require.Zero(t, r.Code)
		}
		require.Greater(t, len(q.ClosestReplies()), 8, "every second node answers")
		for _, r := range q.ClosestReplies() {
			require.Zero(t, r.From.Addr.Port()%2)
		}
		require.NotZero(t, q.Stats().Errors)

		q = reader.Query(dhtrpc.Hash([]byte("x")), 99, nil, dhtrpc.QueryOptions{})
		var last error
		for _, last = range q.Replies(t.Context()) {
		}
		require.ErrorIs(t, last, routing.ErrNoAnswer)
		e, ok := errors.AsType[*dhtrpc.Error](last)
		require.True(t, ok)
		require.EqualValues(t, dhtrpc.CodeUnknownCommand, e.Code)
		_, err := reader.Query(dhtrpc.Hash([]byte("x")), 99, nil, dhtrpc.QueryOptions{}).Commit(t.Context())
		require.ErrorIs(t, err, routing.ErrNoAnswer)
	})
}

func TestRequestTellsTheKindsOfFailureApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(2)
		a, b := l.nodes[0], l.nodes[1]
		b.Handle(7, func(q *dhtrpc.Request) {
			require.Equal(t, a.Addr(), q.From.Addr)
			require.Equal(t, dhtrpc.IDOf(a.Addr()), q.From.ID)
			require.Equal(t, b.Addr(), q.To)
			require.Nil(t, q.Target)
			q.Reply(q.Value)
		})
		b.Handle(8, func(q *dhtrpc.Request) { q.Error(300) })
		b.Handle(9, func(q *dhtrpc.Request) {})

		r, err := a.Request(t.Context(), b.Addr(), dhtrpc.Call{Command: 7, Value: []byte("hello")})
		require.NoError(t, err)
		require.Equal(t, "hello", string(r.Value))
		require.Len(t, r.Token, dhtrpc.IDSize)
		require.Zero(t, r.Closer.Len(), "no target")
		require.Equal(t, a.Addr(), r.To)
		require.Equal(t, dhtrpc.IDOf(b.Addr()), r.From.ID)
		for _, value := range [][]byte{nil, {}} {
			r, err = a.Request(t.Context(), b.Addr(), dhtrpc.Call{Command: 7, Value: value})
			require.NoError(t, err)
			require.Equal(t, value == nil, r.Value == nil, "no value and an empty one are not the same")
		}

		_, err = a.Request(t.Context(), b.Addr(), dhtrpc.Call{Command: 8})
		e, ok := errors.AsType[*dhtrpc.Error](err)
		require.True(t, ok)
		require.EqualValues(t, 300, e.Code)
		require.Nil(t, e.Reply.Token)

		target := dhtrpc.Hash(nil)
		_, err = a.Request(t.Context(), b.Addr(), dhtrpc.Call{Command: 10, Target: &target})
		e, _ = errors.AsType[*dhtrpc.Error](err)
		require.EqualValues(t, dhtrpc.CodeUnknownCommand, e.Code)

		_, err = a.Request(t.Context(), b.Addr(), dhtrpc.Call{Command: 7, Token: make([]byte, 32)})
		e, _ = errors.AsType[*dhtrpc.Error](err)
		require.EqualValues(t, dhtrpc.CodeInvalidToken, e.Code)
		_, err = a.Request(t.Context(), b.Addr(), dhtrpc.Call{Command: 7, Token: e.Reply.Token})
		require.NoError(t, err, "the fresh token is good")

		begin := time.Now()
		_, err = a.Request(t.Context(), b.Addr(), dhtrpc.Call{Command: 9})
		require.ErrorIs(t, err, dhtrpc.ErrTimeout)
		require.Equal(t, 4*time.Second, time.Since(begin), "four attempts of a second")

		_, err = a.Request(t.Context(), b.Addr(), dhtrpc.Call{Value: make([]byte, dhtrpc.MaxMessage)})
		require.ErrorIs(t, err, dhtrpc.ErrTooLong)
		_, err = a.Request(t.Context(), netip.MustParseAddrPort("[2001:db8::1]:1"), dhtrpc.Call{})
		require.ErrorIs(t, err, dhtrpc.ErrNotIPv4)
		_, err = a.Request(t.Context(), a.Addr(), dhtrpc.Call{})
		require.ErrorIs(t, err, socket.ErrFiltered)

		why := errors.New("no time")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, why)
		defer cancel()
		_, err = a.Request(ctx, b.Addr(), dhtrpc.Call{Command: 9})
		require.ErrorIs(t, err, why)
		require.Zero(t, a.Stats().Requests.Active)
	})
}

// How often and when a silent node is asked (dht-rpc 9.1).
func TestAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nobody := at(99)
		var sent []time.Duration
		begin := time.Now()
		l := newLab(t, simnet.Config{OnPacket: func(_, to netip.AddrPort, b []byte) {
			if to == nobody {
				sent = append(sent, time.Since(begin))
			}
		}})
		l.grow(1)
		n := l.nodes[0]
		for _, c := range []struct {
			do   func() error
			want []time.Duration
			over time.Duration
		}{
			{func() error { _, err := n.Ping(t.Context(), nobody, dhtrpc.PingOptions{}); return err }, []time.Duration{0, 1, 2, 3}, 4},
			{func() error {
				_, err := n.Ping(t.Context(), nobody, dhtrpc.PingOptions{CallOptions: dhtrpc.CallOptions{Retries: -1}})
				return err
			}, []time.Duration{0}, 1},
			{func() error {
				_, err := n.Ping(t.Context(), nobody, dhtrpc.PingOptions{Delay: 2 * time.Second})
				return err
			}, []time.Duration{0, 3, 6, 9}, 12},
			{func() (err error) {
				q := n.FindNode(dhtrpc.Hash(nil), dhtrpc.QueryOptions{Nodes: []netip.AddrPort{nobody}, Only: true})
				for _, err = range q.Replies(t.Context()) {
				}
				return err
			}, []time.Duration{0, 1, 2, 3, 4, 5}, 6},
			{func() (err error) {
				q := n.FindNode(dhtrpc.Hash(nil), dhtrpc.QueryOptions{Nodes: []netip.AddrPort{nobody}, Only: true, Retries: 1})
				for _, err = range q.Replies(t.Context()) {
				}
				return err
			}, []time.Duration{0, 1}, 2},
		} {
			sent, begin = nil, time.Now()
			require.ErrorIs(t, c.do(), dhtrpc.ErrTimeout)
			require.Equal(t, c.over*time.Second, time.Since(begin))
			for i := range c.want {
				c.want[i] *= time.Second
			}
			require.Equal(t, c.want, sent)
		}
		_, err := n.Ping(t.Context(), nobody, dhtrpc.PingOptions{Delay: 11 * time.Second})
		require.ErrorIs(t, err, dhtrpc.ErrDelay)
	})
}

func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		l.grow(30)
		closes := 0
		n := l.add(100, dhtrpc.Config{On: dhtrpc.Events{Close: func() { closes++ }}})
		require.NoError(t, n.Ready(t.Context()))
		ended := make(chan error, 3)
		go func() {
			_, err := n.Ping(t.Context(), at(999), dhtrpc.PingOptions{})
			ended <- err
		}()
		go func() {
			var last error
			for _, last = range n.FindNode(dhtrpc.ID{}, dhtrpc.QueryOptions{Nodes: []netip.AddrPort{at(1), at(999)}, Only: true}).Replies(t.Context()) {
			}
			ended <- last
		}()
		n.Query(dhtrpc.ID{}, 1, nil, dhtrpc.QueryOptions{Nodes: []netip.AddrPort{at(999)}, Only: true}).
			Drive(func(*dhtrpc.Reply) {}, func(err error) { ended <- err })
		time.Sleep(100 * time.Millisecond)
		require.NoError(t, n.Close())
		require.NoError(t, n.Close())
		for range 3 {
			require.ErrorIs(t, <-ended, dhtrpc.ErrClosed)
		}
		_, err := n.Ping(t.Context(), at(1), dhtrpc.PingOptions{})
		require.ErrorIs(t, err, dhtrpc.ErrClosed)
		for _, err = range n.FindNode(dhtrpc.ID{}, dhtrpc.QueryOptions{}).Replies(t.Context()) {
		}
		require.ErrorIs(t, err, dhtrpc.ErrClosed)
		require.Equal(t, 1, closes)
		require.Zero(t, n.Stats().Requests.Active)
	})
}

// One node, and two, are a network at once.
func TestSmallNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		begin := time.Now()
		l.add(0, dhtrpc.Config{})
		alone := l.nodes[0]
		require.NoError(t, alone.Ready(t.Context()))
		require.Zero(t, time.Since(begin))
		id, shown := alone.ID()
		require.True(t, shown)
		require.Equal(t, dhtrpc.IDOf(alone.Addr()), id)
		var err error
		for _, err = range alone.FindNode(id, dhtrpc.QueryOptions{}).Replies(t.Context()) {
		}
		require.ErrorIs(t, err, routing.ErrNoNodes)

		second := l.add(1, dhtrpc.Config{})
		require.NoError(t, second.Ready(t.Context()))
		time.Sleep(100 * time.Millisecond)
		require.Less(t, time.Since(begin), time.Second)
		for i, n := range l.nodes {
			other := l.nodes[1-i]
			storing(other)
			stored, err := n.Query(id, 1, []byte("x"), dhtrpc.QueryOptions{}).Commit(t.Context())
			require.NoError(t, err)
			require.Len(t, stored, 1)
			require.Equal(t, []netip.AddrPort{other.Addr()}, addrsOf(n.Contacts(0)))
		}
	})
}

// Networks with different names do not hear each other, nor does one with a name hear one without.
func TestNetworksDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, simnet.Config{})
		names := []string{"", "red", "blue"}
		for i := range 18 {
			cfg := dhtrpc.Config{Network: names[i%3], Bootstrap: []string{}}
			for j := range i { // all of them, whatever their network
				cfg.Bootstrap = append(cfg.Bootstrap, at(j).String())
			}
			n := l.add(i, cfg)
			require.NoError(t, n.Ready(t.Context()))
		}
		time.Sleep(10 * time.Minute)
		for i, n := range l.nodes {
			known := n.Contacts(0)
			require.Len(t, known, 5)
			for _, c := range known {
				require.Equal(t, i%3, int(c.Addr.Port()-40000)%3)
			}
			_, err := n.Ping(t.Context(), at((i+1)%18), dhtrpc.PingOptions{CallOptions: dhtrpc.CallOptions{Retries: -1}})
			require.ErrorIs(t, err, dhtrpc.ErrTimeout)
		}
	})
}

func TestTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type point struct{ X, Y int }
		mirror := dhtrpc.Command[point, point]{Number: 5, In: dhtrpc.JSON[point](), Out: dhtrpc.JSON[point]()}
		l := newLab(t, simnet.Config{})
		l.grow(10)
		for i, n := range l.nodes {
			mirror.Handle(n, func(q *dhtrpc.Request, p point) (point, error) {
				switch {
				case p.X < 0:
					return point{}, &dhtrpc.Error{Code: 40}
				case p.Y < 0:
					return point{}, errors.New("below")
				case i == 4:
					return point{}, q.Reply([]byte("no json"))
				}
				return point{p.Y, p.X}, nil
			})
		}
		a, err := mirror.Request(t.Context(), l.nodes[0], at(1), point{1, 2})
		require.NoError(t, err)
		require.Equal(t, point{2, 1}, a.Out)
		for p, code := range map[point]uint64{{-1, 0}: 40, {0, -1}: dhtrpc.CodeBadValue} {
			_, err = mirror.Request(t.Context(), l.nodes[0], at(1), p)
			e, _ := errors.AsType[*dhtrpc.Error](err)
			require.Equal(t, code, e.Code)
		}
		_, err = l.nodes[0].Request(t.Context(), at(1), dhtrpc.Call{Command: 5, Value: []byte("{")})
		e, _ := errors.AsType[*dhtrpc.Error](err)
		require.EqualValues(t, dhtrpc.CodeBadValue, e.Code)

		q, err := mirror.Query(l.nodes[0], dhtrpc.ID{}, point{3, 4}, dhtrpc.QueryOptions{})
		require.NoError(t, err)
		answers := 0
		for a, err := range mirror.Answers(t.Context(), q) {
			require.NoError(t, err)
			require.Equal(t, point{4, 3}, a.Out)
			answers++
		}
		require.Equal(t, 8, answers, "not ourselves, and not the one that does not answer in JSON")
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]dhtrpc.Config{
		"no port":      {Bootstrap: []string{"host"}},
		"port 0":       {Bootstrap: []string{"127.0.0.1:0"}},
		"IPv6":         {Bootstrap: []string{"[::1]:1"}},
		"name as hint": {Bootstrap: []string{"name@host:1"}},
		"IPv6 public":  {Public: netip.MustParseAddrPort("[2001:db8::1]:1")},
	} {
		_, err := dhtrpc.New(cfg)
		require.Error(t, err, name)
	}
	for _, host := range []string{"", "0.0.0.0", "::", "example"} {
		_, err := dhtrpc.Bootstrapper(40000, host, dhtrpc.Config{})
		require.ErrorIs(t, err, dhtrpc.ErrNotIPv4, host)
	}
	_, err := dhtrpc.Bootstrapper(0, "127.0.0.1", dhtrpc.Config{})
	require.Error(t, err)
	require.Equal(t, "adaptive", fmt.Sprint(cmp.Or(dhtrpc.Default, dhtrpc.Adaptive)))
}
