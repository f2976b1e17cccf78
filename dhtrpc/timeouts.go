package dhtrpc

import (
	"net/netip"
	"time"
)

// Timeouts turns on deadlines that follow the round trips of each node (dht-rpc 9.3); without it every attempt has one
// second. Zero fields mean the defaults.
type Timeouts struct {
	Min, Max time.Duration // of one attempt to a known node; 300 ms and 4 s
	Jitter   time.Duration // up to so much is added, drawn anew each time; 256 ms, negative: none
	Nodes    int           // remembered; 65536
	Age      time.Duration // for how long; 10 min
}

func (t Timeouts) withDefaults() Timeouts {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&t.Min, 300*time.Millisecond)
	def(&t.Max, 4*time.Second)
	def(&t.Jitter, 256*time.Millisecond)
	def(&t.Age, 10*time.Minute)
	t.Jitter = max(t.Jitter, 0)
	if t.Nodes <= 0 {
		t.Nodes = 1 << 16
	}
	return t
}

// strangerTimeouts are those of the attempts to a node without a measured round trip; the last one counts for more.
var strangerTimeouts = [...]time.Duration{
	250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
}

// roundTrips remembers the round trips of nodes, in two generations, so that memory is bounded in time and size.
type roundTrips struct {
	cfg        Timeouts
	young, old map[netip.AddrPort]roundTrip
	turns      time.Time
}

// roundTrip is a mean and a mean deviation, in milliseconds.
type roundTrip struct{ avg, dev int32 }

func newRoundTrips(cfg Timeouts) *roundTrips {
	return &roundTrips{cfg: cfg.withDefaults(), young: make(map[netip.AddrPort]roundTrip)}
}

// add notes a round trip.
func (r *roundTrips) add(a netip.AddrPort, rtt time.Duration, now time.Time) {
	ms := int32(min(max(rtt.Milliseconds(), 0), 1<<20))
	x, known := r.get(a, now)
	if !known {
		x = roundTrip{ms, ms >> 1}
	} else {
		x.dev += (max(x.avg-ms, ms-x.avg) - x.dev) >> 2
		x.avg += (ms - x.avg) >> 3
	}
	if _, there := r.young[a]; !there && len(r.young) >= r.cfg.Nodes/2 {
		r.turn(now)
	}
	r.young[a] = x
}

func (r *roundTrips) get(a netip.AddrPort, now time.Time) (roundTrip, bool) {
	if !now.Before(r.turns) {
		r.turn(now)
	}
	x, ok := r.young[a]
	if !ok {
		x, ok = r.old[a]
	}
	return x, ok
}

func (r *roundTrips) turn(now time.Time) {
	r.old, r.young = r.young, make(map[netip.AddrPort]roundTrip)
	if now.Sub(r.turns) >= r.cfg.Age/2 {
		r.old = nil // nobody looked for as long
	}
	r.turns = now.Add(r.cfg.Age / 2)
}

// timeout returns how long to wait for an answer of a after attempt n, counted from 1. draw is a number from [0, 1).
func (r *roundTrips) timeout(a netip.AddrPort, n int, draw float64, now time.Time) time.Duration {
	jitter := time.Duration(draw * float64(r.cfg.Jitter)).Truncate(time.Millisecond)
	x, known := r.get(a, now)
	if !known {
		return strangerTimeouts[min(n, len(strangerTimeouts))-1] + jitter
	}
	d := time.Duration((x.avg+2*x.dev)*int32(n))*time.Millisecond + jitter
	return min(max(d, r.cfg.Min), r.cfg.Max)
}
