package socket

import (
	"math"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// limiter is a token bucket stepped with the time it is given. The zero value
// does not limit.
type limiter struct{ l *rate.Limiter }

func newLimiter(perSecond rate.Limit, burst int) limiter {
	if perSecond <= 0 || perSecond == rate.Inf {
		return limiter{}
	}
	return limiter{rate.NewLimiter(perSecond, max(burst, 1))}
}

// forever is a wait that no time ends.
const forever = time.Duration(math.MaxInt64)

// wait returns how long until there are n tokens: 0 now, forever when the
// bucket cannot hold as many. The last fraction of a nanosecond is forgiven,
// as AllowN does.
func (l limiter) wait(now time.Time, n int) time.Duration {
	if l.l == nil {
		return 0
	}
	if n > l.l.Burst() {
		return forever
	}
	missing := float64(n) - l.l.TokensAt(now)
	ns := missing / float64(l.l.Limit()) * float64(time.Second)
	switch {
	case ns < 1:
		return 0
	case ns >= float64(forever):
		return forever
	}
	return time.Duration(math.Ceil(ns))
}

// take spends a token that wait said is there.
func (l limiter) take(now time.Time) {
	if l.l != nil {
		l.l.AllowN(now, 1)
	}
}

// reserve spends the next token and returns how long until it is there. When
// that is longer than most, it spends nothing and says false.
func (l limiter) reserve(now time.Time, most time.Duration) (time.Duration, bool) {
	if l.l == nil {
		return 0, true
	}
	r := l.l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait >= most {
		r.CancelAt(now)
		return 0, false
	}
	return wait, true
}

// Ours: how long a destination is remembered as contacted, at least, and how
// many are remembered at most. What is forgotten early counts as new again.
const (
	contactedFor = 10 * time.Minute
	maxContacted = 1 << 18
	maxSpaced    = 1 << 16
)

// generations is a map with a bound in time and size: what was put is kept for
// one span at least and two at most, unless more than limit keys come meanwhile.
type generations[V any] struct {
	span  moment
	limit int

	young, old map[netip.AddrPort]V
	turn       moment // when young becomes old
}

func newGenerations[V any](span time.Duration, limit int) *generations[V] {
	return &generations[V]{
		span:  moment(span),
		limit: limit,
		young: make(map[netip.AddrPort]V),
		old:   make(map[netip.AddrPort]V),
	}
}

func (g *generations[V]) get(key netip.AddrPort, now moment) (V, bool) {
	g.age(now)
	if v, ok := g.young[key]; ok {
		return v, true
	}
	v, ok := g.old[key]
	return v, ok
}

func (g *generations[V]) put(key netip.AddrPort, v V, now moment) {
	g.age(now)
	if len(g.young) >= g.limit {
		g.next(now)
	}
	g.young[key] = v
}

func (g *generations[V]) age(now moment) {
	if now < g.turn {
		return
	}
	if now-g.turn >= g.span {
		clear(g.young) // nobody looked for a whole span
	}
	g.next(now)
}

func (g *generations[V]) next(now moment) {
	g.young, g.old = g.old, g.young
	clear(g.young)
	g.turn = now + g.span
}

// spacing plans the packets to one address so that they are not too close.
type spacing struct {
	least  moment // 0: no spacing
	byPort bool   // nodes share addresses, so each port is one of its own
	plan   *generations[moment]
}

func newSpacing(least time.Duration, byPort bool) spacing {
	if least <= 0 {
		return spacing{}
	}
	return spacing{moment(least), byPort, newGenerations[moment](least, maxSpaced)}
}

// earliest returns the first moment from now on at which a packet may go to a.
func (s *spacing) earliest(a netip.AddrPort, now moment) moment {
	if s.least == 0 {
		return now
	}
	last, ok := s.plan.get(s.key(a), now)
	if !ok {
		return now
	}
	return max(now, last+s.least)
}

// book says that a packet goes to a at that moment, which may be to come.
func (s *spacing) book(a netip.AddrPort, at, now moment) {
	if s.least == 0 {
		return
	}
	s.plan.put(s.key(a), at, now)
	s.plan.turn = max(s.plan.turn, at+s.least)
}

func (s *spacing) key(a netip.AddrPort) netip.AddrPort {
	if s.byPort {
		return a
	}
	return netip.AddrPortFrom(a.Addr(), 0)
}
