package dhtrpc

import "time"

const (
	windowSlots = 4
	windowSlot  = 750 * time.Millisecond
)

// window limits what is sent while nothing comes back (dht-rpc 9.2): of the datagrams sent in one slot of 750 ms that
// were not answered in it, at most max may go, and twice as many in four slots.
type window struct {
	max   int
	slots [windowSlots]int
	total int
	at    int // the current slot
}

// full reports whether requests have to wait.
func (w *window) full() bool { return w.total >= 2*w.max || w.slots[w.at] >= w.max }

// sent notes a datagram of a request.
func (w *window) sent() {
	w.slots[w.at]++
	w.total++
}

// settled notes a request that was answered or ended.
func (w *window) settled() {
	if w.slots[w.at] > 0 {
		w.slots[w.at]--
		w.total--
	}
}

// drain goes on to the next slot.
func (w *window) drain() {
	w.at = (w.at + 1) % windowSlots
	w.total -= w.slots[w.at]
	w.slots[w.at] = 0
}

// clear forgets everything.
func (w *window) clear() { *w = window{max: w.max} }
