package socket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

func TestReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: fixed})
		a := start(t, net, node(1), socket.Config{})
		b := start(t, net, node(2), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(2), Packet: text("hello"), Tag: 7})
		require.Equal(t, 1, g.Open())
		require.Equal(t, 1, a.InFlight())

		ev := next(t, g, socket.Reply)
		require.Equal(t, "hello", string(ev.Payload[6:]))
		require.Equal(t, node(2), ev.From)
		require.Equal(t, node(2), ev.To)
		require.EqualValues(t, 7, ev.Tag)
		require.Equal(t, 100*time.Millisecond, ev.RTT)
		require.True(t, ev.At.Equal(time.Now()))
		require.Zero(t, g.Open())

		require.Equal(t, socket.Stats{
			Received: 1, ReceivedBytes: 11, Sent: 1, SentBytes: 11, Queries: 1, Replies: 1,
		}, a.Stats())
		require.Equal(t, socket.Stats{
			Received: 1, ReceivedBytes: 11, Sent: 1, SentBytes: 11, Requests: 1, Responses: 1,
		}, b.Stats())
		require.Empty(t, a.Stats().Losses())
	})
}

func TestDeadlinesAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{})
		a := start(t, net, node(1), socket.Config{})
		g := a.Group(socket.GroupConfig{Window: 1})
		begin := time.Now()
		ask(t, g, socket.Query{To: node(2)})

		ev := next(t, g, socket.Late)
		require.Equal(t, time.Second, time.Since(begin))
		require.Equal(t, time.Second, ev.RTT)
		require.Equal(t, 1, g.Open(), "still open")
		ask(t, g, socket.Query{To: node(3), Soft: -1, Hard: 2 * time.Second, Tag: 3}) // but the slot is free

		ev = next(t, g, socket.Timeout)
		require.EqualValues(t, 3, ev.Tag)
		require.Equal(t, 3*time.Second, time.Since(begin), "and no Late before")
		next(t, g, socket.Timeout)
		require.Equal(t, 10*time.Second, time.Since(begin))
		require.Zero(t, g.Open())
		require.EqualValues(t, 1, a.Stats().Late)
		require.Equal(t, map[string]uint64{"timeout": 2}, a.Stats().Losses())
	})
}

func TestLateThenAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: func(_, _ netip.AddrPort) time.Duration { return 2 * time.Second }})
		a := start(t, net, node(1), socket.Config{})
		start(t, net, node(2), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(2)})
		next(t, g, socket.Late)
		ev := next(t, g, socket.Reply)
		require.Equal(t, 4*time.Second, ev.RTT)
		require.EqualValues(t, 1, a.Stats().LateReplies)

		ask(t, g, socket.Query{To: node(2), Hard: 3 * time.Second})
		next(t, g, socket.Late)
		next(t, g, socket.Timeout)
		time.Sleep(2 * time.Second)
		require.EqualValues(t, 1, a.Stats().Unmatched, "after the hard deadline nobody waits")
	})
}

func TestResends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent [][]byte
		var at []time.Duration
		begin := time.Now()
		net := simnet.New(simnet.Config{OnPacket: func(_, _ netip.AddrPort, b []byte) {
			sent, at = append(sent, bytes.Clone(b)), append(at, time.Since(begin))
		}})
		a := start(t, net, node(1), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(2), Resends: 3, ResendAfter: 700 * time.Millisecond, Hard: 5 * time.Second})
		next(t, g, socket.Late)
		next(t, g, socket.Timeout)
		ms := time.Millisecond
		require.Equal(t, []time.Duration{0, 700 * ms, 1400 * ms, 2100 * ms}, at)
		for _, b := range sent {
			require.Equal(t, sent[0], b)
		}
		require.EqualValues(t, 3, a.Stats().Resends)
		require.EqualValues(t, 4, a.Stats().Queries)
		require.EqualValues(t, 4, a.Stats().Sent)

		ask(t, g, socket.Query{To: node(2), Resends: 100, Hard: 2 * time.Second})
		next(t, g, socket.Late)
		next(t, g, socket.Timeout)
		require.Len(t, sent, 6, "none after the hard deadline")

		at, begin = nil, time.Now()
		waits := []time.Duration{250 * ms, 500 * ms, 1000 * ms}
		ask(t, g, socket.Query{To: node(2), Resends: 9, Waits: waits, Soft: -1, Hard: 3 * time.Second})
		next(t, g, socket.Timeout)
		require.Equal(t, []time.Duration{0, 250 * ms, 750 * ms, 1750 * ms}, at)
	})
}

func TestReplyFromElsewhereIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{})
		a := start(t, net, node(1), socket.Config{})
		loose := start(t, net, node(9), socket.Config{AnyAddress: true})
		b := net.Listen(node(2))
		other := net.Listen(netip.AddrPortFrom(node(2).Addr(), 6882))
		defer func() { b.Close(); other.Close() }()
		for i, s := range []*socket.Socket{a, loose, a} {
			g := s.Group(socket.GroupConfig{})
			ask(t, g, socket.Query{To: node(2), AnyAddress: i == 2})
			request := read(t, b)
			reply := answer(request)
			other.WriteToUDPAddrPort(reply, s.Addr(0))
			if i > 0 {
				require.Equal(t, other.AddrPort(), next(t, g, socket.Reply).From)
				continue
			}
			time.Sleep(300 * time.Millisecond)
			require.Equal(t, map[string]uint64{"wrong-source": 1}, a.Stats().Losses())
			require.Equal(t, 1, g.Open())
			b.WriteToUDPAddrPort(reply, s.Addr(0))
			next(t, g, socket.Reply)
			b.WriteToUDPAddrPort(reply, s.Addr(0)) // and once more
			time.Sleep(300 * time.Millisecond)
			require.EqualValues(t, 1, a.Stats().Unmatched)
		}
	})
}

func read(t *testing.T, c *simnet.Conn) []byte {
	t.Helper()
	b := make([]byte, 2048)
	n, _, err := c.ReadFromUDPAddrPort(b)
	require.NoError(t, err)
	return b[:n]
}

// forgeries: from the right address, with ids drawn at random and of any
// length; against 16 open queries that is 1 in 268 million each.
func TestForgedRepliesAreNotAccepted(t *testing.T) {
	s, g, _ := stepped(socket.Config{Seed: &[32]byte{1}})
	for i := range 16 {
		ask(t, g, socket.Query{To: node(2), Tag: uint64(i)})
	}
	s.Advance(epoch, func(int, netip.AddrPort, []byte) {})
	r := rand.New(rand.NewPCG(1, 2))
	const n = 100_000
	for range n {
		var tid [8]byte
		binary.BigEndian.PutUint64(tid[:], r.Uint64())
		length := 4
		if r.IntN(4) == 0 {
			length = r.IntN(9)
		}
		s.Receive(socket.Datagram{Payload: message(nil, '!', tid[:length]), From: node(2), At: epoch},
			func(int, netip.AddrPort, []byte) { t.Fatal("a response was answered") })
	}
	require.Equal(t, 16, g.Open())
	require.EqualValues(t, n, s.Stats().Unmatched)
	require.Zero(t, s.Stats().Replies)
}

func TestTransactionIDs(t *testing.T) {
	ids := func(cfg socket.Config, n int) map[string]bool {
		cfg.Window = 20000
		s, g, _ := stepped(cfg)
		seen := make(map[string]bool)
		for range n {
			ask(t, g, socket.Query{To: node(2)})
		}
		s.Advance(epoch, func(_ int, _ netip.AddrPort, b []byte) { seen[string(b[2:2+b[1]])] = true })
		return seen
	}
	for _, length := range []int{0, 2, 3, 4} {
		seen := ids(socket.Config{TIDLen: length}, 16384)
		require.Len(t, seen, 16384, "none is used twice while open")
		for id := range seen {
			require.Len(t, id, max(length, 4*(1-min(length, 1))))
		}
	}
	one := [32]byte{1}
	require.Equal(t, ids(socket.Config{Seed: &one}, 100), ids(socket.Config{Seed: &one}, 100))
	require.NotEqual(t, ids(socket.Config{}, 100), ids(socket.Config{}, 100))

	s, g, _ := stepped(socket.Config{TIDLen: 2, Window: 1 << 20})
	for range 16384 {
		ask(t, g, socket.Query{To: node(2)})
	}
	require.ErrorIs(t, g.Send(socket.Query{To: node(2), Packet: text("x")}), socket.ErrFull, "a quarter of the ids")
	require.Equal(t, 16384, s.InFlight())
}

func TestCloseDuringWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: fixed})
		a := start(t, net, node(1), socket.Config{})
		start(t, net, node(2), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		for range 3 {
			ask(t, g, socket.Query{To: node(2)})
		}
		go func() {
			time.Sleep(10 * time.Millisecond)
			g.Close()
		}()
		_, err := g.Wait(t.Context())
		require.ErrorIs(t, err, socket.ErrClosed)
		require.Zero(t, g.Open())
		require.Zero(t, a.InFlight())
		require.EqualValues(t, 3, a.Stats().Canceled)
		require.ErrorIs(t, g.Send(socket.Query{To: node(2), Packet: text("x")}), socket.ErrClosed)
		time.Sleep(time.Second)
		require.EqualValues(t, 3, a.Stats().Unmatched, "their answers find nobody")
	})
}

func TestQueuedEventsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: fixed})
		a := start(t, net, node(1), socket.Config{})
		start(t, net, node(2), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(2), Tag: 1})
		time.Sleep(time.Second)
		ask(t, g, socket.Query{To: node(2), Tag: 2})
		g.Close()
		require.EqualValues(t, 1, next(t, g, socket.Reply).Tag)
		_, err := g.Wait(t.Context())
		require.ErrorIs(t, err, socket.ErrClosed)
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{})
		a := start(t, net, node(1), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			time.Sleep(time.Millisecond)
			cancel(why)
		}()
		_, err := g.Wait(ctx)
		require.ErrorIs(t, err, why)
	})
}

func TestSeveralWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{Latency: fixed})
		a := start(t, net, node(1), socket.Config{})
		start(t, net, node(2), socket.Config{})
		g := a.Group(socket.GroupConfig{})
		got := make(chan error, 5)
		for range 5 {
			go func() {
				_, err := g.Wait(t.Context())
				got <- err
			}()
		}
		synctest.Wait()
		for range 3 {
			ask(t, g, socket.Query{To: node(2)})
		}
		for range 3 {
			require.NoError(t, <-got)
		}
		g.Close()
		for range 2 {
			require.ErrorIs(t, <-got, socket.ErrClosed)
		}
	})
}

// Three events in one step, three waiters: none stays behind.
func TestEventsAtOnceWakeAllWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, g, _ := stepped(socket.Config{})
		for range 3 {
			ask(t, g, socket.Query{To: node(2)})
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				ev, err := g.Wait(context.Background())
				require.NoError(t, err)
				require.Equal(t, socket.Timeout, ev.Kind)
			})
		}
		synctest.Wait()
		var w wire
		s.Advance(epoch, w.out)
		s.Advance(epoch.Add(time.Hour), w.out)
		wg.Wait()
	})
}

// Whoever knows the id of a query that has not been sent cannot have it from
// the wire.
func TestADelayedQueryHasNoAnswer(t *testing.T) {
	seed := [32]byte{3}
	s, g, _ := stepped(socket.Config{Seed: &seed})
	var ids wire
	ask(t, g, socket.Query{To: node(2)})
	ask(t, g, socket.Query{To: node(2)})
	s.Advance(epoch, ids.out)

	s, g, _ = stepped(socket.Config{Seed: &seed, Spacing: time.Second})
	ask(t, g, socket.Query{To: node(2)})
	ask(t, g, socket.Query{To: node(2)})
	var w wire
	s.Advance(epoch, w.out)
	require.Equal(t, ids[0], w[0])
	d := socket.Datagram{Payload: answer(ids[1].b), From: node(2), At: epoch}
	s.Receive(d, w.out)
	require.Equal(t, 2, g.Open())
	require.EqualValues(t, 1, s.Stats().Unmatched)
	s.Advance(epoch.Add(time.Second), w.out)
	d.At = epoch.Add(time.Second)
	s.Receive(d, w.out)
	require.Equal(t, 1, g.Open())
}

func TestSocketCloseEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Config{})
		s := socket.New(socket.Config{}, new(echo), net.Listen(node(1)), net.Listen(node(2)))
		s.Start()
		g, idle := s.Group(socket.GroupConfig{}), s.Group(socket.GroupConfig{})
		ask(t, g, socket.Query{To: node(3)})
		errs := make(chan error)
		for _, g := range []*socket.Group{g, idle} {
			go func() {
				_, err := g.Wait(t.Context())
				errs <- err
			}()
		}
		synctest.Wait()
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-errs, socket.ErrClosed)
		require.ErrorIs(t, <-errs, socket.ErrClosed)
		require.Zero(t, g.Open())
		require.NoError(t, s.Close(), "a second one does nothing")
		require.ErrorIs(t, g.Send(socket.Query{To: node(3), Packet: text("x")}), socket.ErrClosed)
		require.ErrorIs(t, s.SendRaw(0, node(3), nil), socket.ErrClosed)
		require.ErrorIs(t, s.Group(socket.GroupConfig{}).Send(socket.Query{To: node(3), Packet: text("x")}), socket.ErrClosed)
		g.Close()
	})
}
