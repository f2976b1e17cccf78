package socket_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// Many groups at once, over two conns and a lossy network with dead addresses,
// half of them left in the middle. For the race detector; synctest fails when a
// goroutine is left.
func TestManyGroupsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Seed: 5, Loss: 0.1})
		a := socket.New(socket.Config{Window: 64, Packets: 2000, Spacing: 5 * time.Millisecond},
			new(echo), net.Listen(node(1)), net.Listen(node(2)))
		a.Start()
		for i := range 20 {
			start(t, net, node(10+i), socket.Config{})
		}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() { manyQueries(t, a, i) })
		}
		wg.Wait()
		require.Zero(t, a.InFlight())
		st := a.Stats()
		require.Equal(t, st.Sent, st.Queries)
		require.Equal(t, st.Received, st.Replies+st.Unmatched)
		require.Positive(t, st.Timeouts)
		require.Positive(t, st.Canceled)
		require.NoError(t, a.Close())
	})
}

// manyQueries asks 100 questions, every other group only half of them.
func manyQueries(t *testing.T, a *socket.Socket, i int) {
	cfg := socket.GroupConfig{Window: i % 7, Background: i%5 == 0}
	if i%3 == 0 {
		cfg.OnEvent = func(ev socket.Event) bool { return true }
	}
	g := a.Group(cfg)
	defer g.Close()
	last := 100
	if i%2 == 0 {
		last = 50
	}
	sent := 0
	for ended := 0; ended < last; {
		q := socket.Query{Packet: text("hello"), Conn: i % 2, Resends: 1, Hard: 3 * time.Second}
		for sent < 100 {
			q.To = node(10 + (i+sent)%25)
			if g.Send(q) != nil {
				break
			}
			sent++
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		ev, err := g.Wait(ctx)
		cancel()
		if err != nil {
			t.Errorf("group %d: %d sent, %d ended: %v", i, sent, ended, err)
			return
		}
		if ev.Kind == socket.Reply || ev.Kind == socket.Timeout {
			ended++
		}
	}
}

// A socket that is closed while everything is in use ends every Wait.
func TestCloseUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Seed: 6})
		start(t, net, node(10), socket.Config{})
		a := socket.New(socket.Config{Window: 32}, new(echo), net.Listen(node(1)))
		a.Start()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				g := a.Group(socket.GroupConfig{Background: i%4 == 0})
				for {
					for g.Send(socket.Query{To: node(10), Packet: text("x")}) == nil {
					}
					if _, err := g.Wait(t.Context()); err != nil {
						require.ErrorIs(t, err, socket.ErrClosed)
						return
					}
				}
			})
		}
		time.Sleep(2500 * time.Millisecond)
		require.NoError(t, a.Close())
		wg.Wait()
		require.Zero(t, a.InFlight())
		require.Greater(t, a.Stats().Replies, uint64(32*10))
	})
}
