package socket

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func known(t *sources) (n int) {
	for i := range t.sets {
		for _, k := range t.sets[i].keys {
			if k != 0 {
				n++
			}
		}
	}
	return n
}

const busy = moment(time.Hour)

func TestSourcesAreFoundAgain(t *testing.T) {
	s := newSources(1<<14, 7)
	for i := range uint64(10_000) {
		s.at(i+1, 0).quiet = busy + moment(i)
	}
	for i := range uint64(10_000) {
		require.Equal(t, busy+moment(i), s.at(i+1, 0).quiet)
	}
	require.Equal(t, 10_000, known(&s))
}

func TestSourcesAreBounded(t *testing.T) {
	s := newSources(1000, 7)
	for i := range uint64(1_000_000) {
		s.at(i+1, 0).quiet = busy
	}
	require.Equal(t, 1024/ways, len(s.sets))
}

func TestWhoIsForgottenFirst(t *testing.T) {
	s := newSources(64, 7)
	for i := range uint64(40) {
		s.at(i+1, 0).quiet = busy
	}
	for i := range uint64(10_000) {
		s.at(1000+i, 0).full = moment(time.Second)
	}
	for i := range uint64(40) {
		require.Equal(t, busy, s.at(i+1, 0).quiet, "those silenced for long stay, whoever comes for a moment")
	}
}

func TestIdleSourcesTakeNoRoom(t *testing.T) {
	s := newSources(1<<14, 7)
	p := newPace(5, 25)
	for i := range uint64(100_000) {
		now := moment(i) * moment(100*time.Millisecond) // ten newcomers a second, each remembered for 10 s
		x := s.at(i+1, now)
		require.True(t, x.take(p, now))
		x.count(now)
	}
	require.LessOrEqual(t, len(s.sets)*ways, 256)
	require.Nil(t, newInbound(Inbound{PerSource: -1}, 0), "nothing to limit")
	require.Nil(t, newInbound(PublicInbound(), 0).sources.sets, "and nothing allocated before the first request")
}

func TestSourceCounts(t *testing.T) {
	var s source
	second := moment(time.Second)
	require.Equal(t, 1, s.count(0))
	require.Equal(t, 2, s.count(second-1))
	require.Equal(t, 3, s.count(10*second+second-1), "10 s later it is still counted")
	require.Equal(t, 2, s.count(11*second), "the whole second is forgotten")
	require.Equal(t, 1, s.count(100*second))
	require.Equal(t, 2, s.count(99*second), "a clock that goes back a little")
	require.Equal(t, 1, s.count(50*second), "or a lot")
	require.Equal(t, 1, s.count(-50*second))
}

func TestPaceBounds(t *testing.T) {
	require.Equal(t, pace{}, newPace(0, 5))
	require.Equal(t, pace{}, newPace(-1, 5))
	for _, p := range []pace{newPace(1e-300, math.MaxInt), newPace(1e300, math.MaxInt), newPace(5, -1)} {
		var s source
		require.True(t, s.take(p, 0), "the first is always served")
		require.Positive(t, s.full)
	}
	in := newInbound(Inbound{Most: math.MaxInt, Silence: 1 << 62, Bytes: math.MaxInt, Sources: math.MaxInt, PerSource: 1}, 0)
	require.Equal(t, served, in.admit(netip.MustParseAddr("80.1.1.1"), time.Unix(0, 0), 0))
}
