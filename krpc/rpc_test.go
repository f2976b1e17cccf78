package krpc_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/krpc"
	"github.com/dhtkit/dhtkit/routing"
	"github.com/stretchr/testify/require"
)

// lab is a network of RPCs in memory, inside a synctest bubble: it ends with a panic if a goroutine is left.
type lab struct {
	t    *testing.T
	net  *simnet.Net
	rpcs []*krpc.RPC
}

func newLab(t *testing.T) *lab {
	l := &lab{t: t, net: simnet.New(simnet.Config{Seed: 1})}
	t.Cleanup(func() {
		for _, r := range l.rpcs {
			r.Close()
		}
		l.net.Close()
	})
	return l
}

// addr gives each node a /24 of its own.
func addr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{30, byte(i >> 8), byte(i), 1}), 6881)
}

// add starts an RPC at addr(i) that answers ping, find_node and get_peers (with its own token).
func (l *lab) add(i int, cfg krpc.Config) *krpc.RPC {
	l.t.Helper()
	id := sha256.Sum256([]byte{byte(i)})
	cfg.ID = id[:cmp.Or(cfg.IDLen, 20)]
	r, err := krpc.New(cfg, l.net.Listen(addr(i)))
	require.NoError(l.t, err)
	l.rpcs = append(l.rpcs, r)
	r.OnQuery("ping", func(q *krpc.Query) { q.Reply(&krpc.PingResults{}) })
	r.OnQuery("find_node", func(q *krpc.Query) {
		args, err := q.FindNode()
		if err != nil {
			q.Fail(err)
			return
		}
		q.Reply(&krpc.NodesResults{Nodes: q.Closest(args.Target.Key(), 8)})
	})
	r.OnQuery("get_peers", func(q *krpc.Query) {
		args, _ := q.GetPeers()
		q.Reply(&krpc.GetPeersResults{
			NodesResults: krpc.NodesResults{Nodes: q.Closest(args.InfoHash.Key(), 8)},
			Token:        fmt.Append(nil, "token of ", i),
		})
	})
	return r
}

// grow starts n RPCs that join through the first, one every two minutes: a newcomer is asked after 90 s, and listed then.
func (l *lab) grow(n int) {
	l.t.Helper()
	for i := range n {
		cfg := krpc.Config{Upkeep: true}
		if i > 0 {
			cfg.Bootstrap = []string{addr(0).String()}
		}
		require.NoError(l.t, l.add(i, cfg).Ready(l.t.Context()))
		time.Sleep(2 * time.Minute)
	}
}

func TestBreakFreesEverythingInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(40)
		r := l.add(100, krpc.Config{Bootstrap: []string{addr(0).String()}})
		target := krpc.ID{0x42}
		lookup := r.Closest(target.Key(), krpc.FindNodeArgs{Target: target})
		replies := 0
		for _, err := range lookup.Replies(t.Context()) {
			require.NoError(t, err)
			if replies++; replies == 3 {
				require.Positive(t, r.InFlight())
				break
			}
		}
		require.Equal(t, 3, replies)
		require.Zero(t, r.InFlight())
	})
}

func TestClosestFindsTheClosest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(60)
		r := l.add(100, krpc.Config{Bootstrap: []string{addr(0).String()}})
		target := krpc.ID{0x42}
		lookup := r.Walk(target.Key(), krpc.GetPeersArgs{InfoHash: target}, routing.Thorough())
		for _, err := range lookup.Replies(t.Context()) {
			require.NoError(t, err)
		}
		var all []routing.Node
		for i, other := range l.rpcs[:60] {
			all = append(all, routing.Node{Key: other.Key(), Addr: addr(i)})
		}
		require.Equal(t, texts(nearest(all, target.Key(), 8)), texts(lookup.ClosestNodes()))
		for _, reply := range lookup.ClosestReplies() {
			require.NotEmpty(t, reply.Token())
		}
		require.Zero(t, r.InFlight())
		require.Positive(t, r.Len(), "who answered is in the table")
	})
}

func texts(nodes []routing.Node) (out []string) {
	for _, n := range nodes {
		out = append(out, n.Key.String()[:8]+" "+n.Addr.String())
	}
	return out
}

func nearest(all []routing.Node, target routing.Key, n int) []routing.Node {
	t := routing.NewTable(target, routing.Config{K: len(all), PerIP: -1, PerNetBucket: -1, PerNetTable: -1})
	for _, c := range all {
		t.Answered(c, time.Millisecond, time.Unix(1, 0))
	}
	return t.AppendClosest(nil, target, n)
}

func TestCancelledLookupSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		r := l.add(0, krpc.Config{Bootstrap: []string{addr(7).String()}}) // nobody is there
		why := errors.New("the user left")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(why) })
		var last error
		for _, err := range r.Closest(r.Key(), krpc.PingArgs{}).Replies(ctx) {
			last = err
		}
		require.ErrorIs(t, last, why)
		require.Zero(t, r.InFlight())

		_, err := r.Query(t.Context(), addr(7), krpc.PingArgs{})
		require.ErrorIs(t, err, krpc.ErrTimeout)
		for _, err = range r.Closest(r.Key(), krpc.PingArgs{}).Replies(t.Context()) {
		}
		require.ErrorIs(t, err, routing.ErrNoAnswer)
		alone := l.add(1, krpc.Config{})
		for _, err = range alone.Closest(r.Key(), krpc.PingArgs{}).Replies(t.Context()) {
		}
		require.ErrorIs(t, err, routing.ErrNoNodes)
	})
}

func TestQueryTellsTheKindsOfFailureApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		a, b := l.add(0, krpc.Config{}), l.add(1, krpc.Config{})
		b.OnQuery("fail", func(q *krpc.Query) { q.Fail(&krpc.Error{Code: 301, Message: "CAS mismatch"}) })

		reply, err := a.Query(t.Context(), addr(1), krpc.PingArgs{})
		require.NoError(t, err)
		require.Equal(t, b.Key(), reply.From.Key)
		ip, _ := reply.IP()
		require.Equal(t, addr(0), ip, "BEP 42: the answer says how we are seen")

		_, err = a.Query(t.Context(), addr(1), krpc.RawArgs{Name: "fail"})
		e, ok := errors.AsType[*krpc.Error](err)
		require.True(t, ok)
		require.Equal(t, 301, e.Code)

		_, err = a.QueryNode(t.Context(), routing.Node{Key: routing.Key{1}, Addr: addr(1)}, krpc.PingArgs{})
		mismatch, ok := errors.AsType[*krpc.IDMismatchError](err)
		require.True(t, ok)
		require.Equal(t, b.Key(), mismatch.Got)

		_, err = a.Query(t.Context(), addr(1), krpc.RawArgs{Name: "nobody handles this"})
		require.ErrorIs(t, err, krpc.ErrTimeout)
		require.Equal(t, krpc.Counts{Errors: 1, Mismatches: 1}, a.Counts())
		require.EqualValues(t, 4, b.Counts().Queries)
	})
}

func TestQueryAllGivesEachNodeItsOwnToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(12)
		got := make(map[int]string)
		for i, r := range l.rpcs {
			r.OnQuery("announce_peer", func(q *krpc.Query) {
				got[i] = string(q.Token())
				q.Reply(&krpc.PingResults{})
			})
		}
		r := l.add(100, krpc.Config{Bootstrap: []string{addr(0).String()}})
		lookup := r.Closest(routing.Key{1}, krpc.GetPeersArgs{InfoHash: krpc.ID{1}})
		for range lookup.Replies(t.Context()) {
		}
		contacts := krpc.ContactsOf(lookup.ClosestReplies())
		require.Len(t, contacts, 8)
		contacts[3].Token = nil // a node without token must not get another's
		stored := 0
		for _, err := range r.QueryAll(contacts, krpc.AnnouncePeerArgs{InfoHash: krpc.ID{1}, Port: 1}).Replies(t.Context()) {
			require.NoError(t, err)
			stored++
		}
		require.Equal(t, 8, stored)
		synctest.Wait()
		for i, tok := range got {
			if addr(i) == contacts[3].Addr {
				require.Empty(t, tok)
				continue
			}
			require.Equal(t, fmt.Sprint("token of ", i), tok)
		}
	})
}

func TestQueryAllSurfacesRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		for i := range 3 {
			l.add(i, krpc.Config{}).OnQuery("put", func(q *krpc.Query) { q.Fail(&krpc.Error{Code: 302, Message: "old"}) })
		}
		r := l.add(9, krpc.Config{})
		var last error
		contacts := []krpc.Contact{{Node: routing.Node{Addr: addr(0)}}, {Node: routing.Node{Addr: addr(1)}}, {Node: routing.Node{Addr: addr(2)}}}
		for _, err := range r.QueryAll(contacts, krpc.RawArgs{Name: "put"}).Replies(t.Context()) {
			last = err
		}
		e, ok := errors.AsType[*krpc.Error](last)
		require.True(t, ok)
		require.Equal(t, 302, e.Code)
		for _, err := range r.QueryAll(nil, krpc.PingArgs{}).Replies(t.Context()) {
			last = err
		}
		require.ErrorIs(t, last, routing.ErrNoNodes)
	})
}

func TestAnswerAfterTheHandlerReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		a, b := l.add(0, krpc.Config{}), l.add(1, krpc.Config{})
		b.OnQuery("slow", func(q *krpc.Query) {
			later := q.Clone()
			time.AfterFunc(time.Second, func() { later.Reply(&krpc.RawResults{Fields: map[string]any{"n": 7}}) })
		})
		reply, err := a.Query(t.Context(), addr(1), krpc.RawArgs{Name: "slow"})
		require.NoError(t, err)
		var res struct {
			N int `bencode:"n"`
		}
		require.NoError(t, reply.Decode(&res))
		require.Equal(t, 7, res.N)
		require.Greater(t, reply.RTT, time.Second)
	})
}

func TestLongIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		for i := range 12 {
			cfg := krpc.Config{IDLen: 32, Upkeep: true}
			if i > 0 {
				cfg.Bootstrap = []string{addr(0).String()}
			}
			r := l.add(i, cfg)
			r.OnQuery("find_node", func(q *krpc.Query) {
				var args struct {
					Target string `bencode:"target"`
				}
				if q.Decode(&args) == nil {
					q.Reply(&krpc.NodesResults{Nodes: q.Closest(routing.KeyOf([]byte(args.Target)), 8)})
				}
			})
			require.NoError(t, r.Ready(t.Context()))
			time.Sleep(2 * time.Minute)
		}
		time.Sleep(time.Hour)
		r := l.rpcs[11]
		require.Len(t, r.ID(), 32)
		require.Equal(t, 11, r.Len())
		_, err := krpc.New(krpc.Config{IDLen: 33})
		require.ErrorContains(t, err, "33")
		_, err = krpc.New(krpc.Config{ID: []byte("short")})
		require.ErrorContains(t, err, "5 bytes")
	})
}

func TestUpkeepDropsTheDeadAndRejoins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(30)
		r := l.add(100, krpc.Config{Upkeep: true, Bootstrap: []string{addr(0).String()}})
		require.NoError(t, r.Ready(t.Context()))
		time.Sleep(20 * time.Minute)
		require.Greater(t, r.Len(), 15)
		for _, dead := range l.rpcs[10:30] {
			dead.Close()
		}
		time.Sleep(2 * time.Hour)
		alive := make(map[routing.Key]bool)
		for _, other := range l.rpcs[:10] {
			alive[other.Key()] = true
		}
		require.GreaterOrEqual(t, r.Len(), 8)
		for _, n := range r.Nodes() {
			require.True(t, alive[n.Key], "a dead node is still listed after two hours: %v", n)
		}
	})
}

func TestSavedNodesReplaceTheBootstrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.grow(20)
		saved := l.rpcs[5].Nodes()
		require.NotEmpty(t, saved)
		r := l.add(100, krpc.Config{Upkeep: true, Nodes: saved})
		require.NoError(t, r.Ready(t.Context()))
		require.Greater(t, r.Len(), 8)
	})
}

func TestBootstrapNamesTheBadOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		r := l.add(0, krpc.Config{Bootstrap: []string{"no-port", "127.0.0.1:0"}})
		_, err := r.Bootstrap(t.Context())
		e, ok := errors.AsType[*krpc.BootstrapError](err)
		require.True(t, ok)
		require.Len(t, e.Errs, 2)
		require.ErrorContains(t, err, `"no-port"`)
		require.ErrorContains(t, err, `"127.0.0.1:0"`)
	})
}

func TestReadOnlyNodesStayOutOfTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		a := l.add(0, krpc.Config{Upkeep: true})
		b := l.add(1, krpc.Config{ReadOnly: true})
		_, err := b.Query(t.Context(), addr(0), krpc.PingArgs{})
		require.NoError(t, err)
		_, err = a.Query(t.Context(), addr(1), krpc.PingArgs{})
		require.ErrorIs(t, err, krpc.ErrTimeout, "BEP 43: it answers nothing")
		time.Sleep(10 * time.Minute)
		require.Empty(t, a.Contacts())
		c := l.add(2, krpc.Config{})
		_, err = c.Query(t.Context(), addr(0), krpc.PingArgs{})
		require.NoError(t, err)
		require.Zero(t, a.Len(), "a stranger is not believed")
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, a.Len(), "it was asked later, and answered")
	})
}
