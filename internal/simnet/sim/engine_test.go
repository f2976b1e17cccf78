package sim_test

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/sim"
	"github.com/dhtkit/dhtkit/socket"
)

// receiver is a Host that has no timers.
type receiver func(to, from sim.Node, b []byte)

func (r receiver) Receive(_ time.Duration, to, from sim.Node, b []byte) { r(to, from, b) }
func (receiver) Wake(time.Duration, sim.Node)                           {}

// chatter is a Host whose nodes answer everything until a number is used up, and wake now and then.
type chatter struct {
	e     *sim.Engine
	nodes int
	wakes int
	size  int
}

func (c *chatter) Receive(_ time.Duration, to, from sim.Node, b []byte) {
	left := binary.LittleEndian.Uint32(b)
	if left == 0 {
		return
	}
	out := make([]byte, c.size)
	binary.LittleEndian.PutUint32(out, left-1)
	c.e.Send(to, sim.Node(sim.Below(c.e.Draw(), uint32(c.nodes))), out)
}

func (c *chatter) Wake(now time.Duration, n sim.Node) {
	c.wakes++
	c.e.SetTimer(n, now+time.Second)
	c.e.Send(n, (n+1)%sim.Node(c.nodes), []byte{20, 0, 0, 0})
}

func chat(seed uint64, opaque bool) (*sim.Engine, *chatter) {
	cfg := sim.SwarmA(7)
	cfg.Duplicate = 0.01
	e := sim.New(sim.Config{Seed: seed, Link: sim.NewLinks(cfg), Opaque: opaque})
	c := &chatter{e: e, nodes: 50, size: 90}
	e.Attach(0, c.nodes, c)
	for i := range c.nodes {
		e.SetTimer(sim.Node(i), time.Duration(i)*time.Millisecond)
	}
	return e, c
}

func TestEqualSeedsEqualTraces(t *testing.T) {
	run := func(seed uint64, opaque bool) uint64 {
		e, c := chat(seed, opaque)
		e.Run(20 * time.Second)
		require.Greater(t, c.wakes, 500)
		require.Greater(t, e.Stats().Delivered, uint64(5000))
		return e.Hash()
	}
	hashes := make(map[uint64]bool)
	for seed := range uint64(5) {
		h := run(seed, false)
		require.Equal(t, h, run(seed, false), "seed %d", seed)
		require.NotContains(t, hashes, h, "seed %d", seed)
		hashes[h] = true
	}
	require.Equal(t, run(1, true), run(1, true))
}

func TestTraceKnowsBytesEndsAndTimes(t *testing.T) {
	run := func(opaque bool, at time.Duration, from, to sim.Node, b string) uint64 {
		e := sim.New(sim.Config{Opaque: opaque})
		e.Attach(0, 10, receiver(func(_, _ sim.Node, _ []byte) {}))
		e.At(at, func() { e.Send(from, to, []byte(b)) })
		e.Run(time.Minute)
		return e.Hash()
	}
	long := "a datagram of more than sixteen bytes"
	h := run(false, time.Second, 1, 2, long)
	require.NotEqual(t, h, run(false, 2*time.Second, 1, 2, long))
	require.NotEqual(t, h, run(false, time.Second, 2, 1, long))
	require.NotEqual(t, h, run(false, time.Second, 1, 3, long))
	require.NotEqual(t, h, run(false, time.Second, 1, 2, long[1:]+"!"))
	require.NotEqual(t, run(false, 0, 1, 2, "a\x00"), run(false, 0, 1, 2, "a"))
	require.Equal(t, run(true, 0, 1, 2, "ab"), run(true, 0, 1, 2, "cd"))
	require.NotEqual(t, run(true, 0, 1, 2, "ab"), run(true, 0, 1, 2, "abc"))
}

func TestStatsAddUp(t *testing.T) {
	e, _ := chat(3, false)
	e.Attach(1000, 1, receiver(func(_, _ sim.Node, _ []byte) { t.Error("too long") }))
	e.Send(0, 999, []byte("nobody there"))
	e.Send(0, 1000, make([]byte, sim.MaxDatagram+1))
	e.Run(10 * time.Second)
	s := e.Stats()
	require.EqualValues(t, 1, s.Nobody)
	require.EqualValues(t, 1, s.TooLong)
	require.NotZero(t, s.Lost)
	require.NotZero(t, s.Copies)
	underWay := s.Sent + s.Copies - s.Delivered - s.Lost - s.Refused - s.Nobody - s.TooLong
	require.LessOrEqual(t, underWay, uint64(e.Pending()))
	require.Equal(t, 10*time.Second, e.Now())
}

func TestTimers(t *testing.T) {
	e := sim.New(sim.Config{})
	c := &alarm{}
	e.Attach(5, 2, c)
	e.SetTimer(5, 3*time.Second)
	e.SetTimer(5, time.Second)   // forward
	e.SetTimer(6, time.Second)   //
	e.SetTimer(6, 2*time.Second) // back
	e.SetTimer(7, time.Second)   // nobody
	e.Run(90 * time.Second)
	require.Equal(t, []rung{{time.Second, 5}, {2 * time.Second, 6}}, c.rang)
	e.SetTimer(5, time.Second) // has passed: at once
	e.SetTimer(6, 100*time.Second)
	e.SetTimer(6, -1)
	e.Run(200 * time.Second)
	require.Equal(t, []rung{{90 * time.Second, 5}}, c.rang[2:])
	require.PanicsWithValue(t, "sim: nodes 5 to 6 have a host", func() { e.Attach(0, 6, c) })
}

type rung struct {
	at time.Duration
	n  sim.Node
}

type alarm struct{ rang []rung }

func (a *alarm) Receive(time.Duration, sim.Node, sim.Node, []byte) {}
func (a *alarm) Wake(now time.Duration, n sim.Node)                { a.rang = append(a.rang, rung{now, n}) }

func TestRunWhileStops(t *testing.T) {
	e := sim.New(sim.Config{})
	n := 0
	for i := range 10 {
		e.At(time.Duration(i)*time.Second, func() { n++ })
	}
	require.False(t, e.RunWhile(time.Hour, func() bool { return n < 4 }))
	require.Equal(t, 3*time.Second, e.Now())
	require.True(t, e.RunWhile(5*time.Second, func() bool { return true }))
	require.Equal(t, 6, n)
}

func TestAddressesAndNodes(t *testing.T) {
	nets := make(map[netip.Prefix]bool)
	check := func(n sim.Node) netip.AddrPort {
		a := sim.Addr(n)
		require.True(t, socket.Routable(a, false), "%d %v", n, a)
		back, ok := sim.NodeAt(a)
		require.True(t, ok)
		require.Equal(t, n, back)
		return a
	}
	for n := sim.Node(0); n < sim.Nets; n += 997 {
		p, _ := check(n).Addr().Prefix(24)
		require.False(t, nets[p], "%v", p)
		nets[p] = true
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		check(sim.Node(r.Int64N(sim.MaxNodes)))
	}
	check(sim.MaxNodes - 1)
	for i := range 254 {
		p, _ := check(sim.Sibling(77, i)).Addr().Prefix(24)
		require.Equal(t, netip.PrefixFrom(sim.Addr(77).Addr(), 24).Masked(), p)
	}
	for _, s := range []string{"10.0.0.1:6881", "1.2.3.4:80", "8.8.8.0:6881", "8.8.8.255:6881", "[2400::1]:6881", "230.1.1.1:6881"} {
		_, ok := sim.NodeAt(netip.MustParseAddrPort(s))
		require.False(t, ok, s)
	}
}
