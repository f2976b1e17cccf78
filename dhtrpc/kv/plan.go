package kv

import (
	"container/heap"
	"net/netip"
	"time"

	"github.com/dhtkit/dhtkit/dhtrpc"
)

// item is a record that something is to be done about at some time.
type item struct {
	target dhtrpc.ID
	rec    *Record      // never changed, only replaced
	until  time.Time    // when it expires; zero: never
	again  time.Time    // when it is put anew; zero: never
	host   netip.Prefix // who put it; not valid: nobody who is counted
	at     int          // index in plan.queue
}

// due is when something is to be done about the item, if ever.
func (it *item) due() (time.Time, bool) {
	switch {
	case it.again.IsZero():
		return it.until, !it.until.IsZero()
	case !it.until.IsZero() && it.until.Before(it.again):
		return it.until, true
	}
	return it.again, true
}

// plan holds items by target, and knows the one that is due first.
type plan struct {
	items map[dhtrpc.ID]*item
	queue queue
}

func newPlan() plan { return plan{items: make(map[dhtrpc.ID]*item)} }

func (p *plan) add(it *item) {
	p.items[it.target] = it
	heap.Push(&p.queue, it)
}

func (p *plan) remove(it *item) {
	heap.Remove(&p.queue, it.at)
	delete(p.items, it.target)
}

// moved is called after a time of the item has changed.
func (p *plan) moved(it *item) { heap.Fix(&p.queue, it.at) }

// first returns the item that is due, or nil and when the next one is; zero: none.
func (p *plan) first(now time.Time) (*item, time.Time) {
	if len(p.queue) == 0 {
		return nil, time.Time{}
	}
	it := p.queue[0]
	if t, ever := it.due(); !ever || now.Before(t) {
		return nil, t
	}
	return it, now
}

// queue is a heap of items (container/heap), the first due first.
type queue []*item

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	a, ever := q[i].due()
	b, everB := q[j].due()
	return ever && (!everB || a.Before(b))
}

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].at, q[j].at = i, j
}

func (q *queue) Push(x any) {
	it := x.(*item)
	it.at = len(*q)
	*q = append(*q, it)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	it := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return it
}
