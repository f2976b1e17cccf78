package socket_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/socket"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// stepped returns a socket without conns at node(1), and a group of it.
func stepped(cfg socket.Config) (*socket.Socket, *socket.Group, *echo) {
	p := new(echo)
	cfg.Local = []netip.AddrPort{node(1)}
	s := socket.New(cfg, p)
	s.Advance(epoch, func(int, netip.AddrPort, []byte) {})
	return s, s.Group(socket.GroupConfig{}), p
}

// packet is one that a stepped socket put out.
type packet struct {
	conn int
	to   netip.AddrPort
	b    []byte
}

// wire collects them.
type wire []packet

func (w *wire) out(conn int, to netip.AddrPort, b []byte) {
	*w = append(*w, packet{conn, to, bytes.Clone(b)})
}

func TestHurry(t *testing.T) {
	s, g, _ := stepped(socket.Config{})
	var w wire
	ask(t, g, socket.Query{To: node(2), Tag: 7, Soft: -1, Waits: []time.Duration{4 * time.Second, time.Second}})
	ask(t, g, socket.Query{To: node(3), Tag: 8, Soft: -1, Resends: 1, ResendAfter: 5 * time.Second})
	s.Advance(epoch, w.out)
	require.Len(t, w, 2)

	s.Advance(epoch.Add(2*time.Second), w.out)
	g.Hurry(7)
	g.Hurry(7)
	g.Hurry(9)
	require.Equal(t, epoch.Add(2*time.Second), s.NextWake())
	wake := s.Advance(epoch.Add(2*time.Second), w.out)
	require.Len(t, w, 3, "the one that was meant, once")
	require.Equal(t, w[0], w[2])
	require.Equal(t, epoch.Add(3*time.Second), wake, "the wait before the next one is counted from there")
	wake = s.Advance(wake, w.out)
	require.Len(t, w, 4)
	g.Hurry(7)
	require.Equal(t, epoch.Add(5*time.Second), wake)
	require.Equal(t, wake, s.NextWake(), "none is left")
	g.Close()
	g.Hurry(8)
}

func TestSteps(t *testing.T) {
	s, g, _ := stepped(socket.Config{})
	s.Start() // nothing to start
	var w wire
	require.True(t, s.NextWake().IsZero(), "idle")
	require.Equal(t, node(1), s.Addr(0))

	ask(t, g, socket.Query{To: node(2), Conn: 1, Resends: 1})
	require.Empty(t, w, "a Send waits for the next step")
	require.Equal(t, epoch, s.NextWake())
	wake := s.Advance(epoch, w.out)
	require.Len(t, w, 1)
	require.Equal(t, 1, w[0].conn)
	require.Equal(t, node(2), w[0].to)
	require.Equal(t, epoch.Add(time.Second), wake)

	wake = s.Advance(wake, w.out) // resent, and late
	require.Len(t, w, 2)
	require.Equal(t, w[0], w[1])
	require.Equal(t, epoch.Add(10*time.Second), wake)

	s.Receive(socket.Datagram{Payload: answer(w[1].b), From: node(2), At: epoch.Add(3 * time.Second)}, w.out)
	require.Len(t, w, 2)
	next(t, g, socket.Late)
	require.Equal(t, 3*time.Second, next(t, g, socket.Reply).RTT)
	require.True(t, s.NextWake().IsZero())

	s.Receive(socket.Datagram{Payload: w[0].b, From: node(5), Conn: 2, At: epoch}, w.out)
	require.Equal(t, packet{2, node(5), answer(w[0].b)}, w[2], "a request is served")
	require.NoError(t, s.SendRaw(1, node(4), []byte("raw")))
	s.Advance(epoch.Add(time.Minute), w.out)
	require.Equal(t, packet{1, node(4), []byte("raw")}, w[3])
	st := s.Stats()
	require.Equal(t, st.Sent, st.Queries+st.Responses+st.Raw)
	require.EqualValues(t, 4, st.Sent)
	require.NoError(t, s.Close())
}

func TestAStepThatComesLateSkipsLate(t *testing.T) {
	s, g, _ := stepped(socket.Config{})
	ask(t, g, socket.Query{To: node(2)})
	var w wire
	s.Advance(epoch, w.out)
	s.Advance(epoch.Add(time.Hour), w.out)
	next(t, g, socket.Timeout)
	require.Zero(t, g.Open())
}

