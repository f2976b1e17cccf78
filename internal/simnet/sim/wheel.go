package sim

import (
	"cmp"
	"math/bits"
	"slices"
	"time"
)

const (
	slotBits = 20 // a slot is 2^20 ns, about a millisecond
	slots    = 8192
)

// event is something that will happen. It holds no pointer, so a million of them cost the garbage collector nothing.
type event struct {
	at   time.Duration
	seq  uint64
	next uint32 // in its slot's list, or in the list of free events
	from Node
	to   Node
	buf  handle
	size uint16
	kind kind
}

type kind uint8

const (
	packet kind = iota
	wake
	call
)

// ref is where an event is, and its place in the order of things.
type ref struct {
	at  time.Duration
	seq uint64
	i   uint32
}

func (r ref) before(o ref) bool { return r.at < o.at || r.at == o.at && r.seq < o.seq }

func compare(a, b ref) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq)) }

// wheel is a queue of events ordered by (at, seq). Those of the next 8.6 seconds lie in unsorted lists, one a slot, and are
// sorted when their slot comes; those of the current slot in a sorted list and a small heap, those beyond in a heap.
type wheel struct {
	events []event // index 0 is never used
	free   uint32
	count  int

	slot  int64 // the current one
	heads [slots]uint32
	used  [slots / 64]uint64 // which heads are not 0
	now   []ref              // of the current slot, sorted
	done  int                // of now
	fresh heap               // came into the current slot, or before, while it is current
	far   heap               // beyond the lists
}

func newWheel() *wheel { return &wheel{events: make([]event, 1)} }

func (w *wheel) len() int { return w.count }

// add queues an event.
func (w *wheel) add(e event) {
	i := w.free
	if i != 0 {
		w.free = w.events[i].next
	} else {
		i = uint32(len(w.events))
		w.events = append(w.events, event{})
	}
	e.next = 0
	w.events[i] = e
	w.count++
	w.place(ref{e.at, e.seq, i})
}

func (w *wheel) place(r ref) {
	slot := int64(r.at) >> slotBits
	switch {
	case slot <= w.slot:
		w.fresh.push(r)
	case slot-w.slot < slots:
		w.list(r.i, slot)
	default:
		w.far.push(r)
	}
}

func (w *wheel) list(i uint32, slot int64) {
	s := slot & (slots - 1)
	w.events[i].next = w.heads[s]
	w.heads[s] = i
	w.used[s>>6] |= 1 << (s & 63)
}

// pop takes the first event out, unless it is later than until.
func (w *wheel) pop(until time.Duration) (event, bool) {
	for {
		r, fresh, ok := w.first()
		if ok {
			if r.at > until {
				return event{}, false
			}
			if fresh {
				w.fresh.pop()
			} else {
				w.done++
			}
			return w.take(r.i), true
		}
		slot, ok := w.nextSlot()
		if !ok || slot > int64(until)>>slotBits {
			return event{}, false
		}
		w.turn(slot)
	}
}

// first returns the first event of the current slot.
func (w *wheel) first() (r ref, fresh, ok bool) {
	switch {
	case w.done == len(w.now) && len(w.fresh) == 0:
		return ref{}, false, false
	case w.done == len(w.now) || len(w.fresh) > 0 && w.fresh[0].before(w.now[w.done]):
		return w.fresh[0], true, true
	}
	return w.now[w.done], false, true
}

func (w *wheel) take(i uint32) event {
	e := w.events[i]
	w.events[i].next = w.free
	w.free = i
	w.count--
	return e
}

// nextSlot returns the first slot after the current one that has events.
func (w *wheel) nextSlot() (int64, bool) {
	best, ok := int64(0), false
	if len(w.far) > 0 {
		best, ok = int64(w.far[0].at)>>slotBits, true
	}
	start := (w.slot + 1) & (slots - 1)
	for off := int64(0); off < slots; {
		s := (start + off) & (slots - 1)
		if word := w.used[s>>6] >> (s & 63); word != 0 {
			off += int64(bits.TrailingZeros64(word))
			if slot := w.slot + 1 + off; off < slots-1 && (!ok || slot < best) {
				return slot, true
			}
			return best, ok
		}
		off += 64 - s&63
	}
	return best, ok
}

// turn makes slot the current one; the one before is empty.
func (w *wheel) turn(slot int64) {
	w.slot = slot
	w.now, w.done = w.now[:0], 0
	for len(w.far) > 0 && int64(w.far[0].at)>>slotBits < slot+slots {
		r := w.far.pop()
		w.list(r.i, int64(r.at)>>slotBits)
	}
	s := slot & (slots - 1)
	for i := w.heads[s]; i != 0; i = w.events[i].next {
		w.now = append(w.now, ref{w.events[i].at, w.events[i].seq, i})
	}
	w.heads[s] = 0
	w.used[s>>6] &^= 1 << (s & 63)
	slices.SortFunc(w.now, compare)
}

// heap is a binary heap of events, the first in front.
type heap []ref

func (h *heap) push(r ref) {
	*h = append(*h, r)
	s := *h
	i := len(s) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !r.before(s[parent]) {
			break
		}
		s[i] = s[parent]
		i = parent
	}
	s[i] = r
}

func (h *heap) pop() ref {
	s := *h
	top, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	*h = s
	if len(s) == 0 {
		return top
	}
	i := 0
	for {
		child := 2*i + 1
		if child >= len(s) {
			break
		}
		if r := child + 1; r < len(s) && s[r].before(s[child]) {
			child = r
		}
		if !s[child].before(last) {
			break
		}
		s[i] = s[child]
		i = child
	}
	s[i] = last
	return top
}
