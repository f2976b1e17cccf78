package socket_test

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

func canceled() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx, cancel
}

// fill sends queries until there is no room, and returns how many went.
func fill(g *socket.Group, q socket.Query) (n int) {
	q.Packet = text("x")
	for g.Send(q) == nil {
		n++
	}
	return n
}

var quick = socket.Query{To: node(2), Soft: -1, Hard: time.Second}

func TestRoomOfTheSocketsWindow(t *testing.T) {
	s, a, _ := stepped(socket.Config{Window: 4})
	b := s.Group(socket.GroupConfig{})
	require.Equal(t, 4, fill(a, quick))
	require.Zero(t, fill(b, quick))
	require.Zero(t, fill(b, quick), "asking again")
	require.EqualValues(t, 3, s.Stats().Full)
	require.Empty(t, s.Stats().Losses(), "a full window loses nothing")

	var w wire
	s.Advance(epoch, w.out)
	s.Receive(socket.Datagram{Payload: answer(w[0].b), From: node(2), At: epoch}, w.out)
	require.Equal(t, []socket.EventKind{socket.Reply, socket.Room}, kinds(t, a), "who was refused first")
	require.Empty(t, kinds(t, b))
	s.Receive(socket.Datagram{Payload: answer(w[1].b), From: node(2), At: epoch}, w.out)
	require.Equal(t, []socket.EventKind{socket.Room}, kinds(t, b), "exactly one, though refused twice")
	require.Equal(t, 1, fill(b, quick))
	require.Equal(t, 1, fill(a, quick), "its slot was kept")
}

func TestWhoHasRoomKeepsItForAWhile(t *testing.T) {
	s, a, _ := stepped(socket.Config{Window: 1})
	b, c := s.Group(socket.GroupConfig{}), s.Group(socket.GroupConfig{})
	require.Equal(t, 1, fill(a, quick))
	require.Zero(t, fill(b, quick))
	kinds(t, a)
	var w wire
	s.Advance(epoch, w.out)
	s.Advance(epoch.Add(time.Second), w.out)
	require.Equal(t, []socket.EventKind{socket.Timeout, socket.Room}, kinds(t, a))
	require.Zero(t, fill(c, quick), "it is a's")
	lapse := epoch.Add(time.Second + 20*time.Millisecond)
	require.Equal(t, lapse, s.NextWake())
	s.Advance(lapse, w.out)
	require.Equal(t, []socket.EventKind{socket.Room}, kinds(t, b), "a did not use it")
	b.Close()
	require.Equal(t, []socket.EventKind{socket.Room}, kinds(t, c), "b never will")
	require.Equal(t, 1, fill(c, quick))
}

func TestRoomOfTheGroupsWindow(t *testing.T) {
	s, _, _ := stepped(socket.Config{})
	g := s.Group(socket.GroupConfig{Window: 3})
	require.Equal(t, 3, fill(g, socket.Query{To: node(2)}))
	var w wire
	s.Advance(epoch, w.out)
	s.Advance(epoch.Add(time.Second), w.out)
	require.Equal(t, []socket.EventKind{socket.Late, socket.Late, socket.Late, socket.Room}, kinds(t, g))
	require.Equal(t, 3, fill(g, socket.Query{To: node(2)}), "late ones do not fill the group's window")
	require.Equal(t, 6, g.Open())
}

func TestLateQueriesFillTheSocketsWindow(t *testing.T) {
	s, g, _ := stepped(socket.Config{Window: 3})
	require.Equal(t, 3, fill(g, socket.Query{To: node(2)}))
	var w wire
	s.Advance(epoch, w.out)
	s.Advance(epoch.Add(time.Second), w.out)
	require.Equal(t, []socket.EventKind{socket.Late, socket.Late, socket.Late}, kinds(t, g))
	require.Zero(t, fill(g, socket.Query{To: node(2)}))
}

