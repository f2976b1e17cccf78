package dhtrpc

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/routing"
)

var start = time.Unix(1_700_000_000, 0)

var loopback = netip.MustParseAddr("127.0.0.1")

func TestVectorsToken(t *testing.T) {
	for _, v := range vectors().Tokens {
		jar := newJar()
		jar.Set([IDSize]byte{}, [IDSize]byte(v.Secret), start.Add(tokenLifetime))
		require.Equal(t, []byte(v.Token), jar.Append(nil, netip.MustParseAddr(v.Host), start))
		require.True(t, jar.Valid(v.Token, netip.MustParseAddr(v.Host), start))
	}
}

// Captured tokens are valid for the node that gave them.
func TestCapturedTokens(t *testing.T) {
	checked := 0
	for _, v := range vectors().Messages {
		n, known := vectors().Nodes[v.From]
		if v.Decoded.Type != "response" || v.Decoded.Token == nil || !known {
			continue
		}
		jar := newJar()
		jar.Set([IDSize]byte(n.Secrets[0]), [IDSize]byte(n.Secrets[1]), start.Add(tokenLifetime))
		require.Equal(t, []byte(v.Decoded.Token), jar.Append(nil, v.Dst.addr().Addr(), start), v.Name)
		checked++
	}
	require.Greater(t, checked, 10)
}

func TestVectorsNATSampler(t *testing.T) {
	for _, v := range vectors().Algorithms.NATSampler {
		var s sampler
		for i, step := range v.Steps {
			before := netip.AddrPortFrom(s.host, s.port)
			changed := s.add(step.addr())
			want := step.Result
			if want.Host == "" {
				require.False(t, s.host.IsValid(), "%s, step %d", v.Name, i)
				require.Zero(t, s.port)
			} else {
				require.Equal(t, netip.MustParseAddr(want.Host), s.host, "%s, step %d", v.Name, i)
				require.Equal(t, want.Port, s.port, "%s, step %d", v.Name, i)
			}
			require.Equal(t, before != netip.AddrPortFrom(s.host, s.port), changed)
			require.Equal(t, step.Size, s.size)
			last := s.ring[(s.at-1+samplerRing)%samplerRing]
			require.Equal(t, step.Hits, last.hits, "%s, step %d", v.Name, i)
		}
	}
}

func TestVectorsAdaptiveTimeout(t *testing.T) {
	a := netip.AddrPortFrom(loopback, 1)
	r := newRoundTrips(Timeouts{Jitter: -1})
	for _, step := range vectors().Algorithms.AdaptiveTimeout[0].Steps {
		if step.Op == "put" {
			r.add(a, time.Duration(step.RTT)*time.Millisecond, start)
			require.Equal(t, roundTrip{step.Avg, step.Variance}, r.young[a])
		}
		for i, ms := range step.Attempts {
			require.Equal(t, time.Duration(ms)*time.Millisecond, r.timeout(a, i+1, 0.99, start))
		}
	}
}

func TestRoundTripsAreBounded(t *testing.T) {
	r := newRoundTrips(Timeouts{Nodes: 100})
	for i := range 1000 {
		r.add(netip.AddrPortFrom(loopback, uint16(i+1)), time.Millisecond, start)
		require.LessOrEqual(t, len(r.young)+len(r.old), 100)
	}
	last := netip.AddrPortFrom(loopback, 1000)
	_, known := r.get(last, start.Add(9*time.Minute))
	require.True(t, known)
	_, known = r.get(last, start.Add(20*time.Minute))
	require.False(t, known)
	long := r.timeout(last, 1, 0.999, start)
	require.Equal(t, 505*time.Millisecond, long)
}

func TestVectorsCongestionWindow(t *testing.T) {
	v := vectors().Algorithms.CongestionWindow
	w := window{max: v.Max}
	for i, step := range v.Steps {
		switch step.Op {
		case "send":
			w.sent()
		case "recv":
			w.settled()
		case "drain":
			w.drain()
		}
		require.Equal(t, step.Window, w.slots, i)
		require.Equal(t, step.Total, w.total, i)
		require.Equal(t, step.Index, w.at, i)
		if step.Result != nil {
			require.Equal(t, *step.Result, w.full(), i)
		}
	}
}

func TestVectorsHealth(t *testing.T) {
	for _, v := range vectors().Algorithms.Health {
		var h health
		var sum traffic
		for i, tick := range v.Ticks {
			sum.responses += tick.Responses
			sum.timeouts += tick.Timeouts
			h.tick(sum)
			require.Equal(t, tick.Online, !h.offline, "%s, tick %d", v.Name, i)
			if len(v.Ticks) == 20 && i > 16 {
				require.False(t, h.degraded, "the original's counters drift, ours must not")
				continue
			}
			require.Equal(t, tick.Degraded, h.degraded, "%s, tick %d", v.Name, i)
		}
	}
}

// The original's order of closest nodes is not by distance; ours is. Of those it has, the true closest are found.
func TestTableIsExact(t *testing.T) {
	v := vectors().Algorithms.RoutingTable
	table := routing.NewTable(routing.KeyOf(v.Own), routing.Config{KeyLen: IDSize, K: 20})
	for i, n := range v.Nodes {
		ip := netip.AddrFrom4([4]byte{10, byte(i), 0, 1})
		table.Answered(routing.Node{Key: routing.KeyOf(n.ID), Addr: netip.AddrPortFrom(ip, 1)}, time.Millisecond, start)
	}
	for _, c := range v.Closest {
		target := routing.KeyOf(c.Target)
		ours := table.AppendClosest(nil, target, 20)
		require.Len(t, ours, len(c.K20))
		for _, i := range c.K20 {
			theirs := routing.KeyOf(v.Nodes[i].ID)
			require.LessOrEqual(t, routing.CompareDistance(target, ours[0].Key, theirs), 0)
		}
		for i, node := range appendRows(nil, table, target, 20) { // the original's order, when it is wanted
			require.Equal(t, routing.KeyOf(v.Nodes[c.K20[i]].ID), node.Key, "place %d", i)
		}
	}
}