func TestOnEventSeesAllInOrderAndMaySend(t *testing.T) {
	s, _, _ := stepped(socket.Config{})
	var w wire
	var kinds []socket.EventKind
	var g *socket.Group
	g = s.Group(socket.GroupConfig{OnEvent: func(ev socket.Event) bool {
		kinds = append(kinds, ev.Kind)
		if ev.Kind == socket.Reply && ev.Tag < 3 {
			ask(t, g, socket.Query{To: node(2), Tag: ev.Tag + 1})
		}
		return ev.Tag == 2
	}})
	ask(t, g, socket.Query{To: node(2), Tag: 1})
	s.Advance(epoch, w.out)
	for i := range 3 {
		require.Len(t, w, i+1, "what OnEvent sends leaves in the same step")
		s.Receive(socket.Datagram{Payload: answer(w[i].b), From: node(2), At: epoch}, w.out)
		clear(w[i].b)
	}
	require.Equal(t, []socket.EventKind{socket.Reply, socket.Reply, socket.Reply}, kinds)
	ev := next(t, g, socket.Reply)
	require.EqualValues(t, 2, ev.Tag, "queued because it returned true")
	require.Equal(t, "hello", string(ev.Payload[6:]), "and a copy")
	g.Close()
	_, err := g.Wait(t.Context())
	require.ErrorIs(t, err, socket.ErrClosed, "the others were not queued")
}

func TestOnEventMayCloseItsGroup(t *testing.T) {
	s, _, _ := stepped(socket.Config{})
	var w wire
	var seen int
	var g *socket.Group
	g = s.Group(socket.GroupConfig{OnEvent: func(ev socket.Event) bool {
		seen++
		g.Close()
		return true
	}})
	for range 5 {
		ask(t, g, socket.Query{To: node(2)})
	}
	s.Advance(epoch, w.out)
	s.Advance(epoch.Add(time.Second), w.out) // five are late at once
	require.Equal(t, 1, seen)
	require.Zero(t, s.InFlight())
}

func TestTick(t *testing.T) {
	s, _, p := stepped(socket.Config{})
	var w wire
	require.Equal(t, []time.Time{epoch}, p.ticks, "first at once")
	g := s.Group(socket.GroupConfig{})
	p.tick = func(now time.Time) time.Time {
		ask(t, g, socket.Query{To: node(2)})
		return now.Add(time.Minute)
	}
	s.Wake()
	at := epoch.Add(time.Second)
	require.Equal(t, at.Add(time.Second), s.Advance(at, w.out), "the query's soft deadline")
	require.Len(t, w, 1, "what Tick sends leaves in the same step")
	s.Advance(at.Add(59*time.Second), w.out)
	require.Len(t, p.ticks, 2)
	s.Advance(at.Add(60*time.Second), w.out)
	require.Len(t, p.ticks, 3)
	p.tick = func(now time.Time) time.Time { return now }
	require.Equal(t, at.Add(120*time.Second+time.Millisecond), s.Advance(at.Add(120*time.Second), w.out),
		"who always wants it at once gets it every millisecond")
}

func TestServingAllocatesNothing(t *testing.T) {
	s, _, _ := stepped(socket.Config{})
	var sent int
	out := func(_ int, _ netip.AddrPort, b []byte) { sent += len(b) }
	request := text("hello").AppendPacket(nil, []byte("abcd"))
	d := socket.Datagram{Payload: request, From: node(2), At: epoch}
	require.Zero(t, testing.AllocsPerRun(1000, func() { s.Receive(d, out) }))
	require.Equal(t, 1001*len(request), sent)
}

func TestAskingAllocatesNothing(t *testing.T) {
	s, _, _ := stepped(socket.Config{Packets: 1e9, Burst: 1e6, NewPerMinute: 1e6, Spacing: time.Nanosecond})
	var reply []byte
	out := func(_ int, _ netip.AddrPort, b []byte) { reply = append(reply[:0], b...) }
	var replies int
	g := s.Group(socket.GroupConfig{OnEvent: func(ev socket.Event) bool { replies++; return false }})
	q := socket.Query{To: node(2), Packet: text("hello")}
	now := epoch
	exchange := func() {
		now = now.Add(time.Millisecond)
		s.Advance(now, out)
		if err := g.Send(q); err != nil {
			t.Fatal(err)
		}
		s.Advance(now, out)
		reply[0] = '!'
		s.Receive(socket.Datagram{Payload: reply, From: node(2), At: now}, out)
	}
	require.Zero(t, testing.AllocsPerRun(1000, exchange))
	require.Equal(t, 1001, replies)
}
