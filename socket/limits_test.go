package socket_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet"
	"github.com/dhtkit/dhtkit/socket"
)

// flood sends as many queries as it may for a while, each to the address that
// to gives, and returns when they were sent.
func flood(t *testing.T, cfg socket.Config, d time.Duration, to func(i int) netip.AddrPort) (at []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		net := simnet.New(simnet.Config{OnPacket: func(_, _ netip.AddrPort, _ []byte) {
			at = append(at, time.Since(begin))
		}})
		g := start(t, net, node(1), cfg).Group(socket.GroupConfig{})
		for i := 0; time.Since(begin) <= d; {
			err := g.Send(socket.Query{To: to(i), Packet: text("x"), Soft: -1, Hard: time.Hour})
			if err == nil {
				i++
				continue
			}
			require.ErrorIs(t, err, socket.ErrFull)
			next(t, g, socket.Room)
		}
	})
	for len(at) > 0 && at[len(at)-1] > d {
		at = at[:len(at)-1]
	}
	return at
}

func farther(i int) netip.AddrPort { return node(2 + i) }

func TestPacketRateIsExact(t *testing.T) {
	at := flood(t, socket.Config{Packets: 100, Burst: 1}, 5*time.Second, farther)
	require.Len(t, at, 501)
	for i, d := range at {
		require.Equal(t, time.Duration(i)*10*time.Millisecond, d)
	}
	at = flood(t, socket.Config{Packets: 100}, 5*time.Second, farther)
	require.Len(t, at, 510, "a tenth of a second's packets at once")
	require.Zero(t, at[9])
}

func TestNewDestinationsPerMinute(t *testing.T) {
	cfg := socket.Config{NewPerMinute: 120}
	at := flood(t, cfg, 2*time.Minute, farther)
	require.Len(t, at, 12+240)
	require.Zero(t, at[11])
	require.Equal(t, 500*time.Millisecond, at[12])

	at = flood(t, cfg, time.Minute, func(i int) netip.AddrPort { return node(2 + i/4) })
	require.Len(t, at, 4*(12+120), "known ones do not count")
}

func TestAKnownDestinationIsNotHeldUp(t *testing.T) {
	s, g, _ := stepped(socket.Config{NewPerMinute: 1})
	ask(t, g, socket.Query{To: node(2)})
	require.ErrorIs(t, g.Send(socket.Query{To: node(3), Packet: text("x")}), socket.ErrFull)
	require.Equal(t, map[string]uint64{"limited": 1}, s.Stats().Losses())
	ask(t, g, socket.Query{To: node(2)})
	var w wire
	s.Advance(epoch.Add(59*time.Second), w.out)
	require.NotContains(t, kinds(t, g), socket.Room)
	s.Advance(epoch.Add(60*time.Second), w.out)
	require.Contains(t, kinds(t, g), socket.Room)
	ask(t, g, socket.Query{To: node(3)})
	s.Advance(epoch.Add(80*time.Minute), w.out)
	require.NoError(t, g.Send(socket.Query{To: node(4), Packet: text("x")}))
	require.ErrorIs(t, g.Send(socket.Query{To: node(2), Packet: text("x")}), socket.ErrFull, "forgotten by now")
}

// kinds drains what a group of a stepped socket was told.
func kinds(t *testing.T, g *socket.Group) (kinds []socket.EventKind) {
	t.Helper()
	ctx, cancel := canceled()
	defer cancel()
	for {
		ev, err := g.Wait(ctx)
		if err != nil {
			return kinds
		}
		kinds = append(kinds, ev.Kind)
	}
}

