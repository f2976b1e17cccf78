package routing

import (
	"slices"
	"time"
)

const (
	rttWindow = 64 // round trips remembered

	// Ours: bounds of the adaptive soft deadline, and its value before the first round trip.
	minSoft   = 50 * time.Millisecond
	maxSoft   = 2 * time.Second
	firstSoft = time.Second
	softSlack = 165 * time.Millisecond
)

// RTTs estimates from the last 64 round trips when a query should count as late. The zero value is ready. Note late
// answers too, or the estimate only ever shrinks.
type RTTs struct {
	ring   [rttWindow]uint32 // microseconds, in order of arrival
	sorted [rttWindow]uint32 // the same, ascending
	n, at  int
}

// Add notes one round trip.
func (r *RTTs) Add(d time.Duration) {
	us := micros(d)
	if r.n == rttWindow {
		old, _ := slices.BinarySearch(r.sorted[:], r.ring[r.at])
		copy(r.sorted[old:], r.sorted[old+1:])
		r.n--
	}
	i, _ := slices.BinarySearch(r.sorted[:r.n], us)
	copy(r.sorted[i+1:], r.sorted[i:r.n])
	r.sorted[i] = us
	r.n++
	r.ring[r.at] = us
	r.at = (r.at + 1) % rttWindow
}

// Soft returns the larger of p10 + 165 ms and p90, kept within 50 ms and 2 s; 1 s before the first round trip.
func (r *RTTs) Soft() time.Duration {
	if r.n == 0 {
		return firstSoft
	}
	p10, p90 := r.sorted[r.n/10], r.sorted[r.n*9/10]
	soft := max(time.Duration(p10)*time.Microsecond+softSlack, time.Duration(p90)*time.Microsecond)
	return min(max(soft, minSoft), maxSoft)
}

// Median returns the middle one of the round trips, 0 before the first.
func (r *RTTs) Median() time.Duration {
	if r.n == 0 {
		return 0
	}
	return time.Duration(r.sorted[r.n/2]) * time.Microsecond
}

// micros returns d in microseconds: at least 1, so that 0 can mean "not known", at most what 32 bits hold.
func micros(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 1), 1<<32-1))
}
