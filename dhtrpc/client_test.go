package dhtrpc_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/dhtrpc"
	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

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
