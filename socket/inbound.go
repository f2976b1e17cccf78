package socket

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Inbound limits what the requests of strangers may cost. A source address can
// be forged, so a limit on answers is also what protects whoever is named as the
// source. Responses to our own queries are never limited. The zero value limits
// nothing; a field that is 0 or negative switches off its own limit only.
type Inbound struct {
	// PerSource requests a second of one source are served, after Burst of them
	// at once. A source is an IPv4 address or an IPv6 /64.
	PerSource rate.Limit
	Burst     int

	// Most is how many requests within 10 s, served or not, a source may send: with
	// one more it is not heard for Silence. Seconds are counted whole, so that in
	// no 10 s more are served; one that keeps to Most in 11 s is never silenced.
	Most    int
	Silence time.Duration

	// PerNet and NetBurst are the same as PerSource and Burst for all sources of
	// an IPv4 /24 or an IPv6 /48 together. What their own limits refuse does not
	// count, so one that floods cannot use up the share of its neighbours.
	PerNet   rate.Limit
	NetBurst int

	// Bytes a second of payload leave the socket before requests go unserved;
	// three seconds' worth may go at once. Queries are always sent, and count: our
	// own lookups are served before strangers.
	Bytes int

	// Sources is how many sources, and how many nets, are remembered at most, 56
	// bytes each; 0 means 16384. Memory grows with those that are busy at the same
	// time. Beyond it, who would be forgotten first is forgotten at once.
	Sources int
}

// PublicInbound is what a node on the open internet wants: 5 requests a second of
// a source and 25 at once (as libtorrent and mldht allow), silence for 5 minutes
// after more than 50 in 10 s (libtorrent), eight times as much for a net, and a
// megabit a second in all.
func PublicInbound() Inbound {
	return Inbound{
		PerSource: 5, Burst: 25,
		Most: 50, Silence: 5 * time.Minute,
		PerNet: 40, NetBurst: 200,
		Bytes: 125_000,
	}
}

const (
	defaultSources = 1 << 14
	budgetSeconds  = 3 // of Bytes that may go at once (libtorrent)
)

// verdict is what becomes of a request.
type verdict uint8

const (
	served verdict = iota
	overRate
	silenced
	overNet
	overBudget
)

// inbound applies Inbound. The limits of sources are not rate.Limiters: with
// thousands of sources, each a stranger's choice, one is 48 bytes without a
// pointer in a table of fixed size, not an object with a lock of its own. What
// there is one of, the budget of bytes, is a rate.Limiter.
type inbound struct {
	source, net pace
	most        int
	silence     moment
	budget      *rate.Limiter // nil: none

	mu      sync.Mutex // a leaf; guards what follows
	sources sources
	nets    sources
}

// newInbound returns nil if there is nothing to limit.
func newInbound(cfg Inbound, seed uint64) *inbound {
	l := &inbound{
		source: newPace(cfg.PerSource, cfg.Burst), net: newPace(cfg.PerNet, cfg.NetBurst),
		most: min(cfg.Most, maxCounted), silence: moment(min(cfg.Silence, longest)),
	}
	if cfg.Bytes > 0 {
		l.budget = rate.NewLimiter(rate.Limit(cfg.Bytes), budgetSeconds*min(cfg.Bytes, 1<<28))
	}
	if cfg.Sources <= 0 {
		cfg.Sources = defaultSources
	}
	l.sources, l.nets = newSources(cfg.Sources, seed), newSources(cfg.Sources, ^seed)
	if !l.perSource() && l.net.gap == 0 && l.budget == nil {
		return nil
	}
	return l
}

func (l *inbound) perSource() bool { return l.source.gap > 0 || l.silences() }

func (l *inbound) silences() bool { return l.most > 0 && l.silence > 0 }

// admit decides about one request that came from an address.
func (l *inbound) admit(from netip.Addr, at time.Time, now moment) verdict {
	if v := l.admitSource(from, now); v != served {
		return v
	}
	if l.budget != nil && l.budget.TokensAt(at) <= 0 {
		return overBudget
	}
	return served
}

func (l *inbound) admitSource(from netip.Addr, now moment) verdict {
	if !l.perSource() && l.net.gap == 0 {
		return served
	}
	source, net := sourceOf(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.perSource() {
		s := l.sources.at(source, now)
		switch {
		case s.silent(now, l.silence):
			return silenced
		case l.silences() && s.count(now) > l.most:
			s.silence(now + l.silence)
			return silenced
		case !s.take(l.source, now):
			return overRate
		}
	}
	if l.net.gap > 0 && !l.nets.at(net, now).take(l.net, now) {
		return overNet
	}
	return served
}

// spend takes n bytes that leave the socket off the budget: on credit if need be,
// but not more than can be paid back in budgetSeconds.
func (l *inbound) spend(n int, at time.Time) {
	if l.budget != nil && l.budget.TokensAt(at) > -float64(l.budget.Burst()) {
		l.budget.ReserveN(at, min(n, l.budget.Burst()))
	}
}

// sourceOf returns the numbers a source and its net are known by, which are not
// 0. An IPv4 address lies in multicast space, where nobody sends from.
func sourceOf(a netip.Addr) (source, net uint64) {
	const v4 = 0xff << 56
	if a.Is4() {
		b := a.As4()
		ip := uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])
		return v4 | ip, v4 | ip>>8
	}
	b := a.As16()
	for _, x := range b[:8] {
		source = source<<8 | uint64(x)
	}
	return max(source, 1), max(source>>16, 1)
}