func TestSpacingDelaysTheFirstSend(t *testing.T) {
	type sent struct {
		to netip.AddrPort
		at time.Duration
	}
	otherPort := netip.AddrPortFrom(node(2).Addr(), 1)
	run := func(cfg socket.Config) (all []sent, rtts []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			net := simnet.New(simnet.Config{Latency: fixed, OnPacket: func(from, to netip.AddrPort, _ []byte) {
				if from == node(1) {
					all = append(all, sent{to, time.Since(begin)})
				}
			}})
			a := start(t, net, node(1), cfg)
			start(t, net, node(2), socket.Config{})
			g := a.Group(socket.GroupConfig{})
			for _, to := range []netip.AddrPort{node(2), node(2), otherPort, node(3)} {
				ask(t, g, socket.Query{To: to, Hard: time.Second})
			}
			require.Equal(t, 4, g.Open(), "the delayed ones count as in flight")
			for range 4 {
				ev, err := g.Wait(t.Context())
				require.NoError(t, err)
				rtts = append(rtts, ev.RTT)
			}
		})
		return all, rtts
	}
	ms := time.Millisecond
	all, rtts := run(socket.Config{Spacing: 400 * ms})
	require.Equal(t, []sent{{node(2), 0}, {node(3), 0}, {node(2), 400 * ms}, {otherPort, 800 * ms}}, all)
	require.Equal(t, []time.Duration{100 * ms, 100 * ms, time.Second, time.Second}, rtts, "counted from the real send")

	all, _ = run(socket.Config{Spacing: 400 * ms, Private: true})
	require.Equal(t, []sent{{node(2), 0}, {otherPort, 0}, {node(3), 0}, {node(2), 400 * ms}}, all,
		"on a private network each port is a node of its own")
}

func TestALongQueueForOneAddressIsNotForgotten(t *testing.T) {
	s, g, _ := stepped(socket.Config{Spacing: time.Second})
	var w wire
	for range 10 {
		ask(t, g, socket.Query{To: node(2)})
	}
	s.Advance(epoch.Add(2500*time.Millisecond), w.out)
	ask(t, g, socket.Query{To: node(2), Packet: text("last")})
	for at := 3; at < 10; at++ {
		s.Advance(epoch.Add(time.Duration(at)*time.Second), w.out)
	}
	require.Len(t, w, 10)
	s.Advance(epoch.Add(10*time.Second), w.out)
	require.Len(t, w, 11)
	require.Equal(t, "last", string(w[10].b[6:]))
}

func TestClosingTakesBackWhatIsDelayed(t *testing.T) {
	s, g, _ := stepped(socket.Config{Spacing: time.Second})
	for range 3 {
		ask(t, g, socket.Query{To: node(2)})
	}
	var w wire
	s.Advance(epoch, w.out)
	g.Close()
	s.Advance(epoch.Add(time.Minute), w.out)
	require.Len(t, w, 1)
}

func TestResendsKeepToTheLimits(t *testing.T) {
	var w wire
	s, g, _ := stepped(socket.Config{Packets: 2, Burst: 1})
	ask(t, g, socket.Query{To: node(2), Soft: -1, Hard: 3 * time.Second, Resends: 9, ResendAfter: 100 * time.Millisecond})
	var at []time.Duration
	for now := epoch; !now.IsZero(); {
		before := len(w)
		wake := s.Advance(now, w.out)
		for range len(w) - before {
			at = append(at, now.Sub(epoch))
		}
		now = wake
	}
	ms := time.Millisecond
	require.Equal(t, []time.Duration{0, 500 * ms, 1000 * ms, 1500 * ms, 2000 * ms, 2500 * ms}, at)

	s, g, _ = stepped(socket.Config{Spacing: 2 * time.Second})
	ask(t, g, socket.Query{To: node(2), Resends: 1, ResendAfter: time.Second})
	w = nil
	s.Advance(epoch, w.out)
	s.Advance(epoch.Add(1999*ms), w.out)
	require.Len(t, w, 1)
	s.Advance(epoch.Add(2000*ms), w.out)
	require.Len(t, w, 2)
}

func TestUnreadEventsAreBounded(t *testing.T) {
	s, g, _ := stepped(socket.Config{})
	var w wire
	now := epoch
	sent := 0
	for ; sent < 1_000_000; sent++ {
		if g.Send(socket.Query{To: node(2), Packet: text("x"), Soft: -1, Hard: time.Second}) != nil {
			break
		}
		now = now.Add(time.Second)
		s.Advance(now, w.out)
	}
	require.Equal(t, 4096, sent)
	next(t, g, socket.Timeout)
	require.Contains(t, kinds(t, g), socket.Room)
	ask(t, g, socket.Query{To: node(2)})
}
