package dhtrpc_test

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/routing"
)

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