func TestBackgroundGetsAQuarter(t *testing.T) {
	s, _, _ := stepped(socket.Config{Window: 16})
	back := s.Group(socket.GroupConfig{Background: true})
	back2 := s.Group(socket.GroupConfig{Background: true})
	require.Equal(t, 3, fillUpTo(back, 3))
	require.Equal(t, 1, fill(back2, quick), "a quarter between them")
	require.Zero(t, fill(back, quick))
	front := s.Group(socket.GroupConfig{})
	require.Equal(t, 12, fill(front, quick))

	var w wire
	s.Advance(epoch, w.out)
	s.Receive(socket.Datagram{Payload: answer(w[0].b), From: node(2), At: epoch}, w.out)
	require.Equal(t, []socket.EventKind{socket.Reply}, kinds(t, back), "a background slot is free")
	require.Equal(t, []socket.EventKind{socket.Room}, kinds(t, front), "but the foreground comes first")
	require.Zero(t, fill(back, quick))
	require.Equal(t, 1, fill(front, quick))
	front.Close()
	require.Len(t, kinds(t, back2), 1, "one slot of the quarter, and back2 was refused first")
	require.Empty(t, kinds(t, back))
	require.Equal(t, 1, fill(back2, quick))
}

func fillUpTo(g *socket.Group, n int) (sent int) {
	q := quick
	q.Packet = text("x")
	for sent < n && g.Send(q) == nil {
		sent++
	}
	return sent
}

// One group sends again from within OnEvent, the other waits its turn: both
// get their share.
func TestAGreedyGroupDoesNotStarveOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: fixed})
		s := start(t, net, node(1), socket.Config{Window: 4})
		start(t, net, node(2), socket.Config{})
		q := socket.Query{To: node(2), Packet: text("x")}
		var greedy *socket.Group
		var hers, his int
		greedy = s.Group(socket.GroupConfig{OnEvent: func(ev socket.Event) bool {
			for greedy.Send(q) == nil {
				hers++
			}
			return false
		}})
		require.Equal(t, 4, fill(greedy, q))
		g := s.Group(socket.GroupConfig{})
		for begin := time.Now(); time.Since(begin) < 10*time.Second; {
			if err := g.Send(q); err == nil {
				his++
				continue
			}
			_, err := g.Wait(t.Context())
			require.NoError(t, err)
		}
		require.Greater(t, his, 80)
		require.Greater(t, hers, 80)
		greedy.Close()
		g.Close()
		require.Zero(t, s.InFlight())
	})
}

func TestRoomComesWithTheNextToken(t *testing.T) {
	s, g, _ := stepped(socket.Config{Packets: 4, Burst: 1})
	require.Equal(t, 1, fill(g, socket.Query{To: node(2)}))
	require.EqualValues(t, 1, s.Stats().Limited)
	var w wire
	require.Equal(t, epoch.Add(250*time.Millisecond), s.Advance(epoch, w.out))
	s.Advance(epoch.Add(249*time.Millisecond), w.out)
	require.Empty(t, kinds(t, g))
	s.Advance(epoch.Add(250*time.Millisecond), w.out)
	require.Equal(t, []socket.EventKind{socket.Room}, kinds(t, g))
	require.Equal(t, 1, fill(g, socket.Query{To: netip.AddrPortFrom(node(2).Addr(), 1)}))
}

func TestATokenIsKeptForWhoWasTold(t *testing.T) {
	s, a, _ := stepped(socket.Config{Packets: 1, Burst: 1})
	b := s.Group(socket.GroupConfig{})
	require.Equal(t, 1, fill(a, quick))
	var w wire
	s.Advance(epoch.Add(time.Second), w.out)
	require.Contains(t, kinds(t, a), socket.Room)
	require.Zero(t, fill(b, quick))
	require.Equal(t, 1, fill(a, quick))
}

func TestBackgroundWaitsWhileTheForegroundIsOwed(t *testing.T) {
	s, front, _ := stepped(socket.Config{NewPerMinute: 1})
	back := s.Group(socket.GroupConfig{Background: true})
	ask(t, front, socket.Query{To: node(2)})
	ask(t, back, socket.Query{To: node(2)})
	require.ErrorIs(t, front.Send(socket.Query{To: node(3), Packet: text("x")}), socket.ErrFull)
	require.ErrorIs(t, back.Send(socket.Query{To: node(2), Packet: text("x")}), socket.ErrFull, "though it could")
	front.Close()
	require.Equal(t, []socket.EventKind{socket.Room}, kinds(t, back))
}
