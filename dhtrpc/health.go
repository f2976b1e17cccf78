package dhtrpc

const (
	healthWindow = 4 // ticks of one kind in a row that decide about degraded
	healthIdle   = 4 // a tick with fewer answers and timeouts says nothing
	offlineAfter = 2 // silent ticks in a row
)

// health judges from answers and timeouts whether our own link works (dht-rpc 14, without the drift of the original's
// counters). The zero value is ready; it is stepped once a tick.
type health struct {
	last              traffic
	ticks             int
	silent, bad, good int // ticks in a row with no answer, with mostly timeouts, with mostly answers
	offline, degraded bool
}

// traffic counts answered and unanswered requests.
type traffic struct{ responses, timeouts uint64 }

// tick takes the sums so far and reports whether the judgement has changed.
func (h *health) tick(now traffic) (changed bool) {
	before := h.last
	h.last = now
	if h.ticks++; h.ticks < healthWindow {
		return false
	}
	responses, timeouts := now.responses-before.responses, now.timeouts-before.timeouts
	if responses+timeouts < healthIdle {
		return false
	}
	was := [2]bool{h.offline, h.degraded}
	h.note(responses, timeouts)
	switch {
	case h.silent >= offlineAfter:
		h.offline, h.degraded = true, false
	case h.bad >= healthWindow:
		h.degraded = true
	case h.good >= healthWindow:
		h.degraded = false
	}
	return was != [2]bool{h.offline, h.degraded}
}

func (h *health) note(responses, timeouts uint64) {
	switch {
	case responses == 0:
		h.silent, h.bad, h.good = h.silent+1, 0, 0
	case timeouts > responses:
		h.silent, h.bad, h.good, h.offline = 0, h.bad+1, 0, false
	default:
		h.silent, h.bad, h.good, h.offline = 0, 0, h.good+1, false
	}
}

// reset forgets everything but the sums, as after a sleep: online until shown otherwise.
func (h *health) reset() { *h = health{last: h.last} }
